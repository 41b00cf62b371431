/** Works on a queue: takes runs, trains them in workers of its own, sends the files back. */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, Worker } from 'bullmq';
import type { RunOutcome, SweepWorker } from '../../sweep/chunk.js';
import { files, type RunFolder } from '../../training/folder.js';
import { PREFIX, QUEUE, type QueueConnection } from './connect.js';
import { Packs } from './packs.js';
import type { RunJob } from './submit.js';
import { getFiles, keysOf, putPartial, putResult, type RunFileData, uncollectedBytes } from './transfer.js';

export interface WorkOptions {
  startWorker: (index: number) => Promise<SweepWorker>;
  workers?: number; // at once; default 1
  replicas?: number; // side by side on a worker at most; default: what pays on its executor
  openFolder: (folder: string) => Promise<RunFolder>;
  /** A folder that the other machines see too: a run whose worker died is continued elsewhere from its last checkpoint. */
  shared?: string;
  /** How long a run stays with a worker that gives no sign of life; default 30 s. */
  lockMs?: number;
  checkpointMs?: number;
  tries?: number; // times a run may lose its worker; default 3
  stallMs?: number;
  /** Results of one store that may wait in the server's memory; beyond it runs wait to be handed in. Default 512 MiB. */
  resultBytes?: number;
  /** End when there has been nothing to do for this long; default never. */
  idleMs?: number;
  signal?: AbortSignal;
  onEvent?: (event: WorkEvent) => void;
}

export interface WorkEvent {
  run: string;
  name: string;
  state: 'begun' | 'done' | 'diverged' | 'handed back' | 'failed' | 'waits';
  error?: string;
}

export interface WorkResult {
  trained: number;
  failed: number;
  handedBack: number;
}

const PROGRESS_MS = 1000;

/** Takes runs until the signal: then what is at work is saved, handed back to the queue, and the rest left to others. */
export async function workOnQueue(connection: QueueConnection, options: WorkOptions): Promise<WorkResult> {
  return new Crew(connection, options).go();
}

class Crew {
  readonly #packs: Packs;
  readonly #result: WorkResult = { trained: 0, failed: 0, handedBack: 0 };
  readonly #scratch = join(tmpdir(), `rhm-queue-${process.pid}-${crypto.randomUUID().slice(0, 8)}`);
  #busy = 0;
  #lastAt = Date.now();

  constructor(
    readonly connection: QueueConnection,
    readonly options: WorkOptions,
  ) {
    const { startWorker, workers = 1, replicas, stallMs = 300_000, signal, checkpointMs } = options;
    this.#packs = new Packs({ startWorker, workers, replicas, stallMs, hooks: { signal, checkpointMs } });
  }

  async go(): Promise<WorkResult> {
    const { lockMs = 30_000, tries = 3, idleMs = Number.POSITIVE_INFINITY, signal } = this.options;
    const { bullmq } = this.connection;
    const atOnce = await this.#packs.open();
    let fatal: unknown;
    const worker: Worker<RunJob> = new bullmq.Worker<RunJob>(
      QUEUE,
      async (job, token) => {
        this.#busy++;
        try {
          return await this.#run(job, token!);
        } finally {
          this.#busy--;
          this.#lastAt = Date.now();
        }
      },
      {
        connection: this.connection.redis,
        prefix: PREFIX,
        concurrency: atOnce,
        lockDuration: lockMs,
        stalledInterval: Math.max(1000, lockMs / 2),
        maxStalledCount: tries - 1,
      },
    );
    worker.on('error', () => {}); // the connection reports what is wrong with it
    worker.on('failed', (job, error) => this.#failed(job, error));
    try {
      await worker.waitUntilReady();
      while (!signal?.aborted && (this.#busy || Date.now() - this.#lastAt < idleMs))
        await new Promise((done) => setTimeout(done, 100));
    } catch (error) {
      fatal = error;
    }
    await worker.close(); // waits for what is at work: the signal makes it hand back
    await this.#packs.close();
    await rm(this.#scratch, { recursive: true, force: true });
    if (fatal !== undefined) throw fatal;
    return this.#result;
  }

  async #run(job: Job<RunJob>, token: string): Promise<string> {
    const { bullmq, redis } = this.connection;
    const { store, hash, name } = job.data;
    const { signal } = this.options;
    const tell = (state: WorkEvent['state'], error?: string) =>
      this.options.onEvent?.({ run: hash, name, state, error });
    const giveBack = async (delayMs: number): Promise<never> => {
      await job.moveToDelayed(Date.now() + delayMs, token); // does not count as a try
      throw new bullmq.DelayedError();
    };
    if (signal?.aborted) return giveBack(0);
    tell('begun');
    const location = this.options.shared ? join(this.options.shared, 'runs', hash) : join(this.#scratch, hash);
    if (!this.options.shared) await this.#restore(store, hash, location);
    const { result, error } = await this.#train(job, location);
    switch (result) {
      case 'done':
      case 'diverged':
        await this.#room(store, () => tell('waits', 'results are not collected: the submitter is away'));
        await putResult(redis, store, hash, await this.#filesOf(location));
        if (!this.options.shared) await rm(location, { recursive: true, force: true });
        this.#result.trained++;
        tell(result);
        return result;
      case 'busy':
        return giveBack(2000);
      case 'interrupted':
        if (!this.options.shared) await putPartial(redis, store, hash, await this.#filesOf(location));
        this.#result.handedBack++;
        tell('handed back');
        return giveBack(0);
      case 'failed':
        throw new bullmq.UnrecoverableError(error ?? 'unknown');
      default:
        throw new Error(error ?? 'unknown');
    }
  }

  #train(job: Job<RunJob>, folder: string): Promise<RunOutcome> {
    const { hash, experiment } = job.data;
    let told = 0;
    return this.#packs.train({ hash, experiment, folder }, (progress) => {
      if (Date.now() - told < PROGRESS_MS) return;
      told = Date.now();
      void job.updateProgress({ ...progress }).catch(() => {});
    });
  }

  #failed(job: Job<RunJob> | undefined, error: Error): void {
    const final = !job || job.attemptsMade >= (job.opts.attempts ?? 1) || error.name === 'UnrecoverableError';
    if (final) this.#result.failed++;
    if (job) {
      const { hash: run, name } = job.data;
      this.options.onEvent?.({
        run,
        name,
        state: 'failed',
        error: `${error.message}${final ? '' : '; it will be tried again'}`,
      });
    }
  }

  /** Waits while too much of a store's results lies in the server's memory. */
  async #room(store: string, waits: () => void): Promise<void> {
    const { resultBytes = 512 * 2 ** 20, signal } = this.options;
    for (let told = false; !signal?.aborted; told = true) {
      if ((await uncollectedBytes(this.connection.redis, store)) < resultBytes) return;
      if (!told) waits();
      await new Promise((done) => setTimeout(done, 500));
    }
  }

  /** What another worker of the run handed back. */
  async #restore(store: string, hash: string, location: string): Promise<void> {
    const partial = await getFiles(this.connection.redis, keysOf(store).partial(hash));
    if (!partial) return;
    const folder = await this.options.openFolder(location);
    try {
      for (const [name, data] of partial) await folder.write(name, data);
    } finally {
      await folder.release();
    }
  }

  async #filesOf(location: string): Promise<RunFileData> {
    const folder = await this.options.openFolder(location);
    try {
      const found = new Map<string, Uint8Array>();
      for (const name of Object.values(files)) {
        const data = await folder.read(name);
        if (data) found.set(name, data);
      }
      return found;
    } finally {
      await folder.release();
    }
  }
}
