/** k-means over conditional distributions, and how well a clustering agrees with the truth. */
import { streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';

/** The rows to cluster: row i has `parts` vectors of `dimensions` numbers, each with a weight (0: not observed, ignored). */
export interface WeightedRows {
  count: number;
  parts: number;
  dimensions: number;
  values: Float64Array; // [count, parts, dimensions]
  weights: Float64Array; // [count, parts]
}

const RESTARTS = 8;
const ROUNDS = 50;

/**
 * Lloyd's algorithm into k classes: minimises the sum over rows and parts of weight * |value - centre|^2. The best of several
 * starts: one always adds the row farthest from all centres, the others draw it (k-means++). @returns class of each row
 */
export function kMeans(rows: WeightedRows, k: number): Int32Array {
  const { count } = rows;
  if (count <= k) return Int32Array.from({ length: count }, (_, i) => i);
  const random = new UniformStream(streamKey(0, 'measure', 0xc1));
  let best: { classes: Int32Array; cost: number } | undefined;
  for (let start = 0; start < RESTARTS; start++) {
    const found = lloyd(rows, k, firstCentres(rows, k, start === 0 ? undefined : random));
    if (!best || found.cost < best.cost) best = found;
  }
  return best!.classes;
}

/** Initial centres, as row numbers. Without a random stream: always the row with the largest cost. */
function firstCentres(rows: WeightedRows, k: number, random: UniformStream | undefined): Float64Array {
  const { count, parts, dimensions, values, weights } = rows;
  const size = parts * dimensions;
  const centres = new Float64Array(k * size);
  const costs = new Float64Array(count).fill(Infinity);
  const heaviest = Array.from({ length: count }, (_, i) => i).reduce((a, b) => (total(b) > total(a) ? b : a));
  for (let c = 0; c < k; c++) {
    const pick =
      c === 0 ? (random ? draw(weightsOfRows(), random) : heaviest) : random ? draw(costs, random) : largest(costs);
    centres.set(values.subarray(pick * size, (pick + 1) * size), c * size);
    for (let i = 0; i < count; i++) costs[i] = Math.min(costs[i], costOf(rows, i, centres, c));
  }
  return centres;

  function total(i: number): number {
    let sum = 0;
    for (let q = 0; q < parts; q++) sum += weights[i * parts + q];
    return sum;
  }
  function weightsOfRows(): Float64Array {
    return Float64Array.from({ length: count }, (_, i) => total(i));
  }
}

function lloyd(rows: WeightedRows, k: number, centres: Float64Array): { classes: Int32Array; cost: number } {
  const { count, parts, dimensions, values, weights } = rows;
  const size = parts * dimensions;
  const classes = new Int32Array(count).fill(-1);
  const sums = new Float64Array(k * parts);
  let cost = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    let changed = false;
    cost = 0;
    for (let i = 0; i < count; i++) {
      let least = Infinity;
      let at = 0;
      for (let c = 0; c < k; c++) {
        const here = costOf(rows, i, centres, c);
        if (here < least) [least, at] = [here, c];
      }
      if (classes[i] !== at) changed = true;
      classes[i] = at;
      cost += least;
    }
    if (!changed) break;
    const before = centres.slice();
    centres.fill(0);
    sums.fill(0);
    for (let i = 0; i < count; i++)
      for (let q = 0; q < parts; q++) {
        const weight = weights[i * parts + q];
        if (!weight) continue;
        sums[classes[i] * parts + q] += weight;
        const from = (i * parts + q) * dimensions;
        const to = classes[i] * size + q * dimensions;
        for (let d = 0; d < dimensions; d++) centres[to + d] += weight * values[from + d];
      }
    for (let c = 0; c < k; c++)
      for (let q = 0; q < parts; q++) {
        const weight = sums[c * parts + q];
        const at = c * size + q * dimensions;
        // A class that has lost all its rows keeps its centre.
        for (let d = 0; d < dimensions; d++) centres[at + d] = weight ? centres[at + d] / weight : before[at + d];
      }
  }
  return { classes, cost };
}

function costOf(
  { parts, dimensions, values, weights }: WeightedRows,
  i: number,
  centres: Float64Array,
  c: number,
): number {
  let cost = 0;
  for (let q = 0; q < parts; q++) {
    const weight = weights[i * parts + q];
    if (!weight) continue;
    const from = (i * parts + q) * dimensions;
    const to = (c * parts + q) * dimensions;
    let squares = 0;
    for (let d = 0; d < dimensions; d++) squares += (values[from + d] - centres[to + d]) ** 2;
    cost += weight * squares;
  }
  return cost;
}

function draw(weights: Float64Array, random: UniformStream): number {
  let left = ((random.word() + 0.5) / 2 ** 32) * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < weights.length - 1; i++) {
    left -= weights[i];
    if (left < 0) return i;
  }
  return weights.length - 1;
}

function largest(values: Float64Array): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[at]) at = i;
  return at;
}

/** One item that was assigned to classes: with all its weight in one of them, or divided if its copies were assigned differently. */
export interface Clustered {
  truth: number;
  found: ReadonlyMap<number, number>; // weight by class
}

/**
 * Adjusted Rand index of found classes and the truth, over pairs of different items, each pair weighted by the product of its
 * weights: 1 for equal partitions, 0 on average for independent ones. With unit weights it is the index of Hubert, Arabie,
 * "Comparing partitions", Journal of Classification 2, 1985.
 */
export function adjustedRandIndex(items: readonly Clustered[]): number {
  const joint = new PairWeights();
  const found = new PairWeights();
  const truth = new PairWeights();
  const all = new PairWeights();
  for (const item of items) {
    let total = 0;
    for (const [symbol, weight] of item.found) {
      joint.add(`${item.truth} ${symbol}`, weight);
      found.add(symbol, weight);
      total += weight;
    }
    truth.add(item.truth, total);
    all.add(0, total);
  }
  const [both, a, b, pairs] = [joint, found, truth, all].map((w) => w.pairs);
  const expected = pairs ? (a * b) / pairs : 0;
  const most = (a + b) / 2;
  return most === expected ? 1 : (both - expected) / (most - expected);
}

/** Sum over groups of the weight of their pairs of different items (twice). */
class PairWeights {
  readonly #sums = new Map<number | string, number>();
  #own = 0; // squares: pairs of an item with itself

  add(group: number | string, weight: number): void {
    this.#sums.set(group, (this.#sums.get(group) ?? 0) + weight);
    this.#own += weight * weight;
  }

  get pairs(): number {
    let squares = 0;
    for (const sum of this.#sums.values()) squares += sum * sum;
    return squares - this.#own;
  }
}
