/**
 * Runs a sweep: hands chunks of runs to workers, starts a new worker for one that died, tries its runs again one by one, and
 * sets a run aside when it has brought down as many workers as are allowed. The index learns of everything that happens.
 */
import { DiskFullError, WorkerError } from '../core/errors.js';
import type { RunEnd } from '../core/records.js';
import { files } from '../training/folder.js';
import { backlogOf, triesOf } from './backlog.js';
import type { ChunkProgress, ChunkRun, RunOutcome, SweepWorker } from './chunk.js';
import type { SweepRun } from './grid.js';
import { type PackLimits, pack } from './pack.js';
import { SweepProgress, type SweepView } from './progress.js';
import { StallDetector } from './stallDetector.js';
import { endOf, type SweepStore } from './store.js';

export interface ScheduleOptions {
  /** Starts worker number `index` (from 0); called again when it has died. @throws AdapterError and the like: ends the sweep */
  startWorker: (index: number) => Promise<SweepWorker>;
  workers?: number; // at once; default 1
  /** Replicas that train side by side at most; default: what pays on the workers' executor. */
  replicas?: number;
  tries?: number; // workers a run may bring down before it is set aside; default 3
  retryFailed?: boolean; // run again what was set aside
  /** A worker that says nothing for this long is ended, where it can be; default 300 000. */
  stallMs?: number;
  checkpointMs?: number;
  /** Time between two looks at a run that another process is at; default 1000. */
  busyMs?: number;
  by?: string; // who, for the index
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
  | { type: 'progress'; view: SweepView; last?: true }; // last: nothing more will be told

export interface SweepResult {
  total: number;
  trained: number; // now, by this process's workers
  present: number; // complete in the store
  failed: { run: SweepRun; error: string }[];
  interrupted: boolean;
  stopped?: string; // why it stopped by itself before its end
}

const START_FAILURES = 10; // in a row, over all workers: then it is not bad luck

/** Trains the runs the store does not hold complete. Running it again does nothing but look. @throws FileError */
export async function runSweep(
  runs: readonly SweepRun[],
  store: SweepStore,
  options: ScheduleOptions,
): Promise<SweepResult> {
  return new Schedule(runs, store, options).go();
}

type Chunk = readonly SweepRun[];

class Schedule {
  readonly #queue: Chunk[] = [];
  readonly #later: { chunk: Chunk; at: number }[] = []; // busy: other processes are at them
  readonly #tries = new Map<string, number>();
  readonly #result: SweepResult;
  readonly #progress: SweepProgress;
  #atWork = 0; // chunks in workers' hands: they may come back
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
  }

  async go(): Promise<SweepResult> {
    const { workers = 1, onEvent } = this.options;
    const { missing, entries } = await backlogOf(this.runs, this.store, this.#result, this.#progress, this.options);
    for (const { hash } of missing) this.#tries.set(hash, triesOf(entries.get(hash)));
    if (missing.length && !this.#stopped) {
      // The first worker knows what it computes on, and so how many runs pay side by side.
      let first: SweepWorker | undefined;
      while (!first && !this.#stopped) first = await this.#start(0);
      this.#queue.push(...this.#chunks(missing, first?.limits));
      const served = Array.from({ length: Math.max(1, Math.min(workers, this.#queue.length)) }, (_, i) =>
        this.#serve(i, i === 0 ? first : undefined),
      );
      await Promise.all(served);
    }
    if (this.#fatal instanceof DiskFullError && this.#result.stopped) this.#fatal = undefined; // said already
    if (this.#fatal !== undefined) throw this.#fatal;
    onEvent?.({ type: 'progress', view: this.#progress.view(), last: true });
    const { trained, present, failed } = this.#result;
    this.#result.interrupted = trained + present + failed.length < this.runs.length;
    return this.#result;
  }

  /** Packs no larger than pays, and no larger than gives every worker something to do. */
  #chunks(runs: readonly SweepRun[], limits: PackLimits = { replicas: 1 }): Chunk[] {
    const { workers = 1, replicas = limits.replicas } = this.options;
    const total = runs.reduce((sum, run) => sum + run.experiment.replicas, 0);
    return pack(runs, { ...limits, replicas: Math.min(replicas, Math.ceil(total / workers)) });
  }

  get #stopped(): boolean {
    return this.#fatal !== undefined || this.#signal.aborted;
  }

  /** One worker's life, or several workers' one after the other. */
  async #serve(index: number, first?: SweepWorker): Promise<void> {
    let worker = first;
    try {
      for (;;) {
        const chunk = await this.#next();
        if (!chunk) return;
        this.#atWork++;
        try {
          worker ??= await this.#start(index);
          if (!worker) this.#queue.unshift(chunk);
          else if (!(await this.#train(worker, index, chunk))) worker = await this.#bury(worker);
        } finally {
          this.#atWork--;
        }
      }
    } catch (error) {
      this.#fatal ??= error;
    } finally {
      await worker?.close().catch(() => {});
    }
  }

  /** The next chunk; waits for those of other processes when nothing else is left. undefined: nothing is left at all. */
  async #next(): Promise<Chunk | undefined> {
    while (!this.#stopped) {
      const chunk = this.#queue.shift();
      if (chunk) return chunk;
      const due = this.#later.findIndex(({ at }) => at <= performance.now());
      if (due >= 0) return this.#later.splice(due, 1)[0].chunk;
      if (!this.#later.length && !this.#atWork) return undefined;
      await wait(50, this.#signal);
    }
    return undefined;
  }

  async #start(index: number): Promise<SweepWorker | undefined> {
    try {
      return await this.options.startWorker(index);
    } catch (error) {
      if (!(error instanceof WorkerError) || ++this.#startFailures >= START_FAILURES) throw error;
      await wait(100 * this.#startFailures, this.#signal);
      return undefined;
    }
  }

  /** @returns false when the worker is gone. */
  async #train(worker: SweepWorker, index: number, chunk: Chunk): Promise<boolean> {
    const { checkpointMs, stallMs = 300_000, by = 'this process' } = this.options;
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
    this.#progress.begins(index, chunk);
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

  /** A worker died while it had these runs. Some may have ended before; of several none is blamed: they are tried in halves. */
  async #lost(runs: Chunk, error: unknown): Promise<void> {
    const left: SweepRun[] = [];
    for (const run of runs) {
      const records = await this.store.file(run.hash, files.records).catch(() => undefined);
      const ended = endOf(records, run.experiment.replicas);
      if (ended) await this.#settle(run, { hash: run.hash, result: ended.state, fresh: true, ...ended });
      else left.push(run);
    }
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (left.length === 1) return this.#again(left[0], text);
    if (!left.length) return;
    const at = Date.now();
    await this.store.note(left.map((run) => ({ run: run.hash, state: 'waiting', at, error: text })));
    const half = Math.ceil(left.length / 2);
    this.#queue.push(left.slice(0, half), left.slice(half));
    for (const run of left)
      this.options.onEvent?.({ type: 'retry', run, tries: this.#tries.get(run.hash) ?? 0, error: text });
  }

  /** No run would fare better: the sweep stops, and every run that has not ended waits for the next one. */
  async #outOfRoom(run: SweepRun, error: string): Promise<void> {
    const why = `no room on the disk: ${error}; free some space, then the same command goes on`;
    this.#result.stopped ??= why;
    this.#full.abort();
    // There may be no room for this line either.
    await this.store.note([{ run: run.hash, state: 'waiting', at: Date.now(), error: why }]).catch(() => {});
  }

  async #again(run: SweepRun, error: string): Promise<void> {
    const tries = (this.#tries.get(run.hash) ?? 0) + 1;
    this.#tries.set(run.hash, tries);
    if (tries >= (this.options.tries ?? 3)) return this.#setAside(run, error);
    await this.store.note([{ run: run.hash, state: 'waiting', at: Date.now(), error, tries }]);
    this.#queue.push([run]);
    this.options.onEvent?.({ type: 'retry', run, tries, error });
  }

  /** state: `waiting` where the same command can train it on another machine. */
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
