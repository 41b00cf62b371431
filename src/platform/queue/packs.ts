/** Runs that come from a queue one by one, trained side by side where it pays: whatever waits when a worker is free is packed. */
import type { ChunkHooks, ChunkProgress, ChunkRun, RunOutcome, SweepWorker } from '../../sweep/chunk.js';
import { type PackLimits, pack } from '../../sweep/pack.js';
import { StallDetector } from '../../sweep/stallDetector.js';

export interface PacksOptions {
  startWorker: (index: number) => Promise<SweepWorker>;
  workers: number;
  replicas?: number; // side by side at most; default: what pays on the workers' executor
  stallMs: number;
  hooks: Pick<ChunkHooks, 'signal' | 'checkpointMs'>;
}

interface Waiting {
  readonly run: ChunkRun;
  readonly experiment: ChunkRun['experiment'];
  readonly onProgress: (progress: ChunkProgress) => void;
  readonly resolve: (outcome: RunOutcome) => void;
  readonly reject: (error: unknown) => void;
}

const GATHER_MS = 100; // runs that come together are packed together

export class Packs {
  #waiting: Waiting[] = [];
  readonly #again: Waiting[][] = []; // halves of packs whose worker died
  readonly #idle: SweepWorker[] = [];
  #alive = 0; // workers, those being started among them
  #started = 0;
  #limits: PackLimits = { replicas: 1 };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly options: PacksOptions) {}

  /** Starts the first worker, so that what it lacks is said before any run is taken; returns how many runs pay at a time. */
  async open(): Promise<number> {
    const worker = await this.#start();
    this.#limits = { ...worker.limits, replicas: this.options.replicas ?? worker.limits?.replicas ?? 1 };
    this.#idle.push(worker);
    return this.#limits.replicas * this.options.workers;
  }

  /** The run's outcome. @throws InputError where no model fits; what its worker died of, where it had the worker for itself */
  train(run: ChunkRun, onProgress: (progress: ChunkProgress) => void): Promise<RunOutcome> {
    return new Promise((resolve, reject) => {
      // A run that no model fits is refused here, alone: among others it would hold up those that it is packed with.
      pack([run], { ...this.#limits, memoryBytes: this.#limits.memoryBytes ?? Number.MAX_VALUE });
      this.#waiting.push({ run, experiment: run.experiment, onProgress, resolve, reject });
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#hand();
      }, GATHER_MS);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.map((worker) => worker.close().catch(() => {})));
  }

  async #start(): Promise<SweepWorker> {
    this.#alive++;
    try {
      return await this.options.startWorker(this.#started++);
    } catch (error) {
      this.#alive--;
      throw error;
    }
  }

  /** Gives packs to workers as long as there are both. */
  #hand(): void {
    while ((this.#again.length || this.#waiting.length) && (this.#idle.length || this.#alive < this.options.workers)) {
      const group = this.#again.shift() ?? pack(this.#waiting, this.#limits)[0];
      this.#waiting = this.#waiting.filter((one) => !group.includes(one));
      void this.#serve(group, this.#idle.pop());
    }
  }

  async #serve(group: readonly Waiting[], idle: SweepWorker | undefined): Promise<void> {
    const left = new Map(group.map((one) => [one.run.hash, one]));
    const settle = (outcome: RunOutcome) => {
      left.get(outcome.hash)?.resolve(outcome);
      left.delete(outcome.hash);
    };
    let worker = idle;
    try {
      worker ??= await this.#start();
      const own = worker;
      const detector = new StallDetector(this.options.stallMs, own);
      const trained = own.train(
        group.map(({ run }) => run),
        {
          ...this.options.hooks,
          onProgress(progress) {
            detector.sign();
            left.get(progress.hash)?.onProgress(progress);
          },
          onOutcome(outcome) {
            detector.sign();
            settle(outcome);
          },
        },
      );
      for (const outcome of await detector.over(trained)) settle(outcome);
      this.#idle.push(own);
    } catch (error) {
      if (worker) {
        this.#alive--;
        if (worker.kill) worker.kill();
        else void worker.close().catch(() => {});
      }
      this.#lost([...left.values()], error);
    } finally {
      this.#hand();
    }
  }

  /** Of several runs whose worker died none is blamed: they are tried again in halves. */
  #lost(runs: Waiting[], error: unknown): void {
    if (runs.length === 1) runs[0].reject(error);
    if (runs.length < 2) return;
    const half = Math.ceil(runs.length / 2);
    this.#again.push(runs.slice(0, half), runs.slice(half));
  }
}
