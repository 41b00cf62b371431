/** Works on a queue: takes runs, trains them in workers, sends the files back. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, Worker } from 'bullmq';
import { EngineError, InputError, VersionError } from '../../core/errors.js';
import { files, isHash, printableLine, type RunFileName } from '../../core/outside.js';
import { isKnown, mostBytes, receiveData } from '../../core/ownData.js';
import type { RunEnd } from '../../core/records.js';
import type { RunOutcome, SweepWorker } from '../../sweep/chunk.js';
import { type RunFileData, type RunMessage, readMessage, receivePartial } from '../../sweep/received.js';
import type { RunFolder } from '../../training/folder.js';
import { PREFIX, QUEUE, type QueueConnection } from './connect.js';
import { Packs } from './packs.js';
import {
  dropData,
  getData,
  keysOf,
  openSent,
  packFiles,
  putPartial,
  putResult,
  storageProblem,
  uncollectedBytes,
} from './transfer.js';

export interface WorkOptions {
  startWorker: (index: number) => Promise<SweepWorker>;
  workers?: number; // at once; default 1
  ownDevices?: boolean; // each worker has its own device
  replicas?: number; // maximum number of runs side by side on a worker; default: what pays on its executor
  openFolder: (folder: string) => Promise<RunFolder>;
  /** A folder that the other machines also see: a run whose worker died is continued elsewhere from its last checkpoint. */
  shared?: string;
  /** How long a run stays assigned to a worker that gives no sign of life; default 30 s. */
  lockMs?: number;
  checkpointMs?: number;
  tries?: number; // how often a run may lose its worker; default 3
  stallMs?: number;
  /** Bytes of one store's results that may wait in the server's memory; beyond it runs wait to be handed in. Default 512 MiB. */
  resultBytes?: number;
  /** End after being idle for this long; default never. */
  idleMs?: number;
  signal?: AbortSignal;
  onEvent?: (event: WorkEvent) => void;
  /** Lines for people: what the server refuses at present. */
  report?: (line: string) => void;
}

export interface WorkEvent {
  run: string;
  name: string;
  state: 'begun' | RunEnd | 'handed back' | 'failed' | 'waits';
  error?: string;
}

export interface WorkResult {
  trained: number;
  failed: number;
  handedBack: number;
}

const PROGRESS_MS = 1000;
const LEAVE_MS = 5000; // a job of another version returns after this time, which doubles each time
const LEAVE_MOST_MS = 60_000;
const BUSY_MS = 2000; // a run that is already being trained returns after this time
const RETRY_MS = 500; // likewise between two attempts to hand in a run, or to take one
const RETRY_MOST_MS = 15_000;

/** Takes runs until the signal: then active runs are saved and handed back to the queue, and the rest is left to others. */
export async function workOnQueue(connection: QueueConnection, options: WorkOptions): Promise<WorkResult> {
  return new QueueWorkers(connection, options).go();
}

class QueueWorkers {
  readonly #packs: Packs;
  readonly #result: WorkResult = { trained: 0, failed: 0, handedBack: 0 };
  readonly #left = new Map<string, number>(); // how often a job of another version or engine was left to others
  readonly #atWork = new Set<string>(); // hashes
  #scratch = ''; // used by this process alone
  #keepScratch = false;
  #busy = 0;
  #lastAt = Date.now();
  #restMs = RETRY_MS;
  #resting = false;
  #saidRest = false;

  constructor(
    readonly connection: QueueConnection,
    readonly options: WorkOptions,
  ) {
    const { startWorker, workers = 1, ownDevices, replicas, stallMs = 300_000, signal, checkpointMs, report } = options;
    const hooks = { signal, checkpointMs };
    this.#packs = new Packs({ startWorker, workers, ownDevices, report, replicas, stallMs, hooks });
  }

  async go(): Promise<WorkResult> {
    const { lockMs = 30_000, tries = 3, idleMs = Number.POSITIVE_INFINITY, signal } = this.options;
    const { bullmq } = this.connection;
    const atOnce = await this.#packs.open();
    this.#scratch = await mkdtemp(join(tmpdir(), 'rhm-queue-'));
    let fatal: unknown;
    const worker: Worker<unknown> = new bullmq.Worker<unknown>(QUEUE, (job, token) => this.#take(job, token!), {
      connection: this.connection.redis,
      prefix: PREFIX,
      concurrency: atOnce,
      lockDuration: lockMs,
      stalledInterval: Math.max(1000, lockMs / 2),
      maxStalledCount: tries - 1,
    });
    worker.on('error', (error) => void this.#rest(worker, error));
    worker.on('active', () => {
      this.#restMs = RETRY_MS;
      this.#saidRest = false;
    });
    worker.on('failed', (job, error) => this.#failed(job, error));
    try {
      await worker.waitUntilReady();
      while (!signal?.aborted && (this.#busy || Date.now() - this.#lastAt < idleMs))
        await new Promise((done) => setTimeout(done, 100));
    } catch (error) {
      fatal = error;
    }
    await worker.close(); // waits for active runs, which the signal makes hand back
    await this.#packs.close();
    if (!this.#keepScratch) await rm(this.#scratch, { recursive: true, force: true });
    if (fatal !== undefined) throw fatal;
    return this.#result;
  }

  /**
   * Takes no runs for a while. BullMQ 6.7 retries immediately if the server answers with an error instead of a job (out of
   * memory: 12,000 times per second); lost connections, for which it does wait, are reported by the connection.
   */
  async #rest(worker: Worker<unknown>, error: Error): Promise<void> {
    if (error.name !== 'ReplyError' || this.#resting || worker.closing) return;
    this.#resting = true;
    await worker.pause(true);
    const problem = await storageProblem(this.connection.redis, error);
    if (!this.#saidRest) this.options.report?.(`${this.connection.shown}: no run can be taken: ${problem}`);
    this.#saidRest = true;
    await pause(this.#restMs, this.options.signal);
    this.#restMs = Math.min(RETRY_MOST_MS, 2 * this.#restMs);
    this.#resting = false;
    if (!worker.closing) await worker.resume();
  }

  /** Validates a job before any of it is used; a job that is not for this worker is left to others or fails alone. */
  async #take(job: Job<unknown>, token: string): Promise<string> {
    const { bullmq } = this.connection;
    let message: RunMessage;
    try {
      message = await readMessage(job.data);
    } catch (error) {
      if (error instanceof VersionError) return this.#leave(job, token, error);
      throw new bullmq.UnrecoverableError(printableLine(error instanceof Error ? error.message : String(error), 1000));
    }
    // The same run from another store: the two would share a folder, and a pack tells its runs apart by their hashes.
    if (this.#atWork.has(message.hash)) return this.#giveBack(job, token, BUSY_MS);
    this.#atWork.add(message.hash);
    this.#busy++;
    try {
      return await this.#run(job, message, token);
    } finally {
      this.#atWork.delete(message.hash);
      this.#busy--;
      this.#lastAt = Date.now();
    }
  }

  /** Leaves a job to workers of another version, or on another engine. @throws DelayedError */
  async #leave(job: Job<unknown>, token: string, error: VersionError | EngineError | InputError): Promise<never> {
    const times = this.#left.get(job.id!) ?? 0;
    this.#left.set(job.id!, times + 1);
    if (!times) this.options.onEvent?.({ ...shownOf(job), state: 'handed back', error: error.message });
    await job.updateProgress({ needs: error.message }).catch(() => {});
    return this.#giveBack(job, token, Math.min(LEAVE_MOST_MS, LEAVE_MS * 2 ** times));
  }

  /** @throws DelayedError, which ends the attempt without counting it as a try */
  async #giveBack(job: Job<unknown>, token: string, delayMs: number): Promise<never> {
    await job.moveToDelayed(Date.now() + delayMs, token);
    throw new this.connection.bullmq.DelayedError();
  }

  async #run(job: Job<unknown>, message: RunMessage, token: string): Promise<string> {
    const { bullmq } = this.connection;
    const { store, hash, name } = message;
    const { signal, shared } = this.options;
    const tell: Tell = (state, error) => this.options.onEvent?.({ run: hash, name, state, error });
    if (signal?.aborted) return this.#giveBack(job, token, 0);
    // Its worker lost the job after it had handed in the result, for example because the server had no memory left.
    if (await this.#isHandedIn(store, hash)) return 'done';
    const lacking = await this.#lackingData(message);
    if (lacking) return this.#leave(job, token, new InputError(lacking));
    tell('begun');
    const location = shared ? join(shared, 'runs', hash) : join(this.#scratch, hash);
    if (!shared) await this.#restore(store, hash, location, tell);
    const { result, error } = await this.#train(job, message, location);
    switch (result) {
      case 'done':
      case 'diverged':
        if (!(await this.#handIn(message, location, tell))) return this.#giveBack(job, token, 0);
        if (!shared) await rm(location, { recursive: true, force: true });
        this.#result.trained++;
        tell(result);
        return result;
      case 'busy':
        return this.#giveBack(job, token, BUSY_MS);
      case 'interrupted':
        if (!shared) await this.#handBack(message, location, tell);
        this.#result.handedBack++;
        tell('handed back');
        return this.#giveBack(job, token, 0);
      case 'full': // not the fault of the run: it continues on a machine with room
        tell('waits', `no room on the disk: ${error}; free some space`);
        return this.#giveBack(job, token, 10_000);
      case 'elsewhere': // the files it began with are in the queue, or in the shared folder
        if (!shared) await rm(location, { recursive: true, force: true });
        return this.#leave(job, token, new EngineError(error));
      case 'failed':
        throw new bullmq.UnrecoverableError(error ?? 'unknown');
      default:
        throw new Error(error ?? 'unknown');
    }
  }

  /** Gets the rows of its own that a run is trained on from the server. @returns what is missing, and what helps */
  async #lackingData({ experiment: { data, grammar } }: RunMessage): Promise<string | undefined> {
    const { redis, shown } = this.connection;
    for (const [name, { digest, rows }] of Object.entries(data ?? {})) {
      if (isKnown(digest)) continue;
      let problem = `are not on ${shown}`;
      try {
        const bytes = await getData(redis, digest, mostBytes(rows, grammar.s ** grammar.L));
        if (bytes) await receiveData({ digest, bytes: new Uint8Array(bytes) });
        if (bytes) continue;
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        problem = `cannot be read (${printableLine(error.message, 200)})`;
        await dropData(redis, digest);
      }
      return `data.${name}: the rows with digest ${digest} ${problem}; rhm sweep submit with the same grid sends them`;
    }
    return undefined;
  }

  async #train(job: Job<unknown>, { hash, experiment }: RunMessage, folder: string): Promise<RunOutcome> {
    let told = 0;
    try {
      return await this.#packs.train({ hash, experiment, folder }, (progress) => {
        if (Date.now() - told < PROGRESS_MS) return;
        told = Date.now();
        void job.updateProgress({ ...progress }).catch(() => {});
      });
    } catch (error) {
      if (error instanceof InputError) return { hash, result: 'failed', fresh: true, error: error.message };
      throw error;
    }
  }

  #failed(job: Job<unknown> | undefined, error: Error): void {
    const final = !job || job.attemptsMade >= (job.opts.attempts ?? 1) || error.name === 'UnrecoverableError';
    if (final) this.#result.failed++;
    const text = `${printableLine(error.message, 1000)}${final ? '' : '; it will be tried again'}`;
    if (job) this.options.onEvent?.({ ...shownOf(job), state: 'failed', error: text });
  }

  async #isHandedIn(store: string, hash: string): Promise<boolean> {
    const { redis } = this.connection;
    const keys = keysOf(store);
    return (await redis.sismember(keys.finished, hash)) === 1 && (await redis.exists(keys.result(hash))) === 1;
  }

  /** Hands in a finished run, however long the server refuses it. false: the signal came first. */
  async #handIn({ store, hash }: RunMessage, location: string, tell: Tell): Promise<boolean> {
    const { redis } = this.connection;
    const { signal } = this.options;
    const packed = await packFiles(await this.#filesOf(location));
    let said: string | undefined;
    for (let wait = RETRY_MS; ; wait = Math.min(RETRY_MOST_MS, 2 * wait)) {
      try {
        await this.#room(store, () => tell('waits', 'results are not collected: the submitter is away'));
        await putResult(redis, store, hash, packed);
        return true;
      } catch (error) {
        const problem = await storageProblem(redis, error, packed.bytes);
        if (problem !== said) tell('waits', problem);
        said = problem;
      }
      if (signal?.aborted) {
        this.#keep(location, tell);
        return false;
      }
      await pause(wait, signal);
    }
  }

  /** Hands back the files of an interrupted run. */
  async #handBack({ store, hash }: RunMessage, location: string, tell: Tell): Promise<void> {
    const { redis } = this.connection;
    const packed = await packFiles(await this.#filesOf(location));
    try {
      await putPartial(redis, store, hash, packed);
    } catch (error) {
      tell('waits', await storageProblem(redis, error, packed.bytes));
      this.#keep(location, tell);
    }
  }

  #keep(location: string, tell: Tell): void {
    if (this.options.shared) return;
    this.#keepScratch = true;
    tell('waits', `its files stay in ${location}; copied into runs/ of its store they count as its run`);
  }

  /** Waits while too much of a store's results is in the server's memory. */
  async #room(store: string, waits: () => void): Promise<void> {
    const { resultBytes = 512 * 2 ** 20, signal } = this.options;
    for (let told = false; !signal?.aborted; told = true) {
      if ((await uncollectedBytes(this.connection.redis, store)) < resultBytes) return;
      if (!told) waits();
      await pause(500, signal);
    }
  }

  /** Restores the files that an earlier worker of the run handed back; nothing if the run cannot be continued from them. */
  async #restore(store: string, hash: string, location: string, tell: Tell): Promise<void> {
    let partial: RunFileData;
    try {
      const sent = await openSent(this.connection.redis, keysOf(store).partial(hash));
      if (!sent) return;
      partial = await receivePartial(hash, sent);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      tell('begun', `the checkpoint of another worker cannot be used (${error.message}); the run starts again`);
      return;
    }
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
      const found = new Map<RunFileName, Uint8Array>();
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

type Tell = (state: WorkEvent['state'], error?: string) => void;

/** A printable description of a job whose data may be anything. */
function shownOf({ data, id = '' }: Job<unknown>): { run: string; name: string } {
  const { hash, name } = Object(data) as { hash?: unknown; name?: unknown };
  return {
    run: isHash(hash) ? hash : '',
    name: printableLine(typeof name === 'string' && name ? name : `job ${id}`),
  };
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
