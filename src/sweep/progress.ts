/** Progress of a sweep over all runs, weighted by the training sentences each still needs. */
import { plannedSteps } from '../training/members.js';
import type { ChunkProgress } from './chunk.js';
import type { SweepRun } from './grid.js';

export interface SweepView {
  total: number;
  done: number; // complete, including those found complete
  failed: number;
  running: { run: string; name: string; step: number; steps: number; loss: number; together: number }[];
  /** For each card, if each worker has one: runs that ended on it, and its current speed. */
  cards?: { card: string; done: number; samplesPerSecond: number }[];
  fraction: number; // fraction of all training sentences, from 0 to 1
  samplesPerSecond: number; // recent speed of training, over all workers; never negative
  secondsLeft: number; // if no run stops early; NaN before anything is known
}

/** Training sentences of a run that reaches its end. */
function samplesOf({ experiment }: Pick<SweepRun, 'experiment'>): number {
  const { budget, replicas } = experiment;
  return plannedSteps(experiment) * budget.batch * budget.accumulate * replicas;
}

const WINDOW_SECONDS = 30; // time over which pace and speed are measured

interface AtWork {
  runs: readonly SweepRun[];
  card?: string;
  progress?: ChunkProgress;
}

/** What is left and what was trained at some time, in training sentences. */
interface Moment {
  at: number; // seconds
  left: number;
  trained: number;
}

export class SweepProgress {
  readonly #runs: ReadonlyMap<string, SweepRun>;
  readonly #left = new Map<string, number>(); // samples still needed by runs that have not ended
  readonly #reached = new Map<string, number>(); // samples, of runs that have reported
  readonly #all: number;
  readonly #workers = new Map<number | string, AtWork>();
  readonly #doneOn = new Map<string, number>(); // runs, by card
  readonly #now: () => number;
  #history: Moment[] = [];
  #trained = 0; // samples, by the workers of this sweep
  #done = 0;
  #failed = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @param now Milliseconds, of a clock that never goes backwards. */
  constructor(
    runs: readonly SweepRun[],
    readonly tell: (view: SweepView) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#runs = new Map(runs.map((run) => [run.hash, run]));
    for (const run of runs) this.#left.set(run.hash, samplesOf(run));
    this.#all = [...this.#left.values()].reduce((a, b) => a + b, 0);
    this.#now = now;
  }

  begins(worker: number | string, runs: readonly SweepRun[], card?: string): void {
    this.#workers.set(worker, { runs, card });
    if (card !== undefined && !this.#doneOn.has(card)) this.#doneOn.set(card, 0);
  }

  at(worker: number | string, progress: ChunkProgress): void {
    const work = this.#workers.get(worker);
    if (work) work.progress = progress;
    const run = this.#runs.get(progress.hash);
    if (run && this.#left.has(run.hash)) this.#reach(run, (samplesOf(run) * progress.step) / progress.steps);
    this.#tell();
  }

  /** The progress of its runs still counts: they continue from there. */
  ends(worker: number | string): void {
    this.#workers.delete(worker);
  }

  /** Forgets all workers but these. */
  onlyAtWork(workers: ReadonlySet<number | string>): void {
    for (const worker of this.#workers.keys()) if (!workers.has(worker)) this.#workers.delete(worker);
  }

  /** @param found It had ended before this sweep began. */
  ended(hash: string, failed: boolean, found = false): void {
    const saved = this.#left.get(hash) ?? 0;
    this.#left.delete(hash);
    if (failed) this.#failed++;
    else this.#done++;
    const card = [...this.#workers.values()].find(({ runs }) => runs.some((run) => run.hash === hash))?.card;
    if (card !== undefined && !failed) this.#doneOn.set(card, this.#doneOn.get(card)! + 1);
    if (found) this.#shift(saved);
    else this.#tell();
  }

  #reach(run: SweepRun, samples: number): void {
    const before = this.#reached.get(run.hash);
    this.#reached.set(run.hash, samples);
    this.#left.set(run.hash, samplesOf(run) - samples);
    if (before === undefined) this.#shift(samples);
    else if (samples >= before) this.#trained += samples - before;
    else this.#history = []; // its worker died, and the run returns to its checkpoint
  }

  /** Work done before this sweep does not count towards its pace. */
  #shift(samples: number): void {
    for (const moment of this.#history) moment.left -= samples;
  }

  #tell(): void {
    if (this.#now() - this.#toldAt < 250) return;
    this.#toldAt = this.#now();
    this.tell(this.view());
  }

  view(): SweepView {
    const left = [...this.#left.values()].reduce((a, b) => a + b, 0);
    const running: SweepView['running'] = [];
    let said = 0; // samples per second, as reported by the workers
    const speeds = new Map<string, number>(); // likewise, by card
    for (const { runs, progress, card } of this.#workers.values()) {
      if (!progress) continue;
      const { hash, step, steps, loss, samplesPerSecond } = progress;
      if (Number.isFinite(samplesPerSecond)) {
        said += samplesPerSecond;
        if (card !== undefined) speeds.set(card, samplesPerSecond);
      }
      const run = runs.find((r) => r.hash === hash) ?? runs[0];
      running.push({ run: hash, name: run.name, step, steps, loss, together: runs.length });
    }
    const { pace, speed } = this.#lately(left);
    return {
      total: this.#runs.size,
      done: this.#done,
      failed: this.#failed,
      running,
      ...(this.#doneOn.size && {
        cards: [...this.#doneOn]
          .map(([card, done]) => ({ card, done, samplesPerSecond: speeds.get(card) ?? 0 }))
          .sort((a, b) => a.card.localeCompare(b.card, 'en', { numeric: true })),
      }),
      fraction: this.#all ? 1 - left / this.#all : 1,
      samplesPerSecond: speed ?? said,
      secondsLeft: left === 0 ? 0 : pace > 0 ? left / pace : Number.NaN,
    };
  }

  /**
   * pace: decrease of the remaining samples per second, including the samples saved by runs that stopped early. speed: samples
   * trained per second; undefined in the first second.
   */
  #lately(left: number): { pace: number; speed: number | undefined } {
    const now: Moment = { at: this.#now() / 1000, left, trained: this.#trained };
    const last = this.#history.at(-1);
    if (!last || now.at - last.at >= 0.5) this.#history.push(now);
    while (this.#history.length > 2 && now.at - this.#history[1].at > WINDOW_SECONDS) this.#history.shift();
    const first = this.#history[0];
    const seconds = now.at - first.at;
    if (!(seconds >= 1)) return { pace: 0, speed: undefined };
    return { pace: (first.left - left) / seconds, speed: (now.trained - first.trained) / seconds };
  }
}
