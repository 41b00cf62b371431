import { checkInteger, checkSeed, show } from './check.js';
import { InputError } from './errors.js';
import { streamKey } from './threefry.js';
import { UniformStream } from './uniform.js';

/** Sizes of a Random Hierarchy Model. Source: arXiv:2307.02129. */
export interface GrammarShape {
  v: number; // vocabulary size, the same at every level
  n: number; // root symbols
  m: number; // multiplicity: production rules per symbol
  s: number; // branching factor: symbols on the right of a rule
  L: number; // depth; a sentence has s^L tokens
}

/**
 * A grammar. depth counts from the root (0) to the tokens (L); level (ell in the paper) counts from the tokens: level = L -
 * depth. rules[depth] expands the symbols at that depth.
 */
export interface Rules extends GrammarShape {
  rules: number[][][][]; // [depth][symbol][rule] = tuple of s symbols; within a depth all tuples differ
  rootPrior?: number[]; // [n], sums to 1; absent = uniform
  ruleProbabilities?: (number[] | null)[]; // [L][m] by depth, each sums to 1; null = uniform
  heldPairs?: HeldPairs; // absent = every rule may occur below every other; exact losses and parsers are those of the whole grammar
}

/** Pairs (rule of a symbol, rule of one of its children) that a language excludes or requires: core/holdout.ts. */
export interface HeldPairs {
  depth: number; // depth of the children, 1 .. L-1
  places: number; // K = s^depth children
  held: number; // h, rules held out for each rule of a parent and place of a child; 0 < h < m
  /**
   * [parents * m * s] places below the rules of the parents' depth, each with the child's m rules: those allowed in rising order, then the
   * h held out.
   */
  order: readonly Uint32Array[];
  language: HeldLanguage;
  /**
   * Cumulative counts of sentences by the place j of their last held-out pair, from left to right: sums[j] sentences have it at j or
   * before. Before that place any rule may occur, after it only allowed ones. Empty without pairs, or if K is 64 or more, since such a
   * language is not numbered.
   */
  sums: readonly bigint[];
  shares: readonly number[]; // the same as fractions of the language, for K of any size
}

/**
 * without: sentences without a held-out pair, the training language; with: sentences with at least one; context: of the latter, those
 * whose last token is not below one; last: those whose last token is.
 */
export const heldLanguages = ['without', 'with', 'context', 'last'] as const;
export type HeldLanguage = (typeof heldLanguages)[number];

/** For functions that are easily given a shape by mistake. @throws InputError */
export function checkHasRules(rules: Rules): void {
  if (!Array.isArray((rules as Partial<Rules> | undefined)?.rules))
    throw new InputError(
      `rules: got ${show(rules)}, which is not a grammar; pass one, as made by makeRules(shape, seed) or lab.rules(shape, seed)`,
    );
}

/** How the rules of a level (or the roots) are weighted: p_k ~ k^-(1+zipf), k = 1.., or explicit probabilities. */
export type Weights = 'uniform' | null | { zipf: number } | number[];

export interface GrammarOptions {
  rootPrior?: Weights;
  /** One value for every level, or an array of L values, the root's first. */
  ruleProbabilities?: Weights | Weights[];
}

/** The sizes alone, including the number of root symbols, which an experiment may omit. */
export function shapeOf({ v, n = v, m, s, L }: Omit<GrammarShape, 'n'> & { n?: number }): GrammarShape {
  return { v, n, m, s, L };
}

const SYMBOL_LIMIT = 65536; // digits are drawn with 16 x 16 bit products, on the GPU too
export const TOKEN_LIMIT = 2 ** 20; // maximum for a sentence
/** Smallest and largest value of each size alone; `checkShape` checks which go together. */
export const grammarLimits = {
  v: [2, SYMBOL_LIMIT],
  n: [1, SYMBOL_LIMIT],
  m: [1, SYMBOL_LIMIT],
  s: [2, TOKEN_LIMIT],
  L: [1, 20],
} as const satisfies Record<keyof GrammarShape, readonly [number, number]>;
const TABLE_LIMIT = 2 ** 24; // symbols in all rules together: 0.7 GB of memory, 100 MB as JSON

/** Number of tokens of a sentence, s^L. */
export const sentenceLength = (shape: Pick<GrammarShape, 's' | 'L'>) => shape.s ** shape.L;

/** Symbols that are expanded at a depth: n at the root, v below. */
export const parents = (shape: GrammarShape, depth: number) => (depth === 0 ? shape.n : shape.v);

/** Checks sizes. @throws InputError naming the field and the bound. */
export function checkShape(shape: GrammarShape): GrammarShape {
  const v = checkInteger('v', shape.v, ...grammarLimits.v, 'vocabulary size');
  const n = checkInteger('n', shape.n, ...grammarLimits.n, 'root symbols');
  const m = checkInteger('m', shape.m, ...grammarLimits.m, 'production rules per symbol');
  const s = checkInteger('s', shape.s, ...grammarLimits.s, 'branching factor');
  const L = checkInteger('L', shape.L, ...grammarLimits.L, 'depth');
  if (s ** L > TOKEN_LIMIT)
    throw new InputError(
      `s^L: a sentence of ${s}^${L} tokens is over the limit of ${TOKEN_LIMIT}; take a smaller L or s`,
    );
  const tuples = v ** s;
  for (const [name, count] of [
    ['n*m', n * m],
    ['v*m', v * m],
  ] as const)
    if ((name === 'n*m' || L > 1) && count > tuples)
      throw new InputError(
        `m: ${name} = ${count}: there are only v^s = ${tuples} distinct tuples; take m <= ${Math.floor(tuples / Math.max(n, L > 1 ? v : 1))}`,
      );
  if ((n + (L - 1) * v) * m * s > TABLE_LIMIT)
    throw new InputError(`m: the rules hold more than ${TABLE_LIMIT} symbols in all; take a smaller v, m or s`);
  return { v, n, m, s, L };
}

/**
 * A random grammar: at each depth the right-hand sides are distinct s-tuples drawn uniformly without replacement and dealt m to
 * each symbol. Memory grows with v^s only if the rules themselves use most tuples.
 */
export function makeRules(shape: GrammarShape, seed: number, options: GrammarOptions = {}): Rules {
  const { v, n, m, s, L } = checkShape(shape);
  checkSeed(seed);
  const rules = Array.from({ length: L }, (_, depth) => {
    const symbols = parents(shape, depth);
    const tuples = distinctTuples(v, s, symbols * m, new UniformStream(streamKey(seed, 'rules', depth)));
    return Array.from({ length: symbols }, (_, a) => tuples.slice(a * m, (a + 1) * m));
  });
  return { v, n, m, s, L, rules, ...resolveWeights({ v, n, m, s, L }, options) };
}

/** Explicit probabilities for the root and the levels; uniform ones are left out. @throws InputError */
export function resolveWeights(
  { n, m, L }: GrammarShape,
  { rootPrior, ruleProbabilities }: GrammarOptions,
): Pick<Rules, 'rootPrior' | 'ruleProbabilities'> {
  const result: Pick<Rules, 'rootPrior' | 'ruleProbabilities'> = {};
  const prior = probabilities('rootPrior', rootPrior, n);
  if (prior) result.rootPrior = prior;
  if (ruleProbabilities === undefined || ruleProbabilities === null || ruleProbabilities === 'uniform') return result;
  const perLevel = Array.isArray(ruleProbabilities) && ruleProbabilities.some((w) => typeof w !== 'number');
  if (perLevel && ruleProbabilities.length !== L)
    throw new InputError(`ruleProbabilities: expected L = ${L} levels, got ${ruleProbabilities.length}`);
  const byDepth = Array.from({ length: L }, (_, depth) =>
    probabilities(
      `ruleProbabilities[${depth}]`,
      perLevel ? (ruleProbabilities as Weights[])[depth] : (ruleProbabilities as Weights),
      m,
    ),
  );
  if (byDepth.some((p) => p)) result.ruleProbabilities = byDepth;
  return result;
}

/** [count] probabilities, or null for uniform. zipf = Infinity: only the first rule. @throws InputError */
function probabilities(field: string, weights: Weights | undefined, count: number): number[] | null {
  if (weights === undefined || weights === null || weights === 'uniform') return null;
  if (Array.isArray(weights)) {
    if (weights.length !== count)
      throw new InputError(`${field}: expected ${count} probabilities, got ${weights.length}`);
    weights.forEach((p, k) => {
      if (typeof p !== 'number' || !(p >= 0 && p <= 1))
        throw new InputError(`${field}[${k}]: expected a probability from 0 to 1, got ${show(p)}`);
    });
    const sum = weights.reduce((a, b) => a + b, 0);
    if (!(Math.abs(sum - 1) <= 1e-6))
      throw new InputError(`${field}: the probabilities must sum to 1 (within 1e-6), they sum to ${sum}`);
    // A sum that differs from 1 only by rounding is left unchanged, so that a grammar read back from its file is the same.
    return Math.abs(sum - 1) <= 1e-12 ? [...weights] : weights.map((p) => p / sum);
  }
  const a = typeof weights === 'object' ? weights.zipf : undefined;
  if (typeof a !== 'number' || !(a > -1))
    throw new InputError(
      `${field}: expected "uniform", {"zipf": a} with a > -1, or ${count} probabilities, got ${show(weights)}`,
    );
  const raw = Array.from({ length: count }, (_, k) => (k === 0 ? 1 : (k + 1) ** -(1 + a)));
  const sum = raw.reduce((x, y) => x + y, 0);
  return raw.map((p) => p / sum);
}

/** `count` distinct tuples in random order, uniform over all ordered choices without replacement. */
function distinctTuples(v: number, s: number, count: number, random: UniformStream): number[][] {
  const total = v ** s;
  if (count * 2 > total) return denseTuples(v, s, count, total, random);
  // At most half of all tuples are taken, so a draw repeats an earlier one with probability below 1/2.
  const seen = new Set<number | string>();
  const tuples: number[][] = [];
  while (tuples.length < count) {
    const tuple = Array.from({ length: s }, () => random.below(v));
    const name = total < 2 ** 53 ? tuple.reduce((x, symbol) => x * v + symbol, 0) : tuple.join();
    if (seen.has(name)) continue;
    seen.add(name);
    tuples.push(tuple);
  }
  return tuples;
}

/** The first `count` entries of a Fisher-Yates shuffle; total < 2 count, so it is no larger than the answer. */
function denseTuples(v: number, s: number, count: number, total: number, random: UniformStream): number[][] {
  const order = Float64Array.from({ length: total }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => {
    const j = i + random.below(total - i);
    let code = order[j];
    order[j] = order[i];
    const tuple = new Array<number>(s);
    for (let k = s - 1; k >= 0; k--) {
      tuple[k] = code % v;
      code = Math.floor(code / v);
    }
    return tuple;
  });
}
