/**
 * Where a noisy, decreasing curve crosses a level: the estimate used for every P_ell in data, and the choice of the next P to
 * train at. The curve is a Gaussian process in x = ln P (straight line plus Matern 5/2), fitted to the points near the crossing;
 * length, height and noise are averaged over a grid by their marginal likelihood, so that intervals are reliable even with few
 * points. Source: Rasmussen, Williams, "Gaussian Processes for Machine Learning", 2006, eqs. 2.25, 2.30, 4.17.
 */

/** One measured point. */
export interface CrossingPoint {
  x: number; // ln P
  y: number; // for example ln of the excess loss
  /** The true value may be lower, since the run ended too early: such a point says nothing if it is above the level. */
  limited?: boolean;
}

/** ln P of the crossing. `lower`: above `value`, no point is below the level; `upper`: likewise; `unknown`: no usable point. */
export interface Crossing {
  bound: 'none' | 'lower' | 'upper' | 'unknown';
  value: number; // median, or the bound
  low: number; // 95% interval; for a bound, its open side is infinite
  high: number;
  /** Length of the central interval of probability 0.68, in ln P; infinite for a bound. */
  spread: number;
}

const WINDOW = Math.log(8); // points farther from the crossing than this factor in P are ignored
const LEAST_POINTS = 4; // the nearest points are used at any distance
const LENGTHS = [1.2, 3];
const HEIGHTS = [0.2, 0.6];
const NOISES = [0.02, 0.05, 0.1, 0.2];
const LINE = [4, 2]; // standard deviations of the straight line's height and slope
const GRID = 120;
const NEGLIGIBLE = 1e-3; // fits with a smaller weight are left out

const nowhere = { low: -Infinity, high: Infinity, spread: Infinity };

/** The crossing of a level by a curve that decreases with x. */
export function crossingOf(points: readonly CrossingPoint[], level: number): Crossing {
  const usable = usableFor(points, level);
  if (!usable.length) return { bound: 'unknown', value: Number.NaN, ...nowhere };
  const below = usable.filter((p) => p.y <= level);
  const above = usable.filter((p) => p.y > level);
  const last = usable[usable.length - 1];
  if (!below.length) return { bound: 'lower', value: last.x, ...nowhere, low: last.x };
  if (!above.length || (usable[0].y <= level && below.length === usable.length))
    return { bound: 'upper', value: usable[0].x, ...nowhere, high: usable[0].x };
  const cdf = crossingDistribution(usable, level);
  const value = quantile(cdf, 0.5);
  const first = usable.find((p) => p.x >= value && p.y <= level);
  if (!first) return { bound: 'lower', value: last.x, ...nowhere, low: last.x };
  if (first.limited) return { bound: 'upper', value: first.x, ...nowhere, high: first.x };
  return {
    bound: 'none',
    value,
    low: quantile(cdf, 0.025),
    high: quantile(cdf, 0.975),
    spread: quantile(cdf, 0.84) - quantile(cdf, 0.16),
  };
}

export interface ProbeOptions {
  from: number; // smallest and largest x
  to: number;
  within: number; // target for high - low of an interval
  stride: number; // distance between the points of the first, coarse row
  together: number; // points measured per crossing in one round
  most: number; // maximum number of points of the curve
  failed?: readonly number[]; // values of x that gave no point and are not tried again
  /** If an interval reaches beyond all points, its end is measured too: for searches that did not begin with a coarse row. */
  beyond?: boolean;
}

/**
 * The x to measure next so that the crossings of all levels (increasing in x) become known to `within`: first a coarse row of
 * points, upwards until the last level has been crossed, then points inside the intervals that are still too wide. A pure
 * function of the points, so an interrupted search continues where it stopped. Empty: nothing left to measure.
 */
export function nextProbes(
  points: readonly CrossingPoint[],
  levels: readonly number[],
  options: ProbeOptions,
): number[] {
  const { from, to, within, stride, together, most, failed = [], beyond } = options;
  const tried = [...points, ...failed.map((x) => ({ x }))];
  const free = most - tried.length;
  if (free <= 0 || !levels.length) return [];
  const row: number[] = [];
  for (let x = from; x < to; x += stride) row.push(x);
  row.push(to);
  const isNew = (x: number, others: readonly { x: number }[] = tried) =>
    others.every((p) => Math.abs(p.x - x) > within / 6);
  if (!tried.length) return row.slice(0, Math.min(3, free));
  const deepest = crossingOf(points, Math.min(...levels));
  if (deepest.bound === 'lower' || deepest.bound === 'unknown') {
    const reach = Math.max(...tried.map((p) => p.x));
    const next = row.find((x) => x > reach + stride / 3) ?? to; // the end of the range, however close it is
    if (isNew(next) && next > reach) return [next];
  }
  const found: { x: number }[] = [];
  for (const level of levels) {
    const crossing = crossingOf(points, level);
    const usable = usableFor(points, level);
    // An upper bound set by a point that was limited by its steps: at smaller P the values may be known.
    const bracketed = crossing.bound === 'none' || (crossing.bound === 'upper' && usable.some((p) => p.y > level));
    const first = Math.min(...tried.map((p) => p.x));
    // All points are below the level: in a search that did not begin at the smallest x.
    if (crossing.bound === 'upper' && !bracketed && first - stride / 3 > from)
      found.push({ x: Math.max(from, first - stride) });
    if (!bracketed || crossing.high - crossing.low <= within) continue;
    const cdf = crossingDistribution(usable, level);
    const clamped = (x: number) => Math.min(to, Math.max(from, x));
    const inside = Array.from({ length: together }, (_, i) => clamped(quantile(cdf, (i + 1) / (together + 1))));
    const last = Math.max(...tried.map((p) => p.x));
    const outside = beyond ? [crossing.low, crossing.high].filter((x) => x < first || x > last).map(clamped) : [];
    for (const x of inside.some((x) => isNew(x)) ? inside : outside) if (isNew(x) && isNew(x, found)) found.push({ x });
  }
  return found.slice(0, free).map((p) => p.x);
}

/** Sorted by x, without points that say nothing about the level. */
function usableFor(points: readonly CrossingPoint[], level: number): CrossingPoint[] {
  return points.filter((p) => !Number.isNaN(p.y) && !(p.limited && p.y > level)).sort((a, b) => a.x - b.x);
}

interface Distribution {
  x: Float64Array;
  below: Float64Array; // probability that the crossing is below x
}

function crossingDistribution(usable: readonly CrossingPoint[], level: number): Distribution {
  const centre = roughCrossing(usable, level);
  const byDistance = [...usable].sort((a, b) => Math.abs(a.x - centre) - Math.abs(b.x - centre));
  const near = byDistance.filter((p, i) => i < LEAST_POINTS || Math.abs(p.x - centre) <= WINDOW);
  const from = Math.min(...near.map((p) => p.x)) - 1;
  const to = Math.max(...near.map((p) => p.x)) + 1;
  const x = Float64Array.from({ length: GRID }, (_, i) => from + ((to - from) * i) / (GRID - 1));
  const below = new Float64Array(GRID);
  const fits = LENGTHS.flatMap((length) =>
    HEIGHTS.flatMap((height) => NOISES.map((noise) => new Process(near, level, centre, { length, height, noise }))),
  );
  const best = Math.max(...fits.map((f) => f.logLikelihood));
  let total = 0;
  for (const fit of fits) {
    const weight = Math.exp(fit.logLikelihood - best);
    if (weight < NEGLIGIBLE) continue;
    total += weight;
    for (const [i, at] of x.entries()) below[i] += weight * fit.probabilityBelow(at);
  }
  for (let i = 0; i < GRID; i++) below[i] /= total;
  // The curve decreases: outward from the crossing the probability can only fall to the left and only grow to the right, however
  // little is known there.
  const middle = Math.max(
    0,
    x.findIndex((at) => at >= centre),
  );
  for (let i = middle - 1; i >= 0; i--) below[i] = Math.min(below[i], below[i + 1]);
  for (let i = middle + 1; i < GRID; i++) below[i] = Math.max(below[i], below[i - 1]);
  return { x, below };
}

/** Half way between the last point above the level and the first below it, after pooling has made the points decreasing. */
function roughCrossing(usable: readonly CrossingPoint[], level: number): number {
  const blocks: { y: number; count: number; from: number; to: number }[] = [];
  for (const { x, y } of usable) {
    blocks.push({ y, count: 1, from: x, to: x });
    while (blocks.length > 1 && blocks[blocks.length - 2].y < blocks[blocks.length - 1].y) {
      const b = blocks.pop()!;
      const a = blocks.pop()!;
      const count = a.count + b.count;
      blocks.push({ y: (a.y * a.count + b.y * b.count) / count, count, from: a.from, to: b.to });
    }
  }
  const at = blocks.findIndex((b) => b.y <= level);
  if (at < 0) return blocks[blocks.length - 1].to;
  return at === 0 ? blocks[0].from : (blocks[at - 1].to + blocks[at].from) / 2;
}

/** A Gaussian process given points; y is relative to the level and x to the centre. */
class Process {
  readonly logLikelihood: number;
  readonly #factor: Float64Array[]; // Cholesky factor, rows
  readonly #weights: Float64Array; // K^-1 y

  constructor(
    readonly points: readonly CrossingPoint[],
    readonly level: number,
    readonly centre: number,
    readonly shape: { length: number; height: number; noise: number },
  ) {
    const n = points.length;
    const rows = points.map((p, i) =>
      Float64Array.from({ length: i + 1 }, (_, j) => this.#kernel(p.x, points[j].x) + (i === j ? shape.noise ** 2 : 0)),
    );
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let sum = rows[i][j];
        for (let k = 0; k < j; k++) sum -= rows[i][k] * rows[j][k];
        rows[i][j] = i === j ? Math.sqrt(sum) : sum / rows[j][j];
      }
    this.#factor = rows;
    const half = this.#solveLower(Float64Array.from(points, (p) => p.y - level));
    this.logLikelihood = -rows.reduce((sum, row, i) => sum + Math.log(row[i]) + half[i] ** 2 / 2, 0);
    this.#weights = this.#solveUpper(half);
  }

  /** Probability that the curve is below the level at x. */
  probabilityBelow(x: number): number {
    const k = Float64Array.from(this.points, (p) => this.#kernel(x, p.x));
    let mean = 0;
    for (let i = 0; i < k.length; i++) mean += k[i] * this.#weights[i];
    const half = this.#solveLower(k);
    const variance = this.#kernel(x, x) - half.reduce((sum, a) => sum + a * a, 0);
    return normalBelow(-mean / Math.sqrt(Math.max(variance, 1e-12)));
  }

  #kernel(a: number, b: number): number {
    const { length, height } = this.shape;
    const r = (Math.sqrt(5) * Math.abs(a - b)) / length;
    const line = LINE[0] ** 2 + LINE[1] ** 2 * (a - this.centre) * (b - this.centre);
    return line + height ** 2 * (1 + r + (r * r) / 3) * Math.exp(-r);
  }

  #solveLower(b: Float64Array): Float64Array {
    const out = b.slice();
    for (let i = 0; i < out.length; i++) {
      for (let k = 0; k < i; k++) out[i] -= this.#factor[i][k] * out[k];
      out[i] /= this.#factor[i][i];
    }
    return out;
  }

  #solveUpper(b: Float64Array): Float64Array {
    const out = b.slice();
    for (let i = out.length - 1; i >= 0; i--) {
      for (let k = i + 1; k < out.length; k++) out[i] -= this.#factor[k][i] * out[k];
      out[i] /= this.#factor[i][i];
    }
    return out;
  }
}

/** The normal distribution function, with an error below 1.2e-7. Source: Numerical Recipes, 2nd ed., 6.2, erfcc. */
export function normalBelow(z: number): number {
  const a = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + a / 2);
  const series =
    -1.26551223 +
    t *
      (1.00002368 +
        t *
          (0.37409196 +
            t *
              (0.09678418 +
                t *
                  (-0.18628806 +
                    t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  const tail = (t * Math.exp(-a * a + series)) / 2;
  return z < 0 ? tail : 1 - tail;
}

/** Where the distribution reaches q; its end if it never does. */
function quantile({ x, below }: Distribution, q: number): number {
  const i = below.findIndex((p) => p >= q);
  if (i < 0) return x[x.length - 1];
  if (i === 0) return x[0];
  return x[i - 1] + ((q - below[i - 1]) / (below[i] - below[i - 1])) * (x[i] - x[i - 1]);
}
