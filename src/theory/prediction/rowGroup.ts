/** The rows of one group, y = x beta + u + e with one u: their information on beta and u, with bounds integrated over u. */
import type { RegressionRow } from './mixedRegression.js';
import { truncatedNormal } from './truncatedNormal.js';

const NODES = 41; // nodes of the integral over u
const REACH = 5; // standard deviations of u given the exact rows
const LEAST_WEIGHT = 1e-9; // least weight of a node that is included

/** Everything except u is in units of scale2, the variance of e. */
interface Expected {
  information: number[][]; // information on beta, lower triangle, if every y were known
  missing: number[][]; // the part of it that is missing because of the bounds
  score: number[]; // step of beta times the information
  squares: number; // squares of the expected residuals divided by their covariance, times scale2
  count: number; // rows
  logLikelihood: number;
  u: number; // expected
  variance: number; // variance of u
}

export class RowGroup {
  readonly meanX: readonly number[];
  readonly #exact: readonly RegressionRow[];
  readonly #bounds: readonly RegressionRow[];

  constructor(rows: readonly RegressionRow[]) {
    this.#exact = rows.filter(({ low, high }) => low === high);
    this.#bounds = rows.filter(({ low, high }) => low !== high);
    this.meanX = rows[0].x.map((_, k) => rows.reduce((sum, { x }) => sum + x[k], 0) / rows.length);
  }

  expected(beta: readonly number[], scale2: number, ratio: number, exactOnly: boolean): Expected {
    const bounds = exactOnly ? [] : this.#bounds;
    const rows = [...this.#exact, ...bounds];
    const means = rows.map(({ x }) => x.reduce((sum, value, k) => sum + value * beta[k], 0));
    const exact = this.#exact.length;
    const residuals = this.#exact.map(({ low }, i) => low - means[i]);
    const sum = residuals.reduce((a, b) => a + b, 0);
    const centre = (ratio * sum) / (1 + ratio * exact); // mean of u, given the exact rows
    const variance = ratio / (1 + ratio * exact);
    const own = residuals.reduce((a, b) => a + b * b, 0) - centre * sum;
    const logExact = -0.5 * (Math.log1p(ratio * exact) + exact * Math.log(scale2) + own / scale2);
    const integral = integrate(
      bounds.map(({ low, high }, i) => ({ low: low - means[exact + i], high: high - means[exact + i] })),
      { centre, deviation: Math.sqrt(variance * scale2), scale: Math.sqrt(scale2) },
    );
    const all = [...residuals, ...integral.means];
    const { covariance } = integral;
    // V^-1 = (1 - shrink J) / scale2, with J all ones.
    const shrink = rows.length ? ratio / (1 + ratio * rows.length) : 0;
    const total = all.reduce((a, b) => a + b, 0);
    const columns = beta.length;
    const sumX = beta.map((_, k) => rows.reduce((s, { x }) => s + x[k], 0));
    const score = beta.map((_, k) => rows.reduce((s, { x }, i) => s + x[k] * all[i], 0) - shrink * sumX[k] * total);
    const information = Array.from({ length: columns }, (_, a) =>
      Array.from(
        { length: a + 1 },
        (_, b) => rows.reduce((s, { x }) => s + x[a] * x[b], 0) - shrink * sumX[a] * sumX[b],
      ),
    );
    let spread = 0; // trace of V^-1 covariance
    covariance.forEach((row, i) => {
      row.forEach((value, j) => {
        spread += ((i === j ? 1 : 0) - shrink) * value;
      });
    });
    // X' V^-1 covariance V^-1 X.
    const weighted = bounds.map(({ x }) => x.map((value, k) => value - shrink * sumX[k]));
    const missing = information.map((row, a) =>
      row.map((_, b) => {
        let value = 0;
        covariance.forEach((line, i) => {
          line.forEach((entry, j) => {
            value += (weighted[i][a] * entry * weighted[j][b]) / scale2;
          });
        });
        return value;
      }),
    );
    return {
      information,
      missing,
      score,
      squares: all.reduce((s, r) => s + r * r, 0) - shrink * total * total + spread,
      count: rows.length,
      logLikelihood: logExact + integral.logProbability,
      u: integral.u,
      variance: integral.variance / scale2,
    };
  }
}

export function groupsOf(rows: readonly RegressionRow[]): Map<string, RowGroup> {
  const groups = new Map<string, RegressionRow[]>();
  for (const row of rows) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
  return new Map([...groups].map(([name, own]) => [name, new RowGroup(own)]));
}

interface Integral {
  logProbability: number; // log probability of the bounds
  means: number[]; // means of the bounded residuals
  covariance: number[][]; // their covariance
  u: number;
  variance: number; // variance of u
}

/** Residuals u + e between bounds, with u and e normal: their moments. */
function integrate(
  bounds: readonly { low: number; high: number }[],
  { centre, deviation, scale }: { centre: number; deviation: number; scale: number },
): Integral {
  if (!bounds.length) return { logProbability: 0, means: [], covariance: [], u: centre, variance: deviation ** 2 };
  const count = deviation > 0 ? NODES : 1;
  let normal = 0;
  const nodes = Array.from({ length: count }, (_, i) => {
    const t = count > 1 ? REACH * ((2 * i) / (count - 1) - 1) : 0;
    const u = centre + deviation * t;
    normal += Math.exp((-t * t) / 2);
    const inside = bounds.map(({ low, high }) => truncatedNormal((low - u) / scale, (high - u) / scale));
    return { u, inside, logWeight: inside.reduce((sum, { probability }) => sum + Math.log(probability), (-t * t) / 2) };
  });
  const best = Math.max(...nodes.map(({ logWeight }) => logWeight));
  const raw = nodes.map(({ logWeight }) => Math.exp(logWeight - best));
  const total = raw.reduce((a, b) => a + b, 0);
  const means = bounds.map(() => 0);
  const squares = bounds.map(() => bounds.map(() => 0));
  let u = 0;
  let u2 = 0;
  nodes.forEach((node, i) => {
    const weight = raw[i] / total;
    if (weight < LEAST_WEIGHT) return;
    const { inside } = node;
    const at = inside.map(({ mean }) => node.u + scale * mean);
    u += weight * node.u;
    u2 += weight * (node.u - centre) ** 2;
    at.forEach((value, a) => {
      means[a] += weight * value;
      at.forEach((other, b) => {
        squares[a][b] += weight * (value * other + (a === b ? scale * scale * inside[a].variance : 0));
      });
    });
  });
  return {
    logProbability: best + Math.log(total / normal),
    means,
    covariance: squares.map((row, a) => row.map((value, b) => value - means[a] * means[b])),
    u,
    variance: Math.max(0, u2 - (u - centre) ** 2),
  };
}
