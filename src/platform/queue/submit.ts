/** Submits runs to a queue and collects their results in the store. */
import type { Job, Queue } from 'bullmq';
import { canonicalJson } from '../../core/canonical.js';
import { FolderBusyError, InputError, QueueError } from '../../core/errors.js';
import { checkTree, files, isHash, printableLine } from '../../core/outside.js';
import { digestsOf, sentData } from '../../core/ownData.js';
import { hasEnded } from '../../core/records.js';
import { backlogOf } from '../../sweep/backlog.js';
import type { SweepRun } from '../../sweep/grid.js';
import { SweepProgress } from '../../sweep/progress.js';
import { protocolOf, type ReceivedRun, type RunMessage, readProgress, receiveResult } from '../../sweep/received.js';
import type { SweepEvent, SweepResult } from '../../sweep/schedule.js';
import { endOf, type RunEntry, type SweepStore } from '../../sweep/store.js';
import type { RunFolder } from '../../training/folder.js';
import { PREFIX, QUEUE, type QueueConnection } from './connect.js';
import { dropResult, keysOf, openSent, putData, refuseResult } from './transfer.js';

export interface SubmitOptions {
  openFolder: (folder: string) => Promise<RunFolder>;
  /** Jobs of this store in the queue at a time; default 512. */
  window?: number;
  tries?: number; // default 3
  retryFailed?: boolean;
  /** Return once everything is in the queue; a later submit collects the results. */
  detach?: boolean;
  signal?: AbortSignal;
  onEvent?: (event: SweepEvent) => void;
  /** Lines for people: refused results, and reasons for waiting. */
  report?: (line: string) => void;
  pollMs?: number; // default 500
}

const jobIdOf = (store: SweepStore, hash: string): string => `${store.id}-${hash}`;

/** Ends when every run is in the store or set aside. After an interruption the same call continues: nothing is submitted twice. */
export async function submitSweep(
  runs: readonly SweepRun[],
  store: SweepStore,
  connection: QueueConnection,
  options: SubmitOptions,
): Promise<SweepResult> {
  const queue = new connection.bullmq.Queue<RunMessage>(QUEUE, { connection: connection.redis, prefix: PREFIX });
  queue.on('error', () => {}); // the connection reports them
  try {
    return await new Submission(runs, store, connection, queue, options).go();
  } finally {
    await queue.close();
  }
}

class Submission {
  readonly #pending: SweepRun[] = [];
  readonly #out = new Map<string, SweepRun>(); // in the queue, or done but not collected
  readonly #refused = new Map<string, number>(); // results of a run that could not be read, jobs that are not from this store
  readonly #told = new Set<string>(); // lines for people
  readonly #result: SweepResult;
  readonly #progress: SweepProgress;
  readonly #begun = Date.now();
  readonly #data: readonly string[]; // digests of the rows that the workers need
  #entries: ReadonlyMap<string, RunEntry> = new Map(); // the index as it was last read

  constructor(
    readonly runs: readonly SweepRun[],
    readonly store: SweepStore,
    readonly connection: QueueConnection,
    readonly queue: Queue<RunMessage>,
    readonly options: SubmitOptions,
  ) {
    this.#data = digestsOf(runs.map(({ experiment }) => experiment));
    this.#result = { total: runs.length, trained: 0, present: 0, failed: [], interrupted: false };
    this.#progress = new SweepProgress(runs, (view) => options.onEvent?.({ type: 'progress', view }));
  }

  async go(): Promise<SweepResult> {
    const { signal, detach, pollMs = 500 } = this.options;
    const { missing, entries } = await backlogOf(this.runs, this.store, this.#result, this.#progress, this.options);
    this.#pending.push(...missing);
    this.#entries = entries;
    for (let round = 0; this.#pending.length || this.#out.size; round++) {
      if (signal?.aborted) break;
      const waits = await this.#round(round);
      if (!waits && detach && !this.#pending.length) break;
      await new Promise((done) => setTimeout(done, waits ? Math.max(pollMs, 2000) : pollMs));
    }
    this.#result.interrupted = this.#pending.length + this.#out.size > 0;
    this.options.onEvent?.({ type: 'progress', view: this.#progress.view(), last: true });
    return this.#result;
  }

  /** @returns whether the server failed to do something that it may be able to do soon. @throws QueueError if it never will */
  async #round(round: number): Promise<boolean> {
    try {
      await this.#collect();
      for (const digest of this.#data) await putData(this.connection.redis, digest, () => sentData([digest])[0].bytes);
      await this.#topUp();
      if (round % 4 === 0) await this.#look();
      return false;
    } catch (error) {
      const text = serverText(error);
      if (text === undefined) throw error;
      if (!PASSES.test(text)) throw new QueueError(`queue ${this.connection.shown}: ${text}; check the server`);
      this.#tell(`${this.connection.shown}: ${text}; trying again until the server can do it`);
      return true;
    }
  }

  /** Keeps the window full; no new job is made for a run that the queue already knows, or that another submission has finished. */
  async #topUp(): Promise<void> {
    const { window = 512, tries = 3 } = this.options;
    const room = window - this.#out.size;
    if (room <= 0 || !this.#pending.length) return;
    const entries = await this.store.read();
    const runs: SweepRun[] = [];
    let looked = 0;
    for (; looked < this.#pending.length && runs.length < room; looked++) {
      const run = this.#pending[looked];
      if (!this.#endedElsewhere(run, entries.get(run.hash))) runs.push(run);
    }
    await this.queue.addBulk(
      runs.map((run) => ({
        name: 'run',
        data: this.#messageOf(run),
        opts: { jobId: jobIdOf(this.store, run.hash), attempts: tries, backoff: { type: 'fixed', delay: 500 } },
      })),
    );
    this.#pending.splice(0, looked);
    for (const run of runs) this.#out.set(run.hash, run);
  }

  #messageOf({ hash, name, experiment }: SweepRun): RunMessage {
    return { protocol: protocolOf(experiment), store: this.store.id, hash, name, experiment };
  }

  async #collect(): Promise<void> {
    const { redis } = this.connection;
    const keys = keysOf(this.store.id);
    for (const hash of await redis.smembers(keys.finished)) {
      if (!isHash(hash)) {
        this.#tell(`a result is named ${printableLine(JSON.stringify(hash), 100)}, which is not a run; it is left out`);
        await redis.multi().srem(keys.finished, hash).hdel(keys.sizes, hash).exec();
        continue;
      }
      if (!this.#out.has(hash) && !(await this.#isOfThisStore(hash))) continue; // it belongs to another submitter
      if (!(await this.#take(hash))) continue;
      const job = await this.queue.getJob(jobIdOf(this.store, hash));
      // Its worker is about to complete it: an active job cannot be removed yet.
      if (job && (await job.isActive())) continue;
      await job?.remove().catch(() => {});
      await dropResult(redis, this.store.id, hash);
    }
  }

  async #isOfThisStore(hash: string): Promise<boolean> {
    if (!this.#entries.has(hash)) this.#entries = await this.store.read();
    return this.#entries.has(hash);
  }

  /** Moves a result into the store. false: it must not be removed, or is already. */
  async #take(hash: string): Promise<boolean> {
    const { redis } = this.connection;
    try {
      const sent = await openSent(redis, keysOf(this.store.id).result(hash));
      if (sent) await this.#keep(hash, await receiveResult(hash, sent));
      else if (!(await this.#collectedElsewhere(hash))) this.#again(hash); // forgotten by the server
      return true;
    } catch (error) {
      if (error instanceof FolderBusyError) return false; // another submission is working on it
      if (!(error instanceof InputError)) throw error;
      await this.#refuse(hash, `its result cannot be used: ${printableLine(error.message, 500)}`);
      return false;
    }
  }

  /** Sets an unreadable result aside and has the run trained again, as often as a run may fail. */
  async #refuse(hash: string, error: string): Promise<void> {
    const job = await this.queue.getJob(jobIdOf(this.store, hash));
    if (job && (await job.isActive())) return;
    await job?.remove().catch(() => {});
    await refuseResult(this.connection.redis, this.store.id, hash);
    const run = this.#out.get(hash);
    const times = (this.#refused.get(hash) ?? 0) + 1;
    this.#refused.set(hash, times);
    this.#tell(`${run?.name ?? hash}: ${error}`);
    if (!run) return;
    if (times >= (this.options.tries ?? 3)) await this.#setAside(run, error, times);
    else this.#again(hash);
  }

  /** Writes a result into the store; the records come last, because they mark it as complete. */
  async #keep(hash: string, { experiment, ended, data }: ReceivedRun): Promise<void> {
    const folder = await this.options.openFolder(this.store.location(hash));
    try {
      const old = await folder.read(files.records);
      if (!old || !endOf(new TextDecoder().decode(old), experiment.replicas)) {
        for (const [name, bytes] of data) if (name !== files.records) await folder.write(name, bytes);
        await folder.write(files.records, data.get(files.records)!);
      }
    } finally {
      await folder.release();
    }
    await this.store.note([{ run: hash, at: Date.now(), tries: 0, ...ended }]);
    const waiting = this.#pending.findIndex((one) => one.hash === hash); // an earlier submission requested it
    const run = waiting < 0 ? this.#out.get(hash) : this.#pending.splice(waiting, 1)[0];
    if (!run) return;
    this.#out.delete(hash);
    this.#result.trained++;
    this.#progress.ended(hash, false);
    this.options.onEvent?.({ type: 'run', run, state: ended.state, fresh: true, loss: ended.loss });
  }

  #again(hash: string): void {
    const run = this.#out.get(hash);
    if (!run) return;
    this.#out.delete(hash);
    this.#pending.unshift(run);
  }

  /** Whether another submission to the same store has stored the end of the run, as it is now. */
  async #collectedElsewhere(hash: string): Promise<boolean> {
    const run = this.#out.get(hash);
    return run !== undefined && this.#endedElsewhere(run, (await this.store.read()).get(hash));
  }

  #endedElsewhere(run: SweepRun, entry: RunEntry | undefined): boolean {
    const ended = hasEnded(entry?.state);
    const failed = entry?.state === 'failed' && entry.at >= this.#begun;
    if (!ended && !failed) return false;
    this.#out.delete(run.hash);
    if (failed) this.#result.failed.push({ run, error: entry.error ?? 'unknown' });
    else this.#result.present++;
    this.#progress.ended(run.hash, failed);
    return true;
  }

  /** Checks the jobs: running ones for the view, those that failed permanently, those that are gone. */
  async #look(): Promise<void> {
    const { redis } = this.connection;
    const keys = keysOf(this.store.id);
    const active = new Set<string>();
    for (const [hash, run] of this.#out) {
      const job = await this.queue.getJob(jobIdOf(this.store, hash));
      const finished = await redis.sismember(keys.finished, hash);
      if (!job) {
        if (!finished && !(await this.#collectedElsewhere(hash))) this.#again(hash);
      } else if (finished) {
        // It is collected in the next round, even if the job has changed since.
      } else if (job.failedReason && (await job.isFailed())) await this.#failed(run, job);
      else if (job.processedOn && !job.finishedOn) {
        active.add(hash);
        this.#show(run, job);
      } else if (job.finishedOn && !(await redis.exists(keys.result(hash)))) {
        await job.remove().catch(() => {}); // completed long ago and its result discarded: from the start
        this.#again(hash);
      }
    }
    this.#progress.onlyAtWork(active);
  }

  #show(run: SweepRun, job: Job<RunMessage>): void {
    const { needs } = Object(job.progress) as { needs?: unknown };
    if (typeof needs === 'string') this.#tell(`${run.name}: waits for another worker: ${printableLine(needs, 300)}`);
    const progress = readProgress(job.progress);
    this.#progress.begins(run.hash, [run]);
    if (progress) this.#progress.at(run.hash, { hash: run.hash, ...progress });
  }

  async #failed(run: SweepRun, job: Job<RunMessage>): Promise<void> {
    const error = printableLine(job.failedReason, 2000);
    await job.remove().catch(() => {});
    if (this.options.retryFailed && job.processedOn! < this.#begun) {
      this.#again(run.hash); // it failed before this submission
      return;
    }
    const own = isSame(job.data, this.#messageOf(run));
    const times = (this.#refused.get(run.hash) ?? 0) + 1;
    if (!own && times < (this.options.tries ?? 3)) {
      this.#refused.set(run.hash, times);
      this.#tell(`${run.name}: another job was in its place and failed (${error}); it is submitted again`);
      this.#again(run.hash);
      return;
    }
    await this.#setAside(run, error, job.attemptsMade);
  }

  async #setAside(run: SweepRun, error: string, tries: number): Promise<void> {
    this.#out.delete(run.hash);
    this.#result.failed.push({ run, error });
    this.#progress.ended(run.hash, true);
    await this.store.note([{ run: run.hash, state: 'failed', at: Date.now(), error, tries }]);
    this.options.onEvent?.({ type: 'run', run, state: 'failed', fresh: true, error });
  }

  #tell(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.options.report?.(line);
  }
}

function isSame(data: unknown, message: RunMessage): boolean {
  try {
    checkTree(data, 'job');
    return canonicalJson(data) === canonicalJson(message);
  } catch {
    return false;
  }
}

/** Answers of a server that is temporarily full, starting, or unreachable. */
const PASSES =
  /\b(OOM|LOADING|BUSY|TRYAGAIN|READONLY|MASTERDOWN|CLUSTERDOWN|MISCONF|EXECABORT|NOREPLICAS)\b|Connection is closed|ECONNRE|EPIPE|ETIMEDOUT|discarded/;

/** The message of the server or the connection; undefined: the error is of another kind. */
function serverText(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const all = [error, ...((error as { previousErrors?: Error[] }).previousErrors ?? [])];
  const known = /^(ReplyError|AbortError|MaxRetriesPerRequestError|TransactionDiscardedError)$/;
  const ours = all.some(({ name, message }) => known.test(name) || PASSES.test(message));
  return ours ? printableLine(all.map(({ message }) => message).join('; '), 300) : undefined;
}

/** @throws InputError unless an address is given. */
export function queueAddress(given: string | undefined, environment: string | undefined): string {
  const address = given ?? environment;
  if (!address)
    throw new InputError('queue: pass --queue redis://host, or set RHM_QUEUE (where a password is seen by fewer)');
  return address;
}
