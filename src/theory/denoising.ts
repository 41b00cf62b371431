/** Noise on the leaves, and what of the tree comes back: the forward-backward experiment. */
import { checkInteger, checkSeed, show } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { checkHasRules, type GrammarShape, parents, type Rules } from '../core/rules.js';
import { streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { drawTrees } from './drawTrees.js';
import { TreeMessages } from './messages.js';

/**
 * What becomes of a leaf at rate t. `replace`: with probability t another token is seen, drawn uniformly from all v. `mask`: with
 * probability t nothing is seen. `belief`: of each leaf the likelihood is 1 - t + t/v for its token and t/v for every other (arXiv:2402.16991).
 */
export const leafNoises = ['replace', 'mask', 'belief'] as const;
export type LeafNoise = (typeof leafNoises)[number];

export interface DenoisingOptions {
  noise?: LeafNoise; // default replace
  rates: readonly number[]; // t, each from 0 to 1
  sentences?: number; // drawn for each rate, default 256
  seed?: number; // default 0
}

/** At one rate. */
export interface DenoisingPoint {
  rate: number;
  /** [L+1] by level, the tokens first: fraction of the level's symbols that are another one after noise and denoising. */
  changed: number[];
  error: number[]; // [L+1] standard errors
}

/**
 * Noise is put on the leaves of a sentence, and a tree is drawn from the exact posterior given what is seen: which symbols have
 * changed, level by level. Expectations over that tree are exact, by belief propagation; sentences and their noise are drawn.
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
    const random = new UniformStream(streamKey(seed, 'posterior', 2 * k + 1));
    const sum = new Float64Array(L + 1);
    const squares = new Float64Array(L + 1);
    // The same sentences at every rate: what differs between rates is their noise.
    for (const symbols of drawTrees(rules, sentences, streamKey(seed, 'posterior', 0))) {
      seeNoisy(messages.leaves, symbols[L], v, noise, rate, random);
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
    const error = changed.map((mean, level) =>
      Math.sqrt(Math.max(0, squares[level] / sentences - mean * mean) / (sentences - 1)),
    );
    return { rate, changed, error };
  });
}

function seeNoisy(
  leaves: Float64Array,
  tokens: ArrayLike<number>,
  v: number,
  noise: LeafNoise,
  rate: number,
  random: UniformStream,
): void {
  const same = Math.log(1 - rate + rate / v);
  const other = Math.log(rate / v);
  for (let p = 0; p < tokens.length; p++) {
    const isHit = noise !== 'belief' && random.word() < rate * 2 ** 32;
    const isMasked = noise === 'mask' && isHit;
    const token = noise === 'replace' && isHit ? random.below(v) : tokens[p];
    leaves.fill(isMasked ? 0 : noise === 'mask' ? Number.NEGATIVE_INFINITY : other, p * v, (p + 1) * v);
    if (!isMasked) leaves[p * v + token] = noise === 'mask' ? 0 : same;
  }
}

/**
 * Mean-field map of one level: p, the belief that a symbol is the true one, to that of its parent, the rest of p spread evenly over the
 * other symbols. Of the v^s - 1 wrong tuples a share f is a rule's, and of those (m - 1)/(mv - 1) lead to the true parent.
 * Source: arXiv:2402.16991, the iteration of beliefs up the tree.
 */
export function beliefMap({ v, m, s }: Pick<GrammarShape, 'v' | 'm' | 's'>, p: number): number {
  const f = (m * v - 1) / (v ** s - 1);
  const right = p ** s;
  return (right + ((f * (m - 1)) / (m * v - 1)) * (1 - right)) / (right + f * (1 - right));
}

/** Mean belief in a leaf's true token at a rate of noise. */
function leafBelief(v: number, noise: LeafNoise, rate: number): number {
  const same = 1 - rate + rate / v;
  return noise === 'replace' ? same ** 2 + (v - 1) * (rate / v) ** 2 : same;
}

/**
 * The rate of noise at which a deep tree loses its root: where the leaves' mean belief meets the unstable fixed point of `beliefMap`. Below
 * it beliefs grow on the way up, above it they fall to chance, the more sharply the more levels there are. undefined: the map has no such point
 * between chance and 1, so that noise is lost (or kept) at every level and the change is gradual.
 */
export function denoisingThreshold(
  shape: Pick<GrammarShape, 'v' | 'm' | 's'>,
  noise: LeafNoise = 'replace',
): number | undefined {
  const gain = (p: number) => beliefMap(shape, p) - p;
  // Scanned from 1 down: just below 1 the map is above the diagonal where 1 attracts.
  const steps = 4096;
  const low = 1 / shape.v;
  let above = 1 - 1e-9;
  if (!(gain(above) > 0)) return undefined;
  for (let i = 1; i < steps; i++) {
    const p = 1 - ((1 - low) * i) / steps;
    if (gain(p) < 0) {
      const fixed = bisect(gain, p, above);
      return bisect((rate) => fixed - leafBelief(shape.v, noise, rate), 0, 1);
    }
    above = p;
  }
  return undefined;
}

/** Where an increasing function crosses 0. */
function bisect(of: (x: number) => number, low: number, high: number): number {
  let [a, b] = [low, high];
  for (let i = 0; i < 60; i++) {
    const middle = (a + b) / 2;
    if (of(middle) < 0) a = middle;
    else b = middle;
  }
  return (a + b) / 2;
}
