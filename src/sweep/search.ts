/**
 * Narrowing in log P: trains one curve of runs on P distinct sentences at few P, each chosen from the results of earlier runs,
 * until it is known where the best loss crosses the middles of the specified steps, or the error the specified values.
 */
import { canonicalJson, contentHash } from '../core/canonical.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { parseRecords } from '../core/records.js';
import { evaluatedTask } from '../core/tasks.js';
import { type Crossing, type CrossingPoint, crossingOf, nextProbes } from '../theory/crossing.js';
import { floorsOf } from '../theory/floors.js';
import { logError, logExcess, stepExcess } from '../theory/steps.js';
import { type DataPoint, dataPointOf } from '../training/dataPoint.js';
import { rulesOf } from '../training/members.js';
import type { SweepRun } from './grid.js';

/** One curve: a model on one grammar. */
export interface Search {
  readonly name: string; // for people
  /** The run at P. Equal P, equal experiment. */
  readonly at: (sentences: number) => unknown;
  readonly steps: readonly number[]; // ell of the P_ell to find
  /** Test errors, 1 - accuracy, whose P is searched for instead: for a task whose loss has no known steps. */
  readonly errors?: readonly number[];
  /** One more run, at this multiple of the last crossing: shows the loss that remains after it. */
  readonly beyond?: number;
  readonly from: number; // P
  readonly to: number;
  readonly within: number; // target for the ratio of the ends of an interval of P_ell
  readonly most: number; // maximum number of runs
}

/** What a search has found so far. */
export interface Found {
  readonly search: Search;
  readonly points: readonly (CrossingPoint & { sentences: number })[];
  readonly crossings: ReadonlyMap<number, Crossing>; // by ell, or by error; x = ln P
}

/** How a curve without a run begins: not yet, with a coarse row from its smallest P, or at these ln P. */
export type Beginning = 'wait' | 'look' | readonly number[];

/** How curves without a run begin. busy: curves whose search is in progress. */
export type Guide = (found: readonly Found[], busy: readonly boolean[]) => readonly Beginning[];

export interface SearchHooks {
  /** Trains the missing runs. @returns false: interrupted; the search ends with its results so far. */
  train: (runs: readonly SweepRun[], round: number) => Promise<boolean>;
  /** records.jsonl of a run, wherever it is. */
  records: (run: SweepRun) => string | undefined | Promise<string | undefined>;
  onRound?: (found: readonly Found[], round: number, asked: number) => void;
  /** Default: all curves begin at once with a coarse row. */
  guide?: Guide;
}

const STRIDE = Math.log(8); // between the P of the coarse row
const TOGETHER = 2; // P per crossing in one round
const MOST_ROUNDS = 24;

/**
 * Runs all searches together, one round at a time. The next P depends only on the results of earlier rounds, not on the device:
 * an interrupted search goes through the same rounds again and trains only the missing runs.
 */
export async function runSearches(searches: readonly Search[], hooks: SearchHooks): Promise<Found[]> {
  const curves = searches.map((search) => new SearchedCurve(search, hooks.guide !== undefined));
  for (let round = 1; round <= MOST_ROUNDS; round++) {
    const asked: { curve: SearchedCurve; run: SweepRun; sentences: number }[] = [];
    for (const [i, wanted] of nextOf(curves, hooks.guide).entries())
      for (const sentences of wanted) asked.push({ curve: curves[i], sentences, run: await curves[i].run(sentences) });
    if (!asked.length) break;
    asked.sort((a, b) => a.sentences - b.sentences); // runs of similar length are packed together
    const going = await hooks.train(
      asked.map(({ run }) => run),
      round,
    );
    for (const { curve, run, sentences } of asked) curve.take(sentences, run, await hooks.records(run));
    hooks.onRound?.(
      curves.map((curve) => curve.found),
      round,
      asked.length,
    );
    if (!going) break;
  }
  return curves.map((curve) => curve.found);
}

/** The next P to train at, for every curve. Empty once all curves that have started are done. */
function nextOf(curves: readonly SearchedCurve[], guide: Guide | undefined): number[][] {
  if (!guide) return curves.map((curve) => curve.next());
  const going = curves.map((curve) => (curve.begun ? curve.next() : []));
  const beginnings = guide(
    curves.map((curve) => curve.found),
    curves.map((curve, i) => !curve.begun || going[i].length > 0),
  );
  const asked = curves.map((curve, i) => {
    const beginning = beginnings[i];
    if (curve.begun) return going[i];
    if (beginning === 'wait') return [];
    return beginning === 'look' ? curve.next() : curve.sentencesAt(beginning);
  });
  return asked.some((wanted) => wanted.length) ? asked : curves.map((curve) => curve.next());
}

/** The runs of the first round of each search, which are known before anything is trained. */
export async function firstRuns(searches: readonly Search[]): Promise<SweepRun[]> {
  const runs: SweepRun[] = [];
  for (const search of searches) {
    const curve = new SearchedCurve(search);
    for (const sentences of curve.next()) runs.push(await curve.run(sentences));
  }
  return runs;
}

/**
 * The runs of a store that belong to one of the curves, even at P that the search would not choose: they were trained for an
 * earlier search, and are equally informative.
 */
export async function runsOnCurves(
  searches: readonly Search[],
  stored: ReadonlyMap<string, Experiment>, // by hash
): Promise<SweepRun[]> {
  const family = ({ grammar, model, task }: Experiment) => canonicalJson([grammar, model, task]);
  const counts = new Map<string, Set<number>>(); // P by family
  for (const experiment of stored.values()) {
    const { sentences } = experiment.budget;
    const key = family(experiment);
    if (sentences !== undefined) counts.set(key, (counts.get(key) ?? new Set()).add(sentences));
  }
  const runs: SweepRun[] = [];
  for (const search of searches) {
    const curve = new SearchedCurve(search);
    for (const sentences of counts.get(family(parseExperiment(search.at(search.from)))) ?? []) {
      if (sentences < search.from || sentences > search.to) continue;
      const run = await curve.run(sentences);
      if (stored.has(run.hash)) runs.push(run);
    }
  }
  return runs;
}

class SearchedCurve {
  readonly #points: (CrossingPoint & { sentences: number })[] = [];
  readonly #asked = new Set<number>();
  readonly #failed: number[] = []; // ln P
  readonly #plateaus: readonly number[] = [];
  readonly #levels: ReadonlyMap<number, number>; // by ell, ln excess; by error, its logarithm

  constructor(
    readonly search: Search,
    readonly guided = false,
  ) {
    const { errors, steps } = search;
    if (errors) {
      this.#levels = new Map(errors.map((error) => [error, Math.log(error)]));
      return;
    }
    const experiment = parseExperiment(search.at(search.from));
    this.#plateaus = floorsOf(evaluatedTask(experiment), rulesOf(experiment))!;
    this.#levels = new Map(steps.map((ell) => [ell, Math.log(stepExcess(this.#plateaus, ell))]));
  }

  /** The next P to train at; empty: done. */
  next(): number[] {
    const { from, to, within, most } = this.search;
    const options = {
      from: Math.log(from),
      to: Math.log(to),
      within: Math.log(within),
      stride: STRIDE,
      together: TOGETHER,
      most,
      failed: this.#failed,
      beyond: this.guided,
    };
    const probes = nextProbes(this.#points, [...this.#levels.values()], options);
    return this.sentencesAt(probes.length ? probes : this.#behind());
  }

  /** Whole numbers P, in the range of the search, that have not been requested before. */
  sentencesAt(x: readonly number[]): number[] {
    const { from, to } = this.search;
    const whole = x.map((at) => Math.min(Math.floor(to), Math.max(from, Math.round(Math.exp(at)))));
    return [...new Set(whole)].filter((P) => !this.#asked.has(P));
  }

  get begun(): boolean {
    return this.#asked.size > 0;
  }

  /** ln P of the run after the last crossing, if one is required and does not exist yet. */
  #behind(): number[] {
    const { beyond, to } = this.search;
    if (!beyond || !this.#levels.size) return [];
    const { bound, value } = crossingOf(this.#points, Math.min(...this.#levels.values()));
    const x = Math.min(Math.log(to), value + Math.log(beyond));
    const reach = Math.max(...this.#points.map((p) => p.x), ...this.#failed);
    return bound === 'none' && reach < x - Math.log(1.5) ? [x] : [];
  }

  async run(sentences: number): Promise<SweepRun> {
    const experiment: Experiment = parseExperiment(this.search.at(sentences));
    return { name: `${this.search.name}, P=${sentences}`, experiment, hash: await contentHash(experiment) };
  }

  /** A run that failed gives no information and is not requested again. */
  take(sentences: number, run: SweepRun, records: string | undefined): void {
    this.#asked.add(sentences);
    const point = records === undefined ? undefined : dataPointOf(run.experiment, parseRecords(records).records, 0);
    const y = point && this.#heightOf(point, run.experiment);
    if (!point || y === undefined) {
      this.#failed.push(Math.log(sentences));
      return;
    }
    this.#points.push({ x: Math.log(sentences), y, limited: point.limited, sentences });
  }

  #heightOf({ accuracy, excess }: DataPoint, { budget, evaluation }: Experiment): number | undefined {
    if (this.search.errors) return logError(accuracy, evaluation.size);
    if (excess === undefined) return undefined;
    const { stopLoss } = budget;
    const stop = stopLoss === undefined ? undefined : stopLoss - this.#plateaus[this.#plateaus.length - 1];
    return logExcess(excess, this.#plateaus, stop);
  }

  get found(): Found {
    const crossings = new Map([...this.#levels].map(([ell, level]) => [ell, crossingOf(this.#points, level)]));
    return { search: this.search, points: [...this.#points].sort((a, b) => a.x - b.x), crossings };
  }
}
