import type { Key } from '../core/threefry.js';
import { streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { studentQuantile } from '../theory/student.js';

/** What is known of a number: its value, its 95% interval, and whether it is only a bound. */
export interface Estimate {
  value: number;
  low: number; // NaN: no interval (a single run)
  high: number;
  /** `lower`: the number is at least `value`, since runs ended before they reached it; high is then Infinity. */
  bound: Bound;
  units: number; // independent grammars or replicas behind it
}

export type Bound = 'none' | 'lower' | 'upper' | 'unknown';

/** One measured number of one unit (a grammar, or a replica if there is one grammar). */
export interface Unit {
  value: number;
  bound: Bound;
}

const CONFIDENCE = 0.95;

/**
 * A linear statistic sum_i c_i mean(cell_i) with a bootstrap interval. Units are resampled within their cell; residuals
 * are inflated by sqrt(n / (n-1)), which makes the bootstrap variance unbiased, and the standard error is multiplied by
 * Student's t with Welch-Satterthwaite degrees of freedom, since percentiles of few units are far too narrow (three
 * units: 75% instead of 95%). Cells of one unit add no variance; if all are, there is no interval.
 * Censored units make the statistic a bound in the direction of their coefficient.
 */
export function linearStatistic(cells: readonly Unit[][], coefficients: readonly number[], draws = 1000): Estimate {
  const means = cells.map((cell) => mean(cell.map((u) => u.value)));
  const value = dot(coefficients, means);
  const units = Math.min(...cells.map((cell) => cell.length));
  const bound = cells.reduce<Bound>(
    (sofar, cell, i) =>
      cell.reduce(
        (b, u) => joinBounds(b, coefficients[i] < 0 ? flip(u.bound) : coefficients[i] ? u.bound : 'none'),
        sofar,
      ),
    'none',
  );
  const random = new UniformStream(bootstrapKey);
  // Sorted, so that the interval does not depend on the order of the folders.
  const sorted = cells.map((cell) => cell.map((u) => u.value).sort((a, b) => a - b));
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    let deviation = 0;
    sorted.forEach((cell, i) => {
      if (cell.length < 2 || !coefficients[i]) return;
      let total = 0;
      for (let k = 0; k < cell.length; k++) total += cell[random.below(cell.length)] - means[i];
      deviation += (coefficients[i] * total) / cell.length / Math.sqrt(1 - 1 / cell.length);
    });
    sum += deviation * deviation;
  }
  const df = welch(cells, coefficients);
  const half = studentQuantile((1 + CONFIDENCE) / 2, df) * Math.sqrt(sum / draws);
  return bounded({ value, low: value - half, high: value + half, bound, units });
}

/** Degrees of freedom of sum_i c_i mean(cell_i). NaN when no cell has two units. */
function welch(cells: readonly Unit[][], coefficients: readonly number[]): number {
  let total = 0;
  let squares = 0;
  cells.forEach((cell, i) => {
    if (cell.length < 2 || !coefficients[i]) return;
    const part = (coefficients[i] ** 2 * variance(cell.map((u) => u.value))) / cell.length;
    total += part;
    squares += part ** 2 / (cell.length - 1);
  });
  if (total === 0) return cells.some((cell) => cell.length > 1) ? 1 : Number.NaN;
  return total ** 2 / squares;
}

/** The open side of a bound is infinite. */
function bounded(estimate: Estimate): Estimate {
  const { bound } = estimate;
  return {
    ...estimate,
    low: bound === 'upper' || bound === 'unknown' ? -Infinity : estimate.low,
    high: bound === 'lower' || bound === 'unknown' ? Infinity : estimate.high,
  };
}

/** An estimate of ln x as one of x. */
export function exponential(e: Estimate): Estimate {
  return { ...e, value: Math.exp(e.value), low: Math.exp(e.low), high: Math.exp(e.high) };
}

/** Coefficients c with slope = sum c_i y_i of the least-squares line through (x_i, y_i), equal weights. */
export function slopeCoefficients(x: readonly number[]): number[] {
  const centre = mean(x);
  const scale = x.reduce((sum, a) => sum + (a - centre) ** 2, 0);
  return x.map((a) => (a - centre) / scale);
}

/** Least-squares line. */
export function fitLine(x: readonly number[], y: readonly number[]): { slope: number; intercept: number } {
  const slope = dot(slopeCoefficients(x), y);
  return { slope, intercept: mean(y) - slope * mean(x) };
}

/** The standard 95% interval of a slope from the scatter about the line, for cells of one unit each. Needs 3 points. */
export function slopeFromScatter(x: readonly number[], y: readonly number[]): Pick<Estimate, 'value' | 'low' | 'high'> {
  const { slope, intercept } = fitLine(x, y);
  const residual = y.reduce((sum, b, i) => sum + (b - intercept - slope * x[i]) ** 2, 0);
  const centre = mean(x);
  const df = x.length - 2;
  const error = Math.sqrt(residual / df / x.reduce((sum, a) => sum + (a - centre) ** 2, 0));
  const half = df > 0 ? studentQuantile((1 + CONFIDENCE) / 2, df) * error : Number.NaN;
  return { value: slope, low: slope - half, high: slope + half };
}

export function mean(x: readonly number[]): number {
  return x.reduce((a, b) => a + b, 0) / x.length;
}

/** Unbiased. */
export function variance(x: readonly number[]): number {
  const centre = mean(x);
  return x.reduce((sum, a) => sum + (a - centre) ** 2, 0) / (x.length - 1);
}

export function flip(bound: Bound): Bound {
  return bound === 'lower' ? 'upper' : bound === 'upper' ? 'lower' : bound;
}

export function joinBounds(a: Bound, b: Bound): Bound {
  return a === 'none' ? b : b === 'none' || a === b ? a : 'unknown';
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

const bootstrapKey: Key = streamKey(0, 'measure', 0xb007);
