/** Runs that come from a queue one by one, trained side by side if that pays: all runs waiting when a worker is free are packed. */
import type { ChunkHooks, ChunkProgress, ChunkRun, RunOutcome, SweepWorker } from '../../sweep/chunk.js';
import { Lanes } from '../../sweep/lanes.js';
import { type PackLimits, pack } from '../../sweep/pack.js';
import { StallDetector } from '../../sweep/stallDetector.js';

export interface PacksOptions {
  startWorker: (index: number) => Promise<SweepWorker>;
  workers: number;
  ownDevices?: boolean; // each worker has its own device: as in a schedule
  report?: (line: string) => void; // called for a device that is abandoned
  replicas?: number; // maximum number of runs side by side; default: what pays on the workers' executor
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

const GATHER_MS = 100; // runs that arrive within this time are packed together

export class Packs {
  #waiting: Waiting[] = [];
  readonly #again: Waiting[][] = []; // packs, or halves of packs, whose worker died
  readonly #lanes: Lanes<Waiting[]>;
  readonly #idle = new Map<number, SweepWorker>(); // by lane
  readonly #free: Set<number>; // lanes without a worker
  #limits: PackLimits = { replicas: 1 };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly options: PacksOptions) {
    const { workers, ownDevices = false } = options;
    this.#lanes = new Lanes(workers, ownDevices);
    this.#free = new Set(Array.from({ length: workers }, (_, i) => i));
  }

  /** Starts the first worker, so that anything it lacks is reported before a run is taken; returns how many runs pay at a time. */
  async open(): Promise<number> {
    for (const lane of this.#free) {
      const worker = await this.options.startWorker(lane).catch((error: unknown) => {
        if (!this.#lanes.isReplaceable(lane)) throw error;
        this.#giveUp(lane, textOf(error));
      });
      if (!worker) continue;
      this.#limits = { ...worker.limits, replicas: this.options.replicas ?? worker.limits?.replicas ?? 1 };
      this.#free.delete(lane);
      this.#idle.set(lane, worker);
      break;
    }
    return this.#limits.replicas * this.options.workers;
  }

  /** The run's outcome. @throws InputError if no model fits; the reason its worker died, if the run was alone on it */
  train(run: ChunkRun, onProgress: (progress: ChunkProgress) => void): Promise<RunOutcome> {
    return new Promise((resolve, reject) => {
      // A run that no model fits is refused here, alone: in a pack it would delay the other runs.
      pack([run], { ...this.#limits, memoryBytes: this.#limits.memoryBytes ?? Number.MAX_VALUE });
      this.#waiting.push({ run, experiment: run.experiment, onProgress, resolve, reject });
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#hand();
      }, GATHER_MS);
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#idle.values()].map((worker) => worker.close().catch(() => {})));
  }

  #giveUp(lane: number, error: string): void {
    this.#lanes.close(lane);
    this.#free.delete(lane);
    this.options.report?.(`device ${lane} is abandoned; its runs go to the others: ${error}`);
  }

  /** Gives packs to workers while there are both; a worker is started if none is idle. */
  #hand(): void {
    const lanes = [...this.#idle.keys(), ...this.#free];
    for (const [i, lane] of lanes.entries()) {
      const group = this.#groupFor(lane, lanes.length - i);
      if (!group) continue;
      const idle = this.#idle.get(lane);
      this.#idle.delete(lane);
      this.#free.delete(lane);
      void this.#serve(group, lane, idle);
    }
  }

  /** Divides the waiting runs among all idle lanes. */
  #groupFor(lane: number, among: number): Waiting[] | undefined {
    const lost = this.#again.findIndex((group) => this.#lanes.mayTake(lane, group));
    if (lost >= 0) return this.#again.splice(lost, 1)[0];
    if (!this.#waiting.length) return undefined;
    const waiting = this.#waiting.reduce((sum, { experiment }) => sum + experiment.replicas, 0);
    const replicas = Math.min(this.#limits.replicas, Math.ceil(waiting / among));
    const [group] = pack(this.#waiting, { ...this.#limits, replicas });
    this.#waiting = this.#waiting.filter((one) => !group.includes(one));
    return group;
  }

  async #serve(group: Waiting[], lane: number, idle: SweepWorker | undefined): Promise<void> {
    const left = new Map(group.map((one) => [one.run.hash, one]));
    const settle = (outcome: RunOutcome) => {
      left.get(outcome.hash)?.resolve(outcome);
      left.delete(outcome.hash);
    };
    let worker = idle;
    try {
      worker ??= await this.options.startWorker(lane);
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
      this.#lanes.finished(lane, group);
      this.#idle.set(lane, own);
    } catch (error) {
      if (worker?.kill) worker.kill();
      else void worker?.close().catch(() => {});
      this.#free.add(lane);
      this.#lost(lane, group, [...left.values()], error, worker !== undefined);
    } finally {
      this.#hand();
    }
  }

  /** If a worker dies with several runs, none of them is blamed: they are retried in halves, or together on another device. */
  #lost(lane: number, group: Waiting[], runs: Waiting[], error: unknown, started: boolean): void {
    if (!started) this.#lanes.failed(lane, textOf(error));
    else this.#lanes.lost(lane, group, textOf(error));
    const why = this.#lanes.givenUp(lane, started);
    if (why !== undefined) this.#giveUp(lane, why);
    if (!runs.length) return;
    if (this.#lanes.passOn(lane, group, runs, runs.length === 1)) {
      this.#again.unshift(runs);
      return;
    }
    if (runs.length === 1) {
      runs[0].reject(error);
      return;
    }
    const half = Math.ceil(runs.length / 2);
    const halves = [runs.slice(0, half), runs.slice(half)];
    this.#lanes.cut(group, halves);
    this.#again.push(...halves);
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
