/** Submits runs to a queue and brings their results into the store. */
import type { Job, Queue } from 'bullmq';
import { InputError } from '../../core/errors.js';
import type { Experiment } from '../../core/experiment.js';
import type { ChunkProgress } from '../../sweep/chunk.js';
import type { SweepRun } from '../../sweep/grid.js';
import { healStore } from '../../sweep/heal.js';
import { SweepProgress } from '../../sweep/progress.js';
import type { SweepEvent, SweepResult } from '../../sweep/schedule.js';
import { endOf, type SweepStore } from '../../sweep/store.js';
import { files, type RunFolder } from '../../training/folder.js';
import { PREFIX, QUEUE, type QueueConnection } from './connect.js';
import { dropResult, getFiles, keysOf, type RunFileData } from './transfer.js';

/** What a job holds: everything a worker needs. */
export interface RunJob {
  store: string; // id of the store its result belongs to
  hash: string;
  name: string;
  experiment: Experiment;
}

export interface SubmitOptions {
  openFolder: (folder: string) => Promise<RunFolder>;
  /** Jobs of this store in the queue at a time; default 512. */
  window?: number;
  tries?: number; // default 3
  retryFailed?: boolean;
  /** Return when all is in the queue; a later submit collects the results. */
  detach?: boolean;
  signal?: AbortSignal;
  onEvent?: (event: SweepEvent) => void;
  pollMs?: number; // default 500
}

const jobIdOf = (store: SweepStore, hash: string): string => `${store.id}-${hash}`;

/** Ends when every run is in the store or set aside. After an interruption the same call goes on: nothing is submitted twice. */
export async function submitSweep(
  runs: readonly SweepRun[],
  store: SweepStore,
  connection: QueueConnection,
  options: SubmitOptions,
): Promise<SweepResult> {
  const queue = new connection.bullmq.Queue<RunJob>(QUEUE, { connection: connection.redis, prefix: PREFIX });
  queue.on('error', () => {}); // the connection reports them
  try {
    return await new Submission(runs, store, connection, queue, options).go();
  } finally {
    await queue.close();
  }
}

class Submission {
  readonly #pending: SweepRun[] = [];
  readonly #out = new Map<string, SweepRun>(); // in the queue, or done and not collected
  readonly #result: SweepResult;
  readonly #progress: SweepProgress;

  constructor(
    readonly runs: readonly SweepRun[],
    readonly store: SweepStore,
    readonly connection: QueueConnection,
    readonly queue: Queue<RunJob>,
    readonly options: SubmitOptions,
  ) {
    this.#result = { total: runs.length, trained: 0, present: 0, failed: [], interrupted: false };
    this.#progress = new SweepProgress(runs, (view) => options.onEvent?.({ type: 'progress', view }));
  }

  async go(): Promise<SweepResult> {
    const { signal, detach, pollMs = 500 } = this.options;
    await this.#missing();
    for (let round = 0; this.#pending.length || this.#out.size; round++) {
      if (signal?.aborted) break;
      await this.#collect();
      await this.#topUp();
      if (detach && !this.#pending.length) break;
      if (round % 4 === 0) await this.#look();
      await new Promise((done) => setTimeout(done, pollMs));
    }
    this.#result.interrupted = this.#pending.length + this.#out.size > 0;
    this.options.onEvent?.({ type: 'progress', view: this.#progress.view(), last: true });
    return this.#result;
  }

  async #missing(): Promise<void> {
    const { entries, repaired } = await healStore(this.store);
    for (const run of this.runs) {
      const entry = entries.get(run.hash);
      if (entry?.state === 'done' || entry?.state === 'diverged') {
        this.#result.present++;
        this.#progress.ended(run.hash, false, true);
      } else if (entry?.state === 'failed' && !this.options.retryFailed) {
        this.#result.failed.push({ run, error: entry.error ?? 'unknown' });
        this.#progress.ended(run.hash, true, true);
      } else this.#pending.push(run);
    }
    const at = Date.now();
    const unknown = this.#pending.filter((run) => !entries.get(run.hash)?.name);
    await this.store.note(unknown.map(({ hash, name }) => ({ run: hash, state: 'waiting', at, name })));
    const { present: done, failed } = this.#result;
    const counts = { total: this.runs.length, done, failed: failed.length, waiting: this.#pending.length, repaired };
    this.options.onEvent?.({ type: 'begin', ...counts });
  }

  /** Keeps the window full; a job that the queue knows already is not made again. */
  async #topUp(): Promise<void> {
    const { window = 512, tries = 3 } = this.options;
    const room = window - this.#out.size;
    const runs = room > 0 ? this.#pending.splice(0, room) : [];
    if (!runs.length) return;
    await this.queue.addBulk(
      runs.map(({ hash, name, experiment }) => ({
        name: 'run',
        data: { store: this.store.id, hash, name, experiment },
        opts: { jobId: jobIdOf(this.store, hash), attempts: tries, backoff: { type: 'fixed', delay: 500 } },
      })),
    );
    for (const run of runs) this.#out.set(run.hash, run);
  }

  async #collect(): Promise<void> {
    const { redis } = this.connection;
    for (const hash of await redis.smembers(keysOf(this.store.id).finished)) {
      const data = await getFiles(redis, keysOf(this.store.id).result(hash));
      if (data) await this.#keep(hash, data);
      const job = await this.queue.getJob(jobIdOf(this.store, hash));
      // Its worker is about to complete it: a job in a worker's hands cannot be removed yet.
      if (job && !(await job.isCompleted())) {
        if (await job.isActive()) continue;
      }
      await job?.remove().catch(() => {});
      await dropResult(redis, this.store.id, hash);
      if (!data && this.#out.has(hash)) this.#again(hash); // forgotten by the server
    }
  }

  /** Writes a result into the store; the records last, because they say that it is complete. */
  async #keep(hash: string, data: RunFileData): Promise<void> {
    const experiment = JSON.parse(new TextDecoder().decode(data.get(files.experiment))) as Experiment;
    const records = new TextDecoder().decode(data.get(files.records));
    const ended = endOf(records, experiment.replicas);
    if (!ended) return this.#again(hash);
    const folder = await this.options.openFolder(this.store.location(hash));
    try {
      const old = await folder.read(files.records);
      if (!old || !endOf(new TextDecoder().decode(old), experiment.replicas)) {
        for (const [name, bytes] of data) if (name !== files.records) await folder.write(name, bytes);
        await folder.write(files.records, records);
      }
    } finally {
      await folder.release();
    }
    await this.store.note([{ run: hash, at: Date.now(), tries: 0, ...ended }]);
    const run = this.#out.get(hash);
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

  /** What became of the jobs: those at work for the view, those that failed for good, those that are gone. */
  async #look(): Promise<void> {
    const active = new Set<string>();
    for (const [hash, run] of this.#out) {
      const job = await this.queue.getJob(jobIdOf(this.store, hash));
      if (!job) {
        if (!(await this.connection.redis.sismember(keysOf(this.store.id).finished, hash))) this.#again(hash);
        continue;
      }
      if (job.failedReason && (await job.isFailed())) await this.#failed(run, job);
      else if (job.processedOn && !job.finishedOn) {
        active.add(hash);
        this.#show(run, job);
      } else if (job.finishedOn && !(await this.connection.redis.exists(keysOf(this.store.id).result(hash)))) {
        await job.remove().catch(() => {}); // completed long ago, its result forgotten: from the start
        this.#again(hash);
      }
    }
    this.#progress.onlyAtWork(active);
  }

  #show(run: SweepRun, job: Job<RunJob>): void {
    this.#progress.begins(run.hash, [run]);
    if (job.progress && typeof job.progress === 'object')
      this.#progress.at(run.hash, job.progress as unknown as ChunkProgress);
  }

  async #failed(run: SweepRun, job: Job<RunJob>): Promise<void> {
    const error = job.failedReason;
    this.#out.delete(run.hash);
    await job.remove();
    if (this.options.retryFailed && job.processedOn! < this.#begun) {
      this.#pending.push(run); // it failed before this submission
      return;
    }
    this.#result.failed.push({ run, error });
    this.#progress.ended(run.hash, true);
    await this.store.note([{ run: run.hash, state: 'failed', at: Date.now(), error, tries: job.attemptsMade }]);
    this.options.onEvent?.({ type: 'run', run, state: 'failed', fresh: true, error });
  }

  readonly #begun = Date.now();
}

/** @throws InputError unless an address is given. */
export function queueAddress(given: string | undefined, environment: string | undefined): string {
  const address = given ?? environment;
  if (!address)
    throw new InputError('queue: pass --queue redis://host, or set RHM_QUEUE (where a password is seen by fewer)');
  return address;
}
