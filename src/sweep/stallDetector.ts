/** Ends a worker that shows no sign of life. */
import { WorkerError } from '../core/errors.js';
import type { SweepWorker } from './chunk.js';

const TICK_MS = 1000;

/**
 * Time is from a monotonic clock. Time during which the supervisor did not run (a suspended machine, a stopped process) is excluded:
 * its timer is late by the same amount.
 */
export class StallDetector {
  readonly tickMs: number;
  #last: number; // last sign of life
  #looked: number;

  constructor(
    readonly stallMs: number,
    readonly worker: Pick<SweepWorker, 'kill'>,
    readonly now: () => number = () => performance.now(),
  ) {
    this.tickMs = Math.min(TICK_MS, stallMs / 4);
    this.#last = now();
    this.#looked = this.#last;
  }

  sign(): void {
    this.#last = this.now();
  }

  /** To be called every tickMs. @returns whether the worker has been silent for too long. */
  look(): boolean {
    const now = this.now();
    const late = now - this.#looked - this.tickMs;
    this.#looked = now;
    if (late > this.tickMs) this.#last = Math.min(now, this.#last + late + this.tickMs);
    return now - this.#last >= this.stallMs;
  }

  /** The work's result. @throws WorkerError if the worker stalls; it is ended, if possible. */
  async over<T>(work: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setInterval> | undefined;
    const stalled = new Promise<never>((_, reject) => {
      timer = setInterval(() => {
        if (!this.look()) return;
        const seconds = Math.round(this.stallMs / 1000);
        reject(new WorkerError(`the worker gave no sign of life for ${seconds} s and was ended`));
        this.worker.kill?.();
      }, this.tickMs);
    });
    work.catch(() => {});
    try {
      return await Promise.race([work, stalled]);
    } finally {
      clearInterval(timer);
    }
  }
}
