/**
 * The tree of sentences whose positions are in an unknown order: positions that share a low ancestor have the largest mutual
 * information. Groups of s are joined level by level, with a measure of certainty for every level. Source of the idea:
 * arXiv:2308.13816.
 */
import { checkInteger } from '../core/check.js';
import { InputError } from '../core/errors.js';
import type { Rules } from '../core/rules.js';
import { normalBelow } from './crossing.js';
import { exactPairs, type PairInformation } from './pairs.js';

export interface FoundTree {
  s: number;
  /** By level, 1 .. L: the groups of positions under one symbol of that level, each s^level positions in the order of `order`. */
  levels: number[][][];
  /** Positions from left to right along the tree. The last position stays last; otherwise the order inside a group has no meaning. */
  order: number[];
  /** Probability, for each level, that its groups are those of the tree if the levels below are right, given the noise of P sentences. */
  sure: number[];
}

/** information: of P sentences, or exact (with the noise that P sentences would have). @throws InputError if d is not a power of s */
export function findTree(pairs: PairInformation, s: number, P: number): FoundTree {
  const { d } = pairs;
  checkInteger('s', s, 2, d, 'branching factor');
  checkInteger('sentences', P, 1, Number.MAX_SAFE_INTEGER, 'P');
  const L = Math.round(Math.log(d) / Math.log(s));
  if (s ** L !== d)
    throw new InputError(`tokens: ${d} per sentence, which is not a power of s = ${s}; pass sentences of s^L tokens`);
  let groups = Array.from({ length: d }, (_, p) => [p]);
  const levels: number[][][] = [];
  const sure: number[] = [];
  for (let level = 1; level <= L; level++) {
    const links = new Links(groups, pairs, P);
    const parts = improved(greedy(groups.length, s, links), links);
    sure.push(sureness(parts, links));
    groups = parts.map((part) =>
      endingLast(
        part.map((g) => groups[g]),
        d,
      ),
    );
    levels.push(groups);
  }
  const order = groups[0];
  const place = new Map(order.map((p, i) => [p, i]));
  const sorted = levels.map((level) => [...level].sort((a, b) => place.get(a[0])! - place.get(b[0])!));
  return { s, levels: sorted, order, sure };
}

/** Whether the groups of a level are those of the tree. order: order[p] is the place in the sentence of position p. */
export function isTrueLevel(groups: readonly (readonly number[])[], order: ArrayLike<number>): boolean {
  return groups.every((group) => new Set(group.map((p) => Math.floor(order[p] / group.length))).size === 1);
}

const SURE = 0.999;
const LARGEST = 2 ** 40;

/**
 * The law of token pairs for a level: the least P (a power of sqrt 2) at which its true groups, and those below, exceed the noise
 * of P sentences with 99.9% probability; infinite if they never do. Exact for one grammar; it grows like the P_level of
 * transformers.
 */
export function treeComplexity(rules: Rules): number[] {
  const pairs = exactPairs(rules);
  const least = new Array<number>(rules.L).fill(Number.POSITIVE_INFINITY);
  for (let P = 16; P <= LARGEST; P *= Math.SQRT2) {
    const { levels, sure } = findTree(pairs, rules.s, Math.round(P));
    const places = Uint32Array.from({ length: pairs.d }, (_, p) => p);
    for (let level = 1; level <= rules.L; level++) {
      if (!(sure[level - 1] >= SURE && isTrueLevel(levels[level - 1], places))) break;
      least[level - 1] = Math.min(least[level - 1], Math.round(P));
    }
    if (Number.isFinite(least[rules.L - 1])) break;
  }
  return least;
}

/** Mean information between groups, and the variance of such a mean from P sentences. */
class Links {
  readonly count: number;
  readonly #mean: Float64Array;
  readonly #variance: Float64Array;

  constructor(groups: readonly (readonly number[])[], pairs: PairInformation, P: number) {
    const { d, information, spread, contingency } = pairs;
    this.count = groups.length;
    this.#mean = new Float64Array(this.count ** 2);
    this.#variance = new Float64Array(this.count ** 2);
    // For a group of positions, the sum of the correlated noises of its links to one other position: v - 1 for a single position.
    const shared = groups.map((group) => mean(group.flatMap((p) => group.map((q) => contingency[p * d + q]))));
    for (let a = 0; a < this.count; a++)
      for (let b = 0; b < this.count; b++) {
        if (a === b) continue;
        const links = groups[a].flatMap((p) => groups[b].map((q) => p * d + q));
        this.#mean[a * this.count + b] = mean(links.map((at) => information[at]));
        // For independent tokens 2 P times the information is chi-square distributed with (v - 1)^2 degrees of freedom.
        const chance = (shared[a] * shared[b]) / 2 / P ** 2;
        this.#variance[a * this.count + b] = chance + mean(links.map((at) => spread[at])) / P;
      }
  }

  mean(a: number, b: number): number {
    return this.#mean[a * this.count + b];
  }

  /** How much information inside parts is lost by exchanging a of one part for b of another, and its variance. */
  loss(part: readonly number[], a: number, other: readonly number[], b: number): { value: number; variance: number } {
    let value = 0;
    let variance = 0;
    const sum = (from: number, to: number, sign: number) => {
      value += sign * this.#mean[from * this.count + to];
      variance += this.#variance[from * this.count + to];
    };
    for (const c of part)
      if (c !== a)
        for (const [x, sign] of [
          [a, 1],
          [b, -1],
        ] as const)
          sum(x, c, sign);
    for (const c of other)
      if (c !== b)
        for (const [x, sign] of [
          [b, 1],
          [a, -1],
        ] as const)
          sum(x, c, sign);
    return { value, variance };
  }
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Parts of s, each begun with the strongest link left. */
function greedy(count: number, s: number, links: Links): number[][] {
  const left = new Set(Array.from({ length: count }, (_, g) => g));
  const parts: number[][] = [];
  while (left.size) {
    let part = [...left].slice(0, 1);
    let best = -Infinity;
    for (const a of left)
      for (const b of left)
        if (a < b && links.mean(a, b) > best) {
          best = links.mean(a, b);
          part = [a, b];
        }
    for (const g of part) left.delete(g);
    while (part.length < s) {
      const strength = (g: number) => part.reduce((sum, other) => sum + links.mean(g, other), 0);
      const next = [...left].reduce((a, b) => (strength(b) > strength(a) ? b : a));
      part.push(next);
      left.delete(next);
    }
    parts.push(part);
  }
  return parts;
}

/** Exchanges two groups between two parts for as long as that increases the information inside parts. */
function improved(parts: number[][], links: Links): number[][] {
  for (;;) {
    let best: { value: number; swap: () => void } | undefined;
    for (const { i, j, a, b } of exchanges(parts)) {
      const { value } = links.loss(parts[i], a, parts[j], b);
      if (value < (best?.value ?? -1e-15))
        best = {
          value,
          swap: () => {
            parts[i] = parts[i].map((g) => (g === a ? b : g));
            parts[j] = parts[j].map((g) => (g === b ? a : g));
          },
        };
    }
    if (!best) return parts;
    best.swap();
  }
}

/** 1 less the probability (union bound) that, without the noise, an exchange would be better. A single part is certain. */
function sureness(parts: readonly (readonly number[])[], links: Links): number {
  let wrong = 0;
  for (const { i, j, a, b } of exchanges(parts)) {
    const { value, variance } = links.loss(parts[i], a, parts[j], b);
    wrong += variance > 0 ? normalBelow(-value / Math.sqrt(variance)) : value > 0 ? 0 : 1;
  }
  return Math.max(0, 1 - wrong);
}

function* exchanges(parts: readonly (readonly number[])[]) {
  for (let i = 0; i < parts.length; i++)
    for (let j = i + 1; j < parts.length; j++) for (const a of parts[i]) for (const b of parts[j]) yield { i, j, a, b };
}

/** Children in sequence, with the one that contains the last position at the end. */
function endingLast(children: readonly (readonly number[])[], d: number): number[] {
  const last = (child: readonly number[]) => Number(child.includes(d - 1));
  return [...children].sort((a, b) => last(a) - last(b) || a[0] - b[0]).flat();
}
