/**
 * Linear regression with groups: y = x beta + u + e, u normal and common to a group (a grammar), e normal. Some y are known only as
 * bounds. The ratio of the two variances is averaged over a grid by its restricted likelihood, so that a prediction is a mixture of
 * Student's t distributions, wide if there are few groups. Bounds are integrated over u, and the information on beta is reduced
 * accordingly. Sources: Searle, Casella, McCulloch, "Variance Components", 1992, ch. 6 and 7 (restricted likelihood, prediction of
 * u); Tobin, Econometrica 26, 1958; Louis, J. R. Stat. Soc. B 44, 1982 (information of incomplete data).
 */
import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { studentBelow } from '../student.js';
import { groupsOf, type RowGroup } from './rowGroup.js';

export interface RegressionRow {
  x: readonly number[]; // the first value is 1
  group: string;
  /** Bounds on y: equal if it is known, infinite if open. */
  low: number;
  high: number;
}

const RATIOS = [0, 0.1, 0.3, 1, 3, 10, 30, 100, 1000]; // variance of u divided by that of e
const NEGLIGIBLE = 1e-3; // ratios with a smaller weight are left out
const ROUNDS = 100;
const LEAST_VARIANCE = 1e-12; // variance of e: for rows that agree to the last digit
const SETTLED = 1e-4; // change of beta x and of ln scale2 at which the iteration stops

export const isExact = ({ low, high }: Pick<RegressionRow, 'low' | 'high'>): boolean => low === high;

/** A mixture of Student's t distributions with the same number of degrees of freedom. */
export class Prediction {
  constructor(
    readonly parts: readonly { weight: number; mean: number; scale: number }[],
    readonly freedom: number,
  ) {}

  /** Probability that the value is at most y. */
  below(y: number): number {
    return this.parts.reduce(
      (sum, { weight, mean, scale }) => sum + weight * studentBelow((y - mean) / scale, this.freedom),
      0,
    );
  }

  /** The value that is not exceeded with probability p. */
  quantile(p: number): number {
    const widest = Math.max(...this.parts.map(({ scale }) => scale));
    let low = Math.min(...this.parts.map(({ mean }) => mean)) - widest;
    let high = Math.max(...this.parts.map(({ mean }) => mean)) + widest;
    for (let step = widest; this.below(low) > p; step *= 2) low -= step;
    for (let step = widest; this.below(high) < p; step *= 2) high += step;
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (this.below(middle) < p) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }
}

export class MixedRegression {
  readonly freedom: number;
  readonly #fits: readonly { weight: number; fit: RatioFit }[];

  /** Rows with equally many x; at least one more exact row than columns, which must be linearly independent in the exact rows. */
  constructor(rows: readonly RegressionRow[]) {
    this.freedom = rows.filter(isExact).length - rows[0].x.length;
    const groups = groupsOf(rows);
    const fits: RatioFit[] = [];
    for (const ratio of RATIOS) fits.push(new RatioFit(rows, groups, ratio, fits[fits.length - 1]));
    const best = Math.max(...fits.map((fit) => fit.logLikelihood));
    const weights = fits.map((fit, i) => priorOf(i) * Math.exp(fit.logLikelihood - best));
    const heaviest = Math.max(...weights);
    const kept = weights.map((weight) => (weight < NEGLIGIBLE * heaviest ? 0 : weight));
    const total = kept.reduce((a, b) => a + b, 0);
    this.#fits = fits.flatMap((fit, i) => (kept[i] ? [{ fit, weight: kept[i] / total }] : []));
  }

  /** Mean coefficients and their standard errors, by column. */
  get coefficients(): { value: number; error: number }[] {
    return this.#fits[0].fit.beta.map((_, k) => {
      const value = this.#mean(({ beta }) => beta[k]);
      const variance = this.#mean(({ beta, covariance, scale2 }) => scale2 * covariance[k][k] + (beta[k] - value) ** 2);
      return { value, error: Math.sqrt(variance) };
    });
  }

  /** Variance of u divided by that of e, averaged. */
  get ratio(): number {
    return this.#mean((fit) => fit.ratio);
  }

  /** Variance within a group, averaged. */
  get variance(): number {
    return this.#mean((fit) => fit.scale2);
  }

  /** y of a new row. For a new group the scatter between groups is added. */
  predict(x: readonly number[], group: string): Prediction {
    const parts = this.#fits.map(({ weight, fit }) => {
      const { beta, covariance, scale2, ratio } = fit;
      const known = fit.effect(group);
      const d = known ? x.map((value, k) => value - known.shrink * known.x[k]) : x;
      const mean = dot(x, beta) + (known ? known.u : 0);
      const variance = 1 + (known ? known.variance : ratio) + quadratic(covariance, d);
      return { weight, mean, scale: Math.sqrt(scale2 * variance) };
    });
    return new Prediction(parts, this.freedom);
  }

  #mean(of: (fit: RatioFit) => number): number {
    return this.#fits.reduce((sum, { weight, fit }) => sum + weight * of(fit), 0);
  }
}

/** The prior is uniform in the correlation of two y of a group: half the distance between a ratio's neighbours, as correlations. */
function priorOf(i: number): number {
  const correlation = (ratio: number) => ratio / (1 + ratio);
  return (correlation(RATIOS[i + 1] ?? RATIOS[i]) - correlation(RATIOS[i - 1] ?? RATIOS[i])) / 2;
}

/** The regression for one ratio of the two variances: alternating steps of Newton's method in beta and of expectation in scale2. */
class RatioFit {
  beta: number[];
  covariance: number[][] = []; // covariance of beta, divided by scale2
  scale2 = 1; // variance of e
  logLikelihood = 0;

  /** near: the fit of a nearby ratio, from which the iteration with bounds starts. */
  constructor(
    rows: readonly RegressionRow[],
    readonly groups: ReadonlyMap<string, RowGroup>,
    readonly ratio: number,
    near: RatioFit | undefined,
  ) {
    const columns = rows[0].x.length;
    const bounds = rows.some((row) => !isExact(row));
    this.beta = near?.beta ?? rows[0].x.map(() => 0);
    this.scale2 = near?.scale2 ?? 1;
    // First without the bounds: beta, the residuals and their likelihood.
    if (!bounds || !near) for (let round = 0; round < 3; round++) this.#round(columns, true);
    for (let round = 0; bounds && round < ROUNDS; round++) {
      const before = { beta: this.beta, scale2: this.scale2 };
      this.#round(columns, false);
      const moved = Math.max(...rows.map(({ x }) => Math.abs(dot(x, this.beta) - dot(x, before.beta))));
      if (moved < SETTLED && Math.abs(Math.log(this.scale2 / before.scale2)) < SETTLED) break;
    }
  }

  /** Posterior of a group's u; the variance divided by scale2. */
  effect(group: string): { u: number; shrink: number; x: readonly number[]; variance: number } | undefined {
    const found = this.groups.get(group);
    if (!found) return undefined;
    const { u, variance } = found.expected(this.beta, this.scale2, this.ratio, false);
    const part = this.ratio ? 1 - variance / this.ratio : 0;
    return { u, shrink: part, x: found.meanX, variance };
  }

  #round(columns: number, exactOnly: boolean): void {
    const complete = Matrix.zeros(columns, columns);
    const known = Matrix.zeros(columns, columns);
    const score = new Array<number>(columns).fill(0);
    let squares = 0;
    let count = 0;
    let logLikelihood = 0;
    for (const group of this.groups.values()) {
      const part = group.expected(this.beta, this.scale2, this.ratio, exactOnly);
      for (let a = 0; a < columns; a++) score[a] += part.score[a];
      addSymmetric(complete, part.information, 1);
      addSymmetric(known, part.information, 1);
      addSymmetric(known, part.missing, -1);
      squares += part.squares;
      count += part.count;
      logLikelihood += part.logLikelihood;
    }
    // Far from the solution, rounding in the sums over u may make the information indefinite; a step with the complete
    // information always makes progress.
    const newton = new CholeskyDecomposition(known);
    const factor = newton.isPositiveDefinite() ? newton : new CholeskyDecomposition(complete);
    const step = factor.solve(Matrix.columnVector(score)).to1DArray();
    this.beta = this.beta.map((value, k) => value + step[k]);
    this.covariance = factor.solve(Matrix.eye(columns)).to2DArray();
    let logDeterminant = 0;
    for (const d of factor.lowerTriangularMatrix.diagonal()) logDeterminant += 2 * Math.log(d);
    this.logLikelihood = logLikelihood + 0.5 * (columns * Math.log(this.scale2) - logDeterminant);
    this.scale2 = Math.max(squares / (count - columns), LEAST_VARIANCE);
  }
}

/** Adds a matrix given by its lower triangle; both halves get equal bits, otherwise the factorisation refuses. */
function addSymmetric(to: Matrix, lower: readonly (readonly number[])[], sign: 1 | -1): void {
  lower.forEach((row, a) => {
    row.slice(0, a + 1).forEach((part, b) => {
      const value = to.get(a, b) + sign * part;
      to.set(a, b, value);
      to.set(b, a, value);
    });
  });
}

export const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);

export const quadratic = (matrix: readonly (readonly number[])[], x: readonly number[]): number =>
  x.reduce((sum, value, k) => sum + value * dot(matrix[k], x), 0);
