/** The training of `rhm reproduce`: one open device or set of worker threads, several stores, one signal. */
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { counted } from '../core/counted.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { modelModules } from '../models/define.js';
import type { Executor } from '../plan/executor.js';
import { type OpenExecutor, openExecutor } from '../platform/executor.js';
import { hashIn, readRunFolder, runPaths } from '../platform/runFolders.js';
import { openSweepFolder } from '../platform/sweepFolder.js';
import { type SweepWorker, trainChunk } from '../sweep/chunk.js';
import { calibrate, groupRuns } from '../sweep/cost.js';
import type { SweepRun } from '../sweep/grid.js';
import { packLimits } from '../sweep/pack.js';
import { runSweep, type SweepResult } from '../sweep/schedule.js';
import { endOf } from '../sweep/store.js';
import { describeWasm } from '../wasm/executor.js';
import type { ComputeOptions } from './compute.js';
import type { CommandContext } from './context.js';
import { abortOnSignals, timeText } from './running.js';
import { type CardWorkers, type GpuOptions, givenCards } from './sweep/gpus.js';
import { liveView } from './sweep/run.js';
import { type KeptWorkers, keepWorkers, processStart, type Workers, workersOf } from './sweep/workers.js';

const MOST_WORKERS = 8;

export interface StudyOptions extends ComputeOptions, GpuOptions {
  minutes?: number;
  pack?: number;
  json?: boolean;
}

/** Trains runs into one store until time is up; runs that are complete in other stores are not trained again. */
export class Study {
  readonly result = { trained: 0, present: 0, failed: [] as SweepResult['failed'], interrupted: false };
  readonly #abort: ReturnType<typeof abortOnSignals>;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #timedOut = false;
  readonly #complete = new Set<string>(); // hashes of runs counted as present or trained
  readonly #cards: KeptWorkers | undefined; // set if workers get cards
  #opened: OpenExecutor | undefined;

  /** @throws InputError for cards that do not exist */
  constructor(
    readonly out: string,
    readonly others: readonly string[],
    readonly options: StudyOptions,
    readonly io: CommandContext,
  ) {
    const cards = cardsFor(io, options);
    this.#cards = cards && keepWorkers(cards);
    this.#abort = abortOnSignals(io);
    if (options.minutes !== undefined) this.#timer = setTimeout(() => this.#timeOut(), options.minutes * 60_000);
  }

  /** Exit status if it was stopped early; undefined: its time was up, which is not a failure. */
  get stoppedBy(): number | undefined {
    return this.#timedOut ? undefined : this.#abort.status;
  }

  get stores(): string[] {
    return [join(this.out, 'runs'), ...this.others];
  }

  /** @returns whether it may continue. A run that fails is marked and does not stop the others. */
  async train(runs: readonly SweepRun[], { estimate = false, checkpointMs = 30_000 } = {}): Promise<boolean> {
    const missing: SweepRun[] = [];
    for (const run of runs)
      if (!this.#isComplete(run)) missing.push(run);
      else if (!this.#complete.has(run.hash)) {
        this.#complete.add(run.hash);
        this.result.present++;
      }
    const { signal } = this.#abort;
    if (missing.length && !signal.aborted) {
      const { io, out, options } = this;
      if (!this.#cards) this.#opened ??= await openExecutor(io.platform, options, io.log);
      const site = this.#cards ?? this.#site(missing.length);
      io.log(
        `${counted(missing.length, 'run')} on ${'description' in site ? site.description : cardsText(site)}, into ${out}`,
      );
      if (estimate)
        io.log(`${site.workers > 1 && this.#cards ? 'on one card ' : ''}${await this.#estimate(missing, signal)}`);
      const view = liveView(io);
      const { trained, failed } = await runSweep(missing, openSweepFolder(out), {
        ...site,
        retryFailed: true,
        replicas: options.pack,
        checkpointMs,
        signal,
        by: `process ${process.pid} on ${hostname()}`,
        onEvent(event) {
          if (event.type !== 'begin' && (event.type !== 'run' || event.state === 'failed')) view(event);
        },
      });
      this.result.trained += trained;
      this.result.failed.push(...failed);
      for (const run of missing) if (this.#isComplete(run)) this.#complete.add(run.hash);
    }
    if (signal.aborted) this.result.interrupted = true;
    return !signal.aborted;
  }

  /** Whether the run is complete in a store. */
  hasEnded(run: SweepRun): boolean {
    return this.#isComplete(run);
  }

  /** records.jsonl of a run that is complete in one of the stores. */
  records(run: SweepRun): string | undefined {
    const path = this.folderOf(run);
    return path === undefined ? undefined : readRunFolder(path).records;
  }

  /** The run's folder in the first store in which it is complete, else in the first that has it. */
  folderOf({ hash, experiment }: SweepRun): string | undefined {
    const paths = this.stores.map((store) => join(store, hash)).filter((p) => existsSync(join(p, 'experiment.json')));
    const complete = (path: string) => !!endOf(readRunFolder(path).records, experiment.replicas);
    return paths.find(complete) ?? paths[0];
  }

  /** Experiments of all runs in the stores, by hash. A damaged one is reported when that run is requested. */
  stored(): Map<string, Experiment> {
    const found = new Map<string, Experiment>();
    for (const path of this.stores.filter((store) => existsSync(store)).flatMap((store) => runPaths(store))) {
      const hash = hashIn(path);
      if (hash === undefined) continue;
      try {
        found.set(hash, parseExperiment(JSON.parse(readFileSync(join(path, 'experiment.json'), 'utf8'))));
      } catch {}
    }
    return found;
  }

  #timeOut(): void {
    this.#timedOut = !this.#abort.signal.aborted;
    this.#abort.abort();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#abort.stop();
    await this.#cards?.end();
    await this.#opened?.release();
  }

  /** On one device, which is opened for it if other processes have the cards. */
  async #estimate(runs: readonly SweepRun[], signal: AbortSignal): Promise<string> {
    const { executor, release } = this.#opened ?? (await openExecutor(this.io.platform, this.options, this.io.log));
    try {
      return await estimateText(runs, executor, signal);
    } finally {
      if (!this.#opened) await release();
    }
  }

  #isComplete(run: SweepRun): boolean {
    const path = this.folderOf(run);
    return path !== undefined && !!endOf(readRunFolder(path).records, run.experiment.replicas);
  }

  /** This thread if a GPU computes; on the CPU one worker per core, each with one thread: runs share nothing, and threads would wait. */
  #site(runs: number) {
    const { io, options } = this;
    const { executor } = this.#opened!;
    const workers = options.threads === undefined ? Math.min(runs, io.platform.cores, MOST_WORKERS) : 1;
    if (executor.kind === 'wasm' && workers > 1) {
      const choice = { isolate: 'thread', executor: 'wasm', workers, threads: 1, simd: options.simd } as const;
      return {
        ...workersOf(io, { ...choice, stallSeconds: 300, checkpointSeconds: 30 }, () => {}),
        description: `${counted(workers, 'worker')}, each with ${describeWasm(1, executor.simd ?? 'plain')}`,
      };
    }
    const { openFolder } = io.platform;
    let mine = this.#opened;
    const startWorker = async (): Promise<SweepWorker> => {
      // The device and its compiled pipelines outlive the worker; a lost device is replaced.
      mine ??= this.#opened = await openExecutor(io.platform, options, io.log);
      const current = mine;
      const site = { openFolder, executor: async () => current.executor, host: io.platform.host() };
      return {
        limits: packLimits(current.executor),
        train: async (...work: Parameters<SweepWorker['train']>) => {
          try {
            return await trainChunk(work[0], site, work[1]);
          } catch (error) {
            mine = this.#opened = undefined;
            await current.release().catch(() => {});
            throw error;
          }
        },
        close: async () => {},
      };
    };
    return { workers: 1, startWorker, description: executor.description };
  }
}

/** Worker processes, if this machine has several cards to choose from; undefined: this process computes, on the device that it finds. */
function cardsFor(io: CommandContext, options: StudyOptions): CardWorkers | undefined {
  const { executor, adapter, threads } = options;
  const choice = { executor, adapter, threads, models: modelModules() };
  const mostThreads = (workers: number) => Math.max(1, Math.floor(io.platform.cores / workers));
  const start = processStart(
    (workers) => ({ ...choice, mostThreads: mostThreads(workers) }),
    () => {},
  );
  return givenCards(io, options, start);
}

const cardsText = ({ workers }: Workers): string => `${workers} card${workers === 1 ? '' : 's'}, a worker process each`;

async function estimateText(runs: readonly SweepRun[], executor: Executor, signal: AbortSignal): Promise<string> {
  const groups = groupRuns(runs);
  await calibrate(groups, executor, { groups: groups.length, signal });
  const parts = groups.map(({ runs, about, seconds }) => `  ${runs.length} x ${about}: ${timeText(seconds ?? NaN)}`);
  const total = groups.reduce((sum, { seconds }) => sum + (seconds ?? NaN), 0);
  return [`estimated for all, if no run stops early: ${timeText(total)}`, ...parts].join('\n');
}
