/**
 * Runs a sweep: hands chunks of runs to workers, starts a new worker for one that died, retries its runs one by one, and sets a
 * run aside once it has crashed as many workers as allowed. Everything that happens is entered in the index.
 */
import { AdapterError, DiskFullError, GpuError, WorkerError } from '../core/errors.js';
import type { RunEnd } from '../core/records.js';
import { files } from '../training/folder.js';
import { backlogOf, triesOf } from './backlog.js';
import type { ChunkProgress, ChunkRun, RunOutcome, SweepWorker } from './chunk.js';
import type { SweepRun } from './grid.js';
import { Lanes } from './lanes.js';
import { type PackLimits, pack } from './pack.js';
import { SweepProgress, type SweepView } from './progress.js';
import { StallDetector } from './stallDetector.js';
import { endOf, type SweepStore } from './store.js';

export interface ScheduleOptions {
  /** Starts worker number `index` (from 0); called again when it has died. @throws AdapterError and similar errors, which end the sweep */
  startWorker: (index: number) => Promise<SweepWorker>;
  workers?: number; // at once; default 1
  /** Each worker has its own device: work that one loses is retried by others, and one that keeps losing work is abandoned. */
  ownDevices?: boolean;
  /** Maximum number of replicas that train side by side; default: what pays on the workers' executor. */
  replicas?: number;
  tries?: number; // workers a run may crash before it is set aside; default 3
  retryFailed?: boolean; // retry runs that were set aside
  /** A worker that is silent for this long is ended, if possible; default 300 000. */
  stallMs?: number;
  checkpointMs?: number;
  /** Interval between checks of a run that another process is training; default 1000. */
  busyMs?: number;
  by?: string; // this process, for the index
  signal?: AbortSignal;
  onEvent?: (event: SweepEvent) => void;
}

export type SweepEvent =
  | { type: 'begin'; total: number; done: number; failed: number; waiting: number; repaired: number }
  | {
      type: 'run';
      run: SweepRun;
      state: RunEnd | 'failed';
      fresh: boolean;
      loss?: number | null;
      error?: string;
    }
  | { type: 'retry'; run: SweepRun; tries: number; error: string }
  | { type: 'device'; worker: number; place?: string; error: string } // abandoned: the others continue without it
  | { type: 'progress'; view: SweepView; last?: true }; // last: this is the final one

export interface SweepResult {
  total: number;
  trained: number; // in this call, by this process's workers
  present: number; // complete in the store
  failed: { run: SweepRun; error: string }[];
  interrupted: boolean;
  stopped?: string; // why it stopped before its end
}

const START_FAILURES = 10; // consecutive, over all workers: more than bad luck

/** Trains the runs that are not complete in the store. Running it again only checks them. @throws FileError */
export async function runSweep(
  runs: readonly SweepRun[],
  store: SweepStore,
  options: ScheduleOptions,
): Promise<SweepResult> {
  return new Schedule(runs, store, options).go();
}

type Chunk = readonly SweepRun[];
type Starting = Promise<SweepWorker | undefined>;

class Schedule {
  readonly #queue: Chunk[] = [];
  readonly #later: { chunk: Chunk; at: number }[] = []; // busy: other processes are training them
  readonly #tries = new Map<string, number>();
  readonly #result: SweepResult;
  readonly #progress: SweepProgress;
  readonly #lanes: Lanes<Chunk>;
  readonly #places = new Map<number, string>(); // by worker
  #atWork = 0; // chunks being trained: they may come back
  #startFailures = 0;
  #fatal: unknown;
  readonly #full = new AbortController();
  readonly #signal: AbortSignal;

  constructor(
    readonly runs: readonly SweepRun[],
    readonly store: SweepStore,
    readonly options: ScheduleOptions,
  ) {
    const { signal } = options;
    this.#signal = signal ? AbortSignal.any([signal, this.#full.signal]) : this.#full.signal;
    this.#result = { total: runs.length, trained: 0, present: 0, failed: [], interrupted: false };
    this.#progress = new SweepProgress(runs, (view) => options.onEvent?.({ type: 'progress', view }));
    this.#lanes = new Lanes(options.workers ?? 1, options.ownDevices ?? false);
  }

  async go(): Promise<SweepResult> {
    const { workers = 1, onEvent } = this.options;
    const { missing, entries } = await backlogOf(this.runs, this.store, this.#result, this.#progress, this.options);
    for (const { hash } of missing) this.#tries.set(hash, triesOf(entries.get(hash)));
    if (missing.length && !this.#stopped) {
      // The first worker knows its executor, and so how many runs pay side by side. Workers with their own devices start
      // together, and idle ones take over what others lose.
      const { ownDevices } = this.options;
      const lanes = Array.from({ length: workers }, (_, i) => i);
      const starting = new Map<number, Starting>();
      for (const lane of lanes.slice(0, ownDevices ? missing.length : 1)) starting.set(lane, this.#begin(lane));
      let first = await firstOf([...starting.values()]);
      while (!first && !this.#stopped) {
        if (this.#givesUp(lanes[0], false)) lanes.shift();
        starting.set(lanes[0], this.#begin(lanes[0]));
        first = await starting.get(lanes[0]);
      }
      this.#queue.push(...this.#chunks(missing, first?.limits));
      if (!ownDevices) lanes.splice(Math.max(1, this.#queue.length));
      await Promise.all(lanes.map((lane) => this.#serve(lane, starting.get(lane))));
    }
    if (this.#fatal instanceof DiskFullError && this.#result.stopped) this.#fatal = undefined; // already reported
    if (this.#fatal !== undefined) throw this.#fatal;
    onEvent?.({ type: 'progress', view: this.#progress.view(), last: true });
    const { trained, present, failed } = this.#result;
    this.#result.interrupted = trained + present + failed.length < this.runs.length;
    return this.#result;
  }

  /** Packs no larger than pays, and small enough to give every worker something to do. */
  #chunks(runs: readonly SweepRun[], limits: PackLimits = { replicas: 1 }): Chunk[] {
    const { workers = 1, replicas = limits.replicas } = this.options;
    const total = runs.reduce((sum, run) => sum + run.experiment.replicas, 0);
    const rounds = Math.ceil(total / (workers * replicas)); // number of packs per worker, so that the last packs are full too
    return pack(runs, { ...limits, replicas: Math.min(replicas, Math.ceil(total / (workers * rounds))) });
  }

  get #stopped(): boolean {
    return this.#fatal !== undefined || this.#signal.aborted;
  }

  /** One worker's life, or several workers' one after the other. */
  async #serve(index: number, starting?: Starting): Promise<void> {
    let worker: SweepWorker | undefined;
    try {
      worker = await starting;
      for (let started = true; !this.#givesUp(index, started); ) {
        const chunk = await this.#next(index);
        if (!chunk) return;
        this.#atWork++;
        try {
          worker ??= await this.#start(index);
          started = worker !== undefined;
          if (!worker) this.#queue.unshift(chunk);
          else if (await this.#train(worker, index, chunk)) this.#lanes.finished(index, chunk);
          else worker = await this.#bury(worker);
        } finally {
          this.#atWork--;
        }
      }
    } catch (error) {
      this.#fatal ??= error;
    } finally {
      this.#lanes.close(index);
      await worker?.close().catch(() => {});
    }
  }

  /** Whether the lane ends because its device keeps failing. */
  #givesUp(index: number, started: boolean): boolean {
    const error = this.#lanes.givenUp(index, started);
    if (error === undefined) return false;
    this.#lanes.close(index);
    this.options.onEvent?.({ type: 'device', worker: index, place: this.#places.get(index), error });
    return true;
  }

  /** The next chunk; waits for those of other processes if nothing else is left. undefined: nothing is left at all. */
  async #next(index: number): Promise<Chunk | undefined> {
    while (!this.#stopped) {
      const ours = this.#queue.findIndex((chunk) => this.#lanes.mayTake(index, chunk));
      if (ours === 0) return this.#queue.shift(); // with 10^5 chunks the others need not be moved
      if (ours > 0) return this.#queue.splice(ours, 1)[0];
      const due = this.#later.findIndex(({ at }) => at <= performance.now());
      if (due >= 0) return this.#later.splice(due, 1)[0].chunk;
      if (!this.#later.length && !this.#queue.length && !this.#atWork) return undefined;
      await wait(50, this.#signal);
    }
    return undefined;
  }

  #begin(index: number): Starting {
    const starting = this.#start(index);
    starting.catch(() => {}); // the error reaches the code that awaits it
    return starting;
  }

  async #start(index: number): Starting {
    try {
      const worker = await this.options.startWorker(index);
      if (worker.place) this.#places.set(index, worker.place);
      return worker;
    } catch (error) {
      if (this.#lanes.isReplaceable(index)) {
        if (!isDeviceFault(error)) throw error;
        await wait(100 * this.#lanes.failed(index, textOf(error)), this.#signal);
        return undefined;
      }
      if (!(error instanceof WorkerError) || ++this.#startFailures >= START_FAILURES) throw error;
      await wait(100 * this.#startFailures, this.#signal);
      return undefined;
    }
  }

  /** @returns false if the worker is gone. */
  async #train(worker: SweepWorker, index: number, chunk: Chunk): Promise<boolean> {
    const { checkpointMs, stallMs = 300_000 } = this.options;
    const by = [this.options.by ?? 'this process', worker.place].filter(Boolean).join(', ');
    const seen = new Map<string, RunOutcome>();
    const settled: Promise<void>[] = [];
    const settle = (outcome: RunOutcome) => {
      if (seen.has(outcome.hash)) return;
      seen.set(outcome.hash, outcome);
      const settling = this.#settle(chunk.find((run) => run.hash === outcome.hash)!, outcome);
      settling.catch(() => {}); // it is awaited with the others
      settled.push(settling);
    };
    const detector = new StallDetector(stallMs, worker);
    await this.store.note(chunk.map(({ hash }) => ({ run: hash, state: 'running', at: Date.now(), by })));
    this.#progress.begins(index, chunk, worker.place);
    let lost: unknown;
    try {
      const task: ChunkRun[] = chunk.map(({ hash, experiment }) => ({
        hash,
        experiment,
        folder: this.store.location(hash),
      }));
      const outcomes = await detector.over(
        worker.train(task, {
          signal: this.#signal,
          checkpointMs,
          onProgress: (progress: ChunkProgress) => {
            detector.sign();
            this.#progress.at(index, progress);
          },
          onOutcome: (outcome) => {
            detector.sign();
            settle(outcome);
          },
        }),
      );
      outcomes.forEach(settle);
      this.#startFailures = 0;
    } catch (error) {
      lost = error;
    }
    this.#progress.ends(index);
    await Promise.all(settled);
    if (lost === undefined) return true;
    await this.#lost(
      index,
      chunk,
      chunk.filter((run) => !seen.has(run.hash)),
      lost,
    );
    return false;
  }

  async #settle(run: SweepRun, { result, fresh, loss, step, error }: RunOutcome): Promise<void> {
    const at = Date.now();
    if (result === 'busy') this.#later.push({ chunk: [run], at: performance.now() + (this.options.busyMs ?? 1000) });
    else if (result === 'full') await this.#outOfRoom(run, error ?? 'unknown');
    else if (result === 'interrupted')
      await this.store.note([{ run: run.hash, state: 'waiting', at, error: 'interrupted' }]);
    else if (result === 'broke') await this.#again(run, error ?? 'unknown');
    else if (result === 'failed') await this.#setAside(run, error ?? 'unknown');
    else if (result === 'elsewhere') await this.#setAside(run, error ?? 'unknown', 'waiting');
    else {
      this.#result[fresh ? 'trained' : 'present']++;
      this.#progress.ended(run.hash, false);
      await this.store.note([{ run: run.hash, state: result, at, loss: loss ?? null, step, tries: 0 }]);
      this.options.onEvent?.({ type: 'run', run, state: result, fresh, loss });
    }
  }

  /**
   * A worker died with these runs of a chunk. Some may have ended before; if there are several, none is blamed: they are retried in
   * halves, or whole on another device.
   */
  async #lost(index: number, chunk: Chunk, runs: Chunk, error: unknown): Promise<void> {
    const left: SweepRun[] = [];
    for (const run of runs) {
      const records = await this.store.file(run.hash, files.records).catch(() => undefined);
      const ended = endOf(records, run.experiment.replicas);
      if (ended) await this.#settle(run, { hash: run.hash, result: ended.state, fresh: true, ...ended });
      else left.push(run);
    }
    const text = textOf(error);
    this.#lanes.lost(index, chunk, text);
    if (left.length === 1) {
      if (!this.#lanes.passOn(index, chunk, left, true)) this.#lanes.cut(chunk, [left]);
      return this.#again(left[0], text, left);
    }
    if (!left.length) return;
    const at = Date.now();
    await this.store.note(left.map((run) => ({ run: run.hash, state: 'waiting', at, error: text })));
    const half = Math.ceil(left.length / 2);
    const halves = [left.slice(0, half), left.slice(half)];
    if (this.#lanes.passOn(index, chunk, left, false)) this.#queue.unshift(left);
    else {
      this.#lanes.cut(chunk, halves);
      this.#queue.push(...halves);
    }
    for (const run of left)
      this.options.onEvent?.({ type: 'retry', run, tries: this.#tries.get(run.hash) ?? 0, error: text });
  }

  /** No other run would do better: the sweep stops, and every run that has not ended waits for the next sweep. */
  async #outOfRoom(run: SweepRun, error: string): Promise<void> {
    const why = `no room on the disk: ${error}; free some space, then run the same command again to continue`;
    this.#result.stopped ??= why;
    this.#full.abort();
    // There may be no room for this line either.
    await this.store.note([{ run: run.hash, state: 'waiting', at: Date.now(), error: why }]).catch(() => {});
  }

  async #again(run: SweepRun, error: string, chunk: Chunk = [run]): Promise<void> {
    const tries = (this.#tries.get(run.hash) ?? 0) + 1;
    this.#tries.set(run.hash, tries);
    if (tries >= (this.options.tries ?? 3)) return this.#setAside(run, error);
    await this.store.note([{ run: run.hash, state: 'waiting', at: Date.now(), error, tries }]);
    this.#queue.push(chunk);
    this.options.onEvent?.({ type: 'retry', run, tries, error });
  }

  /** state: `waiting` if the same command can train it on another machine. */
  async #setAside(run: SweepRun, error: string, state: 'failed' | 'waiting' = 'failed'): Promise<void> {
    const tries = this.#tries.get(run.hash) ?? 1;
    this.#result.failed.push({ run, error });
    this.#progress.ended(run.hash, true);
    await this.store.note([{ run: run.hash, state, at: Date.now(), error, ...(state === 'failed' && { tries }) }]);
    this.options.onEvent?.({ type: 'run', run, state: 'failed', fresh: true, error });
  }

  async #bury(worker: SweepWorker): Promise<undefined> {
    if (worker.kill) worker.kill();
    else void worker.close().catch(() => {}); // it may hang
    return undefined;
  }
}

/** The first worker that has started; undefined: none has. @throws the error if none could start */
async function firstOf(starting: readonly Starting[]): Starting {
  const up = starting.map(async (one) => (await one) ?? Promise.reject(undefined));
  try {
    return await Promise.any(up);
  } catch (error) {
    const thrown = (error as AggregateError).errors.find((reason) => reason !== undefined);
    if (thrown !== undefined) throw thrown;
    return undefined;
  }
}

/** Failures of a worker that need not occur on another device. */
const isDeviceFault = (error: unknown): boolean =>
  error instanceof WorkerError || error instanceof AdapterError || error instanceof GpuError;

const textOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
