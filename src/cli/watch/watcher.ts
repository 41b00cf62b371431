/**
 * A view of a store while its workers write: each reading of the index starts where the last one ended, and records are read when they
 * have grown.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Overview, overviewOf } from '../../analysis/overview.js';
import { type Run, readRun } from '../../analysis/runs.js';
import { InputError } from '../../core/errors.js';
import { hasEnded } from '../../core/records.js';
import { folderHolder } from '../../platform/folderLock.js';
import { readRunFolder } from '../../platform/runFolders.js';
import { type ListedRun, listRuns } from '../../platform/runList.js';
import { eachExperiment } from '../../platform/storedExperiments.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import type { WatchedCurve, WatchedWorker, WatchState } from '../../platform/watchState.js';
import { IndexFold, type RunState } from '../../sweep/store.js';
import { files } from '../../training/folder.js';
import { type Condition, compareValues, fieldOf, parseConditions, stageOf } from '../runs/filter.js';
import { plateauText } from '../runs/table.js';

export interface WatchQuery {
  where: string; // a condition; empty: all runs
  sort: string; // a field of the index; default: running ones first, then by latest event
  reverse: boolean;
  count: number; // of curves
}

const FRESH_MS = 400; // a more recent answer than this is given again
const SINGLE_MS = 3000; // folders of single runs have no index: they are listed again at this interval
const MINUTES = 20;
const FAILURES = 40;
const BINS = 24;
const READ = 400; // runs whose curves are kept
const AT_WORK = 6; // runs of a worker that are listed by name
const LOOKED_AT = 512; // running ones whose locks and last evaluations are read each time

/** planned: runs of a grid by hash, with their names; those that the store does not know yet count as waiting. */
export class Watcher {
  #index = new IndexFold();
  #entries = this.#index.end(); // always the same map, to which whole lines are added
  #decoder = new TextDecoder();
  #offset = 0;
  #rest = ''; // an incomplete line
  #inode = 0;
  #listed: ListedRun[] = [];
  #listedAt = Number.NEGATIVE_INFINITY;
  readonly #read = new Map<string, { stamp: string; run: Run; overview: Overview }>(); // by folder, in the order of their last use
  readonly #verdicts = new Map<string, Map<string, boolean>>(); // by condition, for runs whose experiments were read
  readonly #answers = new Map<string, { at: number; state: Promise<WatchState> }>();
  readonly #location: ((run: string) => string) | undefined; // undefined: single runs

  constructor(
    readonly root: string,
    isStore: boolean,
    readonly planned?: ReadonlyMap<string, string>,
  ) {
    this.#location = isStore ? openSweepFolder(root, { existing: true }).location : undefined;
  }

  /** @throws InputError for a malformed condition, or one that needs all records. */
  async state(query: WatchQuery): Promise<WatchState> {
    const key = JSON.stringify(query);
    const known = this.#answers.get(key);
    if (known && performance.now() - known.at < FRESH_MS) return known.state;
    const state = this.#look(query);
    this.#answers.delete(key);
    this.#answers.set(key, { at: performance.now(), state });
    for (const old of this.#answers.keys()) if (this.#answers.size > 8) this.#answers.delete(old);
    return state;
  }

  async #look({ where, sort, reverse, count }: WatchQuery): Promise<WatchState> {
    const conditions = where.trim() ? parseConditions(where) : [];
    const deep = conditions.find(({ stage }) => stage === 'overview');
    if (deep || (sort && stageOf(sort) !== 'index'))
      throw new InputError(
        `${deep?.text ?? sort}: every record of the store would have to be read for this; rhm runs does it`,
      );
    await this.#refresh();
    const now = Date.now();
    const counts: WatchState['counts'] = { done: 0, diverged: 0, running: 0, failed: 0, waiting: 0 };
    const running: ListedRun[] = [];
    const failures: ListedRun[] = [];
    const losses: number[] = [];
    const ended = new Array<number>(MINUTES).fill(0);
    let known = 0;
    for (const run of this.#runs()) {
      known++;
      counts[run.state]++;
      if (run.state === 'running') running.push(run);
      if (run.state === 'failed' || (run.state === 'waiting' && run.error && run.tries)) failures.push(run);
      if (!hasEnded(run.state)) continue;
      if (typeof run.lastLoss === 'number' && run.lastLoss > 0) losses.push(run.lastLoss);
      const minute = Math.floor((now - (run.at ?? 0)) / 60_000);
      if (minute >= 0 && minute < MINUTES) ended[MINUTES - 1 - minute]++;
    }
    const unknown = this.planned ? [...this.planned.keys()].filter((run) => !this.#entries.has(run)).length : 0;
    counts.waiting += unknown;
    const workers = this.#workers(running, counts);
    const verdicts: Map<string, boolean>[] = [];
    for (const condition of conditions.filter(({ stage }) => stage === 'experiment'))
      verdicts.push(await this.#verdictsOf(condition));
    const byIndex = conditions.filter(({ stage }) => stage === 'index');
    const chosen = new First({ sort, reverse, count });
    for (const listed of this.#runs())
      if (byIndex.every((condition) => condition.holds({ listed })) && verdicts.every((of) => of.get(listed.run)))
        chosen.add(listed);
    failures.sort((a, b) => (b.at ?? 0) - (a.at ?? 0));
    return {
      store: this.root,
      at: now,
      total: known + unknown,
      counts,
      ended,
      workers,
      failed: failures.length,
      failures: failures.slice(0, FAILURES).map(({ run, name, state, at = 0, tries = 0, error = '' }) => {
        return { run, name, state, at, tries, error };
      }),
      ...(losses.length > 1 && { losses: histogram(losses) }),
      matched: chosen.seen,
      curves: this.#curves(chosen.runs),
    };
  }

  /** One by one: a hundred thousand at once would take as much memory again as the index. */
  *#runs(): Generator<ListedRun> {
    if (!this.#location) return yield* this.#listed;
    for (const [run, { name, state, loss, step, at, by, error, tries }] of this.#entries) {
      if (this.planned && !this.planned.has(run)) continue;
      const path = this.#location(run);
      yield {
        run,
        name: this.planned?.get(run) ?? name ?? '',
        path,
        state,
        lastLoss: loss,
        step,
        at,
        by,
        error,
        tries,
        store: this.root,
      };
    }
  }

  async #refresh(): Promise<void> {
    if (this.#location) return this.#readIndex();
    if (performance.now() - this.#listedAt < SINGLE_MS) return;
    this.#listed = await listRuns(this.root);
    this.#listedAt = performance.now();
  }

  /** Reads the appended lines; a file that was replaced or truncated is read from its beginning. */
  #readIndex(): void {
    let handle: number;
    try {
      handle = openSync(join(this.root, 'index.jsonl'), 'r');
    } catch {
      return; // nothing has begun
    }
    try {
      const { size, ino } = fstatSync(handle);
      if (size < this.#offset || ino !== this.#inode) {
        this.#index = new IndexFold();
        this.#entries = this.#index.end();
        this.#decoder = new TextDecoder(); // a character may be split between two pieces
        [this.#offset, this.#rest, this.#inode] = [0, '', ino];
      }
      const piece = Buffer.alloc(Math.min(2 ** 22, Math.max(1, size - this.#offset)));
      while (this.#offset < size) {
        const read = readSync(handle, piece, 0, piece.length, this.#offset);
        if (!read) break;
        this.#offset += read;
        const text = this.#rest + this.#decoder.decode(piece.subarray(0, read), { stream: true });
        const end = text.lastIndexOf('\n') + 1;
        this.#rest = text.slice(end);
        this.#index.add(text.slice(0, end));
      }
    } finally {
      closeSync(handle);
    }
  }

  /** Runs in progress, by process; a run whose process has died counts as waiting. */
  #workers(running: readonly ListedRun[], counts: WatchState['counts']): WatchedWorker[] {
    const workers = new Map<string, WatchedWorker & { done: number }>();
    for (const run of running.slice(0, LOOKED_AT)) {
      const holder = folderHolder(run.path);
      const read = this.#readRun(run.path);
      const begun = read?.run.start;
      if (!holder && !startedLately(run)) {
        counts.running--;
        counts.waiting++;
        continue;
      }
      const by = holder ?? run.by ?? '';
      const place = /, (.*)$/.exec(run.by ?? '')?.[1]; // the card assigned to it
      const adapter = [place, begun?.adapter].filter(Boolean).join(', ') || undefined;
      const key = `${by} ${adapter}`;
      if (!workers.has(key)) workers.set(key, { by, adapter, runs: [], count: 0, fraction: 0, done: 0 });
      const worker = workers.get(key)!;
      const { step = 0, steps = 0, lastLoss: loss = null } = read?.overview ?? {};
      worker.count++;
      worker.done += steps ? step / steps : 0;
      if (worker.runs.length < AT_WORK) worker.runs.push({ run: run.run, name: run.name, step, steps, loss });
    }
    return [...workers.values()]
      .map(({ done, ...worker }) => ({ ...worker, fraction: done / worker.count }))
      .sort((a, b) => a.by.localeCompare(b.by, 'en', { numeric: true }));
  }

  /** The value of a condition for every run. An experiment never changes, so results are kept. */
  async #verdictsOf(condition: Condition): Promise<Map<string, boolean>> {
    const known = this.#verdicts.get(condition.text) ?? new Map<string, boolean>();
    this.#verdicts.delete(condition.text);
    this.#verdicts.set(condition.text, known);
    for (const old of this.#verdicts.keys()) if (this.#verdicts.size > 4) this.#verdicts.delete(old);
    if (condition.usesIndex) known.clear(); // except for an expression that also uses the state or the loss
    const fresh: ListedRun[] = [];
    for (const run of this.#runs()) if (!known.has(run.run)) fresh.push(run);
    await eachExperiment(fresh, (listed, experiment) => known.set(listed.run, condition.holds({ listed, experiment })));
    return known;
  }

  #curves(runs: readonly ListedRun[]): WatchedCurve[] {
    return runs.flatMap(({ run, name, path, state, error }): WatchedCurve[] => {
      const read = this.#readRun(path);
      if (!read) return [];
      const { plateaus = [], curve, step, steps, lastLoss: loss } = read.overview;
      return [
        {
          run,
          name,
          state,
          step,
          steps,
          loss,
          ...(read.overview.plateaus && curve.length && { nearest: plateauText(read.overview) }),
          plateaus,
          points: curve.flatMap((p): [number, number][] => (Number.isFinite(p.loss) ? [[p.samples, p.loss]] : [])),
          ...(error && { error }),
        },
      ];
    });
  }

  /** Read again if its records have grown. */
  #readRun(path: string) {
    const stat = statSync(join(path, files.records), { throwIfNoEntry: false });
    if (!stat) return undefined;
    const stamp = `${stat.size} ${stat.mtimeMs}`;
    let known = this.#read.get(path);
    if (known?.stamp !== stamp) {
      try {
        const run = readRun(readRunFolder(path));
        known = { stamp, run, overview: overviewOf(run) };
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        return undefined; // incomplete, or damaged: rhm show reports the fault
      }
    }
    this.#read.delete(path);
    this.#read.set(path, known!);
    for (const old of this.#read.keys()) if (this.#read.size > READ) this.#read.delete(old);
    return known;
  }
}

const STARTING_MS = 20_000;

/** A worker records its runs before it takes their folders. */
const startedLately = ({ at = 0 }: ListedRun): boolean => Date.now() - at < STARTING_MS;

/** The first runs of an order; the others are not kept. */
class First {
  seen = 0;
  readonly runs: ListedRun[] = [];

  constructor(readonly query: Pick<WatchQuery, 'sort' | 'reverse' | 'count'>) {}

  add(run: ListedRun): void {
    this.seen++;
    const { runs } = this;
    const full = runs.length === this.query.count;
    if (full && this.#compare(run, runs[runs.length - 1]) >= 0) return;
    let at = runs.length;
    while (at > 0 && this.#compare(run, runs[at - 1]) < 0) at--;
    runs.splice(at, 0, run);
    if (full) runs.pop();
  }

  #compare(a: ListedRun, b: ListedRun): number {
    const { sort, reverse } = this.query;
    if (!sort) return rank[a.state] - rank[b.state] || (b.at ?? 0) - (a.at ?? 0);
    return compareValues(fieldOf(sort, { listed: a }), fieldOf(sort, { listed: b }), reverse);
  }
}

const rank: Record<RunState, number> = { running: 0, failed: 1, done: 1, diverged: 1, waiting: 2 };

function histogram(losses: readonly number[]): NonNullable<WatchState['losses']> {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const loss of losses) [low, high] = [Math.min(low, loss), Math.max(high, loss)];
  if (high / low < 1.01) [low, high] = [low / 1.01, high * 1.01];
  const bins = new Array<number>(BINS).fill(0);
  for (const loss of losses)
    bins[Math.min(BINS - 1, Math.floor((BINS * Math.log(loss / low)) / Math.log(high / low)))]++;
  return { low, high, bins };
}
