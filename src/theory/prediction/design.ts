/** Which rows to measure next: one after the other, each the row that leaves the least variance in the quantity to be predicted. */
import { Matrix } from 'ml-matrix';
import type { Factor } from './factorRegression.js';
import { quadratic } from './mixedRegression.js';
import { inverseOf } from './symmetric.js';

export interface DesignRow {
  values: readonly number[]; // by factor
  group: string;
}

export interface Design {
  factors: readonly Factor[];
  known: readonly DesignRow[];
  candidates: readonly (DesignRow & { weight: number })[]; // weight: its information relative to that of a measured value
  /** Rows whose y is to be predicted, or the index of a factor whose power is. */
  wanted: readonly DesignRow[] | { power: number };
  ratio: number; // variance between groups divided by the variance within one
  count: number; // maximum number of rows to choose
}

export interface Chosen {
  index: number; // index of the candidate
  before: number; // mean variance of the predictions, divided by the variance within a group
  after: number;
}

const PRIOR = 1e-2; // information on each coefficient of the standardised factors before any measurement
/** Information in one bound at the middle of a normal distribution: 2 over pi. */
export const BOUND_WEIGHT = 2 / Math.PI;

export function chooseRows({ factors, known, candidates, wanted, ratio, count }: Design): Chosen[] {
  const targets = 'power' in wanted ? [] : wanted;
  const columns = standardised(factors, [...known, ...candidates, ...targets]);
  const state = new State(columns.of(known[0]?.values ?? candidates[0]?.values ?? []).length, ratio);
  for (const { values, group } of known) state.add(columns.of(values), group, 1);
  const direction = 'power' in wanted ? columns.direction(wanted.power) : undefined;
  const aims = targets.map(({ values, group }) => ({ x: columns.of(values), group }));
  const variance = (at: State) => (direction ? quadratic(at.covariance(), direction) : at.meanVariance(aims));
  const left = new Map(candidates.map(({ values, group, weight }, i) => [i, { x: columns.of(values), group, weight }]));
  const chosen: Chosen[] = [];
  let before = variance(state);
  while (chosen.length < count && left.size) {
    let best: Chosen | undefined;
    for (const [index, { x, group, weight }] of left) {
      const after = variance(state.with(x, group, weight));
      if (!best || after < best.after * (1 - 1e-12)) best = { index, before, after };
    }
    const { x, group, weight } = left.get(best!.index)!;
    state.add(x, group, weight);
    left.delete(best!.index);
    chosen.push(best!);
    before = best!.after;
  }
  return chosen;
}

/** Current information: X' V^-1 X times the variance within a group, as sums over each group. */
class State {
  readonly #information: Matrix;
  readonly #groups = new Map<string, { weight: number; sum: readonly number[] }>();

  constructor(
    readonly columns: number,
    readonly ratio: number,
    copied?: State,
  ) {
    this.#information = copied ? copied.#information.clone() : Matrix.eye(columns, columns, PRIOR);
    for (const [name, group] of copied ? copied.#groups : []) this.#groups.set(name, group);
  }

  add(x: readonly number[], group: string, weight: number): void {
    const old = this.#groups.get(group) ?? { weight: 0, sum: x.map(() => 0) };
    const now = { weight: old.weight + weight, sum: old.sum.map((value, k) => value + weight * x[k]) };
    this.#groups.set(group, now);
    const shared = (of: typeof old) => this.ratio / (1 + this.ratio * of.weight);
    for (let a = 0; a < this.columns; a++)
      for (let b = 0; b < this.columns; b++) {
        const change =
          weight * x[a] * x[b] - shared(now) * now.sum[a] * now.sum[b] + shared(old) * old.sum[a] * old.sum[b];
        this.#information.set(a, b, this.#information.get(a, b) + change);
      }
  }

  with(x: readonly number[], group: string, weight: number): State {
    const next = new State(this.columns, this.ratio, this);
    next.add(x, group, weight);
    return next;
  }

  covariance(): number[][] {
    return inverseOf(this.#information);
  }

  /** Mean variance of predictions of rows, including the scatter within a group and between groups. */
  meanVariance(rows: readonly { x: readonly number[]; group: string }[]): number {
    const covariance = this.covariance();
    const total = rows.reduce((sum, { x, group }) => {
      const known = this.#groups.get(group);
      const shrink = known ? (this.ratio * known.weight) / (1 + this.ratio * known.weight) : 0;
      const d = known ? x.map((value, k) => value - (shrink * known.sum[k]) / known.weight) : x;
      return sum + 1 + this.ratio * (1 - shrink) + quadratic(covariance, d);
    }, 0);
    return total / Math.max(1, rows.length);
  }
}

/** The factors that vary in any row, with the mean subtracted and divided by the deviation, after a column of ones. */
function standardised(factors: readonly Factor[], rows: readonly DesignRow[]) {
  const measured = (k: number, value: number) => (factors[k].scale === 'log' ? Math.log(value) : value);
  const columns = factors.flatMap((_, k) => {
    const values = rows.map((row) => measured(k, row.values[k]));
    const centre = values.reduce((a, b) => a + b, 0) / values.length;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length);
    return spread > 1e-9 * (1 + Math.abs(centre)) ? [{ k, centre, spread }] : [];
  });
  return {
    of: (values: readonly number[]) => [
      1,
      ...columns.map(({ k, centre, spread }) => (measured(k, values[k]) - centre) / spread),
    ],
    /** Picks out the factor's power. */
    direction: (factor: number) => [0, ...columns.map(({ k, spread }) => (k === factor ? 1 / spread : 0))],
  };
}
