/** Noise on the leaves, and how much of the tree survives it: the forward-backward experiment. */
import { checkInteger, checkSeed, show } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { checkHasRules, type GrammarShape, makeRules, parents, type Rules } from '../core/rules.js';
import { streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { drawTrees } from './drawTrees.js';
import { TreeMessages } from './messages.js';

/**
 * Noise on a leaf at rate t. `replace`: with probability t the leaf shows another token, drawn uniformly from all v. `mask`: with
 * probability t it shows nothing. `belief`: the likelihood of each leaf is 1 - t + t/v for its token and t/v for every other
 * (arXiv:2402.16991).
 */
export const leafNoises = ['replace', 'mask', 'belief'] as const;
export type LeafNoise = (typeof leafNoises)[number];

export interface DenoisingOptions {
  noise?: LeafNoise; // default replace
  rates: readonly number[]; // t, each from 0 to 1
  sentences?: number; // number drawn for each rate, default 256
  seed?: number; // default 0
}

/** At one rate. */
export interface DenoisingPoint {
  rate: number;
  /** [L+1] by level, the tokens first: fraction of the level's symbols that differ after noise and denoising. */
  changed: number[];
  error: number[]; // [L+1] standard errors
}

/**
 * Adds noise to the leaves of a sentence and draws a tree from the exact posterior given the noisy leaves: which symbols have
 * changed, level by level. Expectations over that tree are exact, by belief propagation; sentences and their noise are sampled.
 * Source: arXiv:2402.16991, 2410.13770. @throws InputError naming the option
 */
export function denoisingCurve(rules: Rules, options: DenoisingOptions): DenoisingPoint[] {
  const { noise = 'replace', rates, sentences = 256, seed = 0 } = options;
  checkHasRules(rules);
  checkSeed(seed);
  checkInteger('sentences', sentences, 2, 1e9);
  if (!leafNoises.includes(noise)) throw new InputError(`noise: got ${show(noise)}; pass ${leafNoises.join(', ')}`);
  for (const rate of rates)
    if (!(typeof rate === 'number' && rate >= 0 && rate <= 1))
      throw new InputError(`rates: got ${show(rate)}; pass numbers from 0 to 1`);
  const { L, v } = rules;
  const messages = new TreeMessages(rules);
  const beliefs = Array.from(
    { length: L + 1 },
    (_, depth) => new Float64Array(rules.s ** depth * (depth < L ? parents(rules, depth) : v)),
  );
  return rates.map((rate, k) => {
    const sum = new Float64Array(L + 1);
    const squares = new Float64Array(L + 1);
    for (const { symbols, seen } of noisySentences(rules, { noise, rate, sentences, seed, stream: k })) {
      see(messages.leaves, seen, v, noise, rate);
      messages.upward();
      for (const row of beliefs) row.fill(0);
      messages.downward(beliefs, 0);
      for (let depth = 0; depth <= L; depth++) {
        const nodes = symbols[depth].length;
        const width = beliefs[depth].length / nodes;
        let changed = 0;
        for (let p = 0; p < nodes; p++) changed += 1 - beliefs[depth][p * width + symbols[depth][p]];
        const share = Math.max(0, changed / nodes);
        sum[L - depth] += share;
        squares[L - depth] += share * share;
      }
    }
    const changed = Array.from(sum, (x) => x / sentences);
    return { rate, changed, error: errorsOf(changed, squares, sentences) };
  });
}

/** Standard errors of means from sums of squares. */
export const errorsOf = (means: readonly number[], squares: ArrayLike<number>, count: number): number[] =>
  means.map((mean, i) => Math.sqrt(Math.max(0, squares[i] / count - mean * mean) / (count - 1)));

/**
 * Sentences and their noisy tokens: another token, or -1 for nothing. The sentences are the same at every rate and for every
 * stream; the noise depends on the stream. The arrays are reused for the next sentence.
 */
export function* noisySentences(
  rules: Rules,
  o: { noise: LeafNoise; rate: number; sentences: number; seed: number; stream: number },
): Generator<{ symbols: readonly Int32Array[]; seen: Int32Array }> {
  const random = new UniformStream(streamKey(o.seed, 'posterior', 2 * o.stream + 1));
  for (const symbols of drawTrees(rules, o.sentences, streamKey(o.seed, 'posterior', 0))) {
    const seen = symbols[rules.L].map((token) => {
      if (o.noise === 'belief' || !(random.word() < o.rate * 2 ** 32)) return token;
      return o.noise === 'mask' ? -1 : random.below(rules.v);
    });
    yield { symbols, seen };
  }
}

/** Log likelihoods of the leaves [s^L, v]. */
function see(leaves: Float64Array, seen: Int32Array, v: number, noise: LeafNoise, rate: number): void {
  const isSure = noise === 'mask';
  const same = isSure ? 0 : Math.log(1 - rate + rate / v);
  const other = isSure ? Number.NEGATIVE_INFINITY : Math.log(rate / v);
  for (const [p, token] of seen.entries()) {
    leaves.fill(token < 0 ? 0 : other, p * v, (p + 1) * v);
    if (token >= 0) leaves[p * v + token] = same;
  }
}

/**
 * Mean-field map of one level: from p, the belief that a symbol is the true one, to the belief for its parent, with the rest of p
 * spread evenly over the other symbols. Of the v^s - 1 wrong tuples a fraction f belongs to rules, and of those (m - 1)/(mv - 1) lead
 * to the true parent. Source: arXiv:2402.16991, the iteration of beliefs up the tree.
 */
export function beliefMap({ v, m, s }: Pick<GrammarShape, 'v' | 'm' | 's'>, p: number): number {
  const f = (m * v - 1) / (v ** s - 1);
  const right = p ** s;
  return (right + ((f * (m - 1)) / (m * v - 1)) * (1 - right)) / (right + f * (1 - right));
}

/**
 * The mean-field threshold of noise `belief`: the rate at which the leaves' belief meets the unstable fixed point of `beliefMap`. Below it
 * beliefs grow on the way up; above it they fall to chance. undefined: there is no such point between chance and 1. Source:
 * arXiv:2402.16991.
 */
export function meanFieldThreshold(shape: Pick<GrammarShape, 'v' | 'm' | 's'>): number | undefined {
  const { v } = shape;
  const gain = (p: number) => beliefMap(shape, p) - p;
  let above = 1 - 1e-9; // just below 1 the map is above the diagonal if 1 attracts
  if (!(gain(above) > 0)) return undefined;
  for (let i = 1; i < MAP_STEPS; i++) {
    const p = 1 - ((1 - 1 / v) * i) / MAP_STEPS;
    if (gain(p) < 0) return (1 - bisect((x) => gain(x) > 0, p, above)) / (1 - 1 / v);
    above = p;
  }
  return undefined;
}

const MAP_STEPS = 4096;
const LEVELS = 24;
const POPULATION = 400;
const LEAST_THRESHOLD = 0.005;

/**
 * The rate of noise at which the root of a deep tree is lost, averaged over grammars, by density evolution: the beliefs of a level are a
 * population, and the next level's are computed from random rules, true tuples and members drawn from it. From level to level, beliefs in
 * the true symbol either return to 1 or fall to chance; the threshold, known to about 0.01, separates the two. undefined: any noise is lost
 * on the way up, so there is no threshold.
 */
export function denoisingThreshold(
  shape: Pick<GrammarShape, 'v' | 'm' | 's'>,
  noise: LeafNoise = 'replace',
): number | undefined {
  const half = (1 + 1 / shape.v) / 2;
  const rate = bisect((t) => deepBelief(shape, noise, t) < half, 0, 1, 8);
  return rate < LEAST_THRESHOLD ? undefined : rate;
}

/** Mean belief in the true symbol, LEVELS above leaves with noise. */
function deepBelief({ v, m, s }: Pick<GrammarShape, 'v' | 'm' | 's'>, noise: LeafNoise, rate: number): number {
  const random = new UniformStream(streamKey(0, 'posterior', 2 ** 20));
  // Beliefs, with the one in the true symbol first.
  let population = Array.from({ length: POPULATION }, () => {
    const leaf = new Float64Array(v).fill(rate / v);
    const isHit = noise !== 'belief' && random.word() < rate * 2 ** 32;
    if (noise === 'mask') return isHit ? leaf.fill(1 / v) : oneHot(v);
    leaf[noise === 'replace' && isHit ? random.below(v) : 0] += 1 - rate;
    return leaf;
  });
  for (let level = 1; level <= LEVELS; level++) {
    const [tuples] = makeRules({ v, n: v, m, s, L: 1 }, level).rules;
    const below = population;
    population = below.map(() => {
      const symbol = random.below(v);
      const tuple = tuples[symbol][random.below(m)];
      const children = tuple.map((child) => placed(below[random.below(POPULATION)], child, random));
      const beliefs = Float64Array.from(tuples, (own) =>
        own.reduce((sum, one) => sum + one.reduce((product, c, i) => product * children[i][c], 1), 0),
      );
      const total = beliefs.reduce((sum, x) => sum + x, 0);
      [beliefs[0], beliefs[symbol]] = [beliefs[symbol], beliefs[0]];
      return beliefs.map((x) => x / total);
    });
  }
  return population.reduce((sum, beliefs) => sum + beliefs[0] / POPULATION, 0);
}

const oneHot = (v: number) => new Float64Array(v).fill(1, 0, 1);

/** Beliefs rearranged so that the true symbol is `symbol`; the others are in random order. */
function placed(beliefs: Float64Array, symbol: number, random: UniformStream): Float64Array {
  const out = beliefs.slice();
  for (let i = out.length - 1; i > 1; i--) {
    const j = 1 + random.below(i);
    [out[i], out[j]] = [out[j], out[i]];
  }
  [out[0], out[symbol]] = [out[symbol], out[0]];
  return out;
}

/** Where a condition begins to be true. */
function bisect(holds: (x: number) => boolean, low: number, high: number, rounds = 60): number {
  let [a, b] = [low, high];
  for (let i = 0; i < rounds; i++) {
    const middle = (a + b) / 2;
    if (holds(middle)) b = middle;
    else a = middle;
  }
  return (a + b) / 2;
}
