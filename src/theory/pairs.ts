/** Mutual information of pairs of positions: estimated from sentences, or exact, from the rules. */
import { checkInteger } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { checkHasRules, type Rules, sentenceLength } from '../core/rules.js';
import { marginals, push, ruleWeights, transitions } from './marginals.js';

/** For every pair of d positions, in nats; [d, d], symmetric, 0 on the diagonal. */
export interface PairInformation {
  d: number;
  v: number; // symbols
  information: Float64Array; // mutual information
  /**
   * Variance of ln p(x, y) / (p(x) p(y)) over the pair's tokens; this is P times the variance of a plug-in estimate from P
   * sentences.
   */
  spread: Float64Array;
  /** Mean square contingency, sum of p(x, y)^2 / (p(x) p(y)) less 1: the fraction of its noise that one position shares with another. */
  contingency: Float64Array;
}

const COUNT_LIMIT = 2 ** 27;

/** Counts of pairs of tokens, sentence by sentence. */
export class PairCounts {
  readonly #counts: Float64Array; // [d (d - 1) / 2, v, v]
  #sentences = 0;

  /** @throws InputError if the table would be too large */
  constructor(
    readonly d: number,
    readonly v: number,
  ) {
    checkInteger('d', d, 2, 2 ** 20, 'positions');
    checkInteger('v', v, 2, 65536, 'symbols');
    const cells = ((d * (d - 1)) / 2) * v * v;
    if (cells > COUNT_LIMIT)
      throw new InputError(
        `pairs: ${d} positions of ${v} symbols take ${cells} counters, over the limit of ${COUNT_LIMIT}; take shorter sentences or fewer symbols`,
      );
    this.#counts = new Float64Array(cells);
  }

  /** P, sentences so far. */
  get sentences(): number {
    return this.#sentences;
  }

  /** tokens [count, d], each below v. */
  add(tokens: ArrayLike<number>, count: number): void {
    const { d, v } = this;
    for (let i = 0; i < count; i++) {
      const row = i * d;
      for (let p = 0, pair = 0; p < d; p++) {
        const left = tokens[row + p] * v;
        for (let q = p + 1; q < d; q++, pair++) this.#counts[pair * v * v + left + tokens[row + q]]++;
      }
    }
    this.#sentences += count;
  }

  /** p(x at p, y at q) - p(x) p(y), [v, v]; p and q differ. */
  covariance(p: number, q: number): Float64Array {
    const { d, v } = this;
    const [a, b] = p < q ? [p, q] : [q, p];
    const pair = a * d - (a * (a + 1)) / 2 + (b - a - 1);
    const joint = new Float64Array(v * v);
    const [left, right] = [new Float64Array(v), new Float64Array(v)];
    for (let x = 0; x < v; x++)
      for (let y = 0; y < v; y++) {
        const at = p < q ? x * v + y : y * v + x;
        const probability = this.#counts[pair * v * v + at] / this.#sentences;
        joint[x * v + y] = probability;
        left[x] += probability;
        right[y] += probability;
      }
    return joint.map((probability, i) => probability - left[Math.floor(i / v)] * right[i % v]);
  }

  /** Plug-in estimates: biased upwards by about (v - 1)^2 / (2 P), the same for all pairs. */
  get information(): PairInformation {
    const { d, v } = this;
    const total = this.#sentences;
    const found = overPairs(d, v, (pair, joint) => {
      for (let i = 0; i < v * v; i++) joint[i] = this.#counts[pair * v * v + i] / total;
    });
    const bias = (v - 1) ** 2 / total; // contingency expected of independent tokens
    for (const [i, x] of found.contingency.entries())
      if (i % (d + 1) !== 0) found.contingency[i] = Math.max(0, x - bias);
    return found;
  }
}

/** The exact values for a grammar's positions. */
export function exactPairs(rules: Rules): PairInformation {
  checkHasRules(rules);
  const { s, L, v } = rules;
  const d = sentenceLength(rules);
  const prior = marginals(rules);
  const step = transitions(rules);
  // down[depth][offset]: p(token at that offset below a symbol of the depth | symbol), [symbols, v]
  const down: Float64Array[][] = [];
  down[L] = [Float64Array.from({ length: v * v }, (_, i) => Number(i % (v + 1) === 0))];
  for (let depth = L - 1; depth >= 1; depth--)
    down[depth] = step[depth].flatMap((table) => down[depth + 1].map((below) => product(table, below, v)));
  return overPairs(d, v, (_, joint, p, q) => {
    let width = d;
    let depth = 0;
    while (Math.floor(p / (width / s)) === Math.floor(q / (width / s))) {
      width /= s;
      depth++;
    }
    const node = Math.floor(p / width);
    const child = width / s;
    const [a, b] = [p, q].map((place) => Math.floor((place % width) / child));
    const [left, right] = [p, q].map((place) => down[depth + 1][place % child]);
    const weights = ruleWeights(rules, depth);
    joint.fill(0);
    rules.rules[depth].forEach((tuples, symbol) => {
      tuples.forEach((tuple, k) => {
        const weight = prior[depth][node][symbol] * weights[k];
        if (weight === 0) return;
        for (let x = 0; x < v; x++) {
          const part = weight * left[tuple[a] * v + x];
          if (part !== 0) for (let y = 0; y < v; y++) joint[x * v + y] += part * right[tuple[b] * v + y];
        }
      });
    });
  });
}

/** [A, v] times [v, v]. */
function product(table: Float64Array, below: Float64Array, v: number): Float64Array {
  const out = new Float64Array(table.length);
  for (let a = 0; a < table.length; a += v) out.set(push(table.subarray(a, a + v), below, v), a);
  return out;
}

function overPairs(
  d: number,
  v: number,
  fill: (pair: number, joint: Float64Array, p: number, q: number) => void,
): PairInformation {
  const information = new Float64Array(d * d);
  const spread = new Float64Array(d * d);
  const contingency = new Float64Array(d * d);
  for (let p = 0; p < d; p++) contingency[p * (d + 1)] = v - 1;
  const joint = new Float64Array(v * v);
  const [left, right] = [new Float64Array(v), new Float64Array(v)];
  for (let p = 0, pair = 0; p < d; p++)
    for (let q = p + 1; q < d; q++, pair++) {
      fill(pair, joint, p, q);
      left.fill(0);
      right.fill(0);
      joint.forEach((probability, i) => {
        left[Math.floor(i / v)] += probability;
        right[i % v] += probability;
      });
      let mean = 0;
      let square = 0;
      let ratio = -1;
      joint.forEach((probability, i) => {
        if (probability === 0) return;
        const times = probability / (left[Math.floor(i / v)] * right[i % v]);
        const log = Math.log(times);
        ratio += probability * times;
        mean += probability * log;
        square += probability * log * log;
      });
      for (const at of [p * d + q, q * d + p]) {
        information[at] = mean;
        spread[at] = Math.max(0, square - mean * mean);
        contingency[at] = Math.max(0, ratio);
      }
    }
  return { d, v, information, spread, contingency };
}
