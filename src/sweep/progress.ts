/** How far a sweep is: over all runs, weighted by the training sentences each still has to see. */
import { plannedSteps } from '../training/members.js';
import type { ChunkProgress } from './chunk.js';
import type { SweepRun } from './grid.js';

export interface SweepView {
  total: number;
  done: number; // complete, those found complete among them
  failed: number;
  running: { run: string; name: string; step: number; steps: number; loss: number; together: number }[];
  fraction: number; // of all training sentences, from 0 to 1
  samplesPerSecond: number; // now, over all workers
  secondsLeft: number; // if no run stops early; NaN before anything is known
}

/** Training sentences of a run that goes to its end. */
export function samplesOf({ experiment }: Pick<SweepRun, 'experiment'>): number {
  const { budget, replicas } = experiment;
  return plannedSteps(experiment) * budget.batch * budget.accumulate * replicas;
}

const WINDOW_SECONDS = 30; // over which the pace is measured

interface AtWork {
  runs: readonly SweepRun[];
  samples: number; // that its runs need from start to end
  progress?: ChunkProgress;
}

export class SweepProgress {
  readonly #left = new Map<string, number>(); // samples of the runs that have not ended
  readonly #all: number;
  readonly #workers = new Map<number | string, AtWork>();
  readonly #total: number;
  readonly #history: { at: number; left: number }[] = [];
  #done = 0;
  #failed = 0;
  #toldAt = 0;

  constructor(
    runs: readonly SweepRun[],
    readonly tell: (view: SweepView) => void,
  ) {
    for (const run of runs) this.#left.set(run.hash, samplesOf(run));
    this.#all = [...this.#left.values()].reduce((a, b) => a + b, 0);
    this.#total = runs.length;
  }

  begins(worker: number | string, runs: readonly SweepRun[]): void {
    this.#workers.set(worker, { runs, samples: runs.reduce((sum, run) => sum + samplesOf(run), 0) });
  }

  at(worker: number | string, progress: ChunkProgress): void {
    const work = this.#workers.get(worker);
    if (work) work.progress = progress;
    this.#tell();
  }

  ends(worker: number | string): void {
    this.#workers.delete(worker);
  }

  /** Forgets all workers but these. */
  onlyAtWork(workers: ReadonlySet<number | string>): void {
    for (const worker of this.#workers.keys()) if (!workers.has(worker)) this.#workers.delete(worker);
  }

  /** @param found It had ended before this sweep began. */
  ended(hash: string, failed: boolean, found = false): void {
    this.#left.delete(hash);
    if (failed) this.#failed++;
    else this.#done++;
    if (!found) this.#tell();
  }

  #tell(): void {
    if (Date.now() - this.#toldAt < 250) return;
    this.#toldAt = Date.now();
    this.tell(this.view());
  }

  view(): SweepView {
    let left = [...this.#left.values()].reduce((a, b) => a + b, 0);
    let samplesPerSecond = 0;
    const running: SweepView['running'] = [];
    for (const { runs, samples, progress } of this.#workers.values()) {
      if (!progress) continue;
      left -= (samples * progress.step) / progress.steps;
      if (Number.isFinite(progress.samplesPerSecond)) samplesPerSecond += progress.samplesPerSecond;
      const { hash, step, steps, loss } = progress;
      const run = runs.find((r) => r.hash === hash) ?? runs[0];
      running.push({ run: hash, name: run.name, step, steps, loss, together: runs.length });
    }
    left = Math.max(0, left);
    const pace = this.#pace(left);
    return {
      total: this.#total,
      done: this.#done,
      failed: this.#failed,
      running,
      fraction: this.#all ? 1 - left / this.#all : 1,
      samplesPerSecond: samplesPerSecond || pace,
      secondsLeft: pace > 0 ? left / pace : Number.NaN,
    };
  }

  /** Samples that went from what is left, a second, lately: what a run that stops early saves counts too. */
  #pace(left: number): number {
    const at = performance.now() / 1000;
    const last = this.#history.at(-1);
    if (!last || at - last.at >= 0.5) this.#history.push({ at, left });
    while (this.#history.length > 2 && at - this.#history[1].at > WINDOW_SECONDS) this.#history.shift();
    const first = this.#history[0];
    return at > first.at ? (first.left - left) / (at - first.at) : 0;
  }
}
