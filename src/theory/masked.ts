/** Exact losses of predictors of masked tokens, by inference on the tree. */
import { checkInteger } from '../core/check.js';
import { ShapeError } from '../core/errors.js';
import { isFixed, type MaskLaw, maskOf, maskWords } from '../core/masking.js';
import { checkHasRules, type Rules, sentenceLength } from '../core/rules.js';
import { streamKey } from '../core/threefry.js';
import { drawTrees } from './drawTrees.js';
import { marginals, rootWeights, ruleWeights } from './marginals.js';
import { TreeMessages } from './messages.js';

/**
 * The value of context to a predictor of masked tokens. Index ell = 0..L: it sees the visible tokens of the masked token's
 * level-ell block.
 */
export interface MaskedPlateaus {
  H: number[]; // [L+1] nats per masked token
  H_error: number[]; // [L+1] standard errors; 0 if every sentence and mask was enumerated
}

export interface MaskedOptions {
  /** The predictor sees only the tokens before a masked one, as a causal network does. Default false. */
  causal?: boolean;
  /** Number of sentences with masks to draw if there are more than `exactUpTo` of them. Default 4096. */
  samples?: number;
  /** Default 4096. */
  exactUpTo?: number;
}

/**
 * H(ell): mean entropy of a masked token given the visible ones of the s^ell tokens under its level-ell ancestor, whose prior is its
 * marginal at that place. Means are taken as in training: over sentences, of the mean over the masked tokens of each. H(0) is the entropy
 * given only the token's place, H(L) the floor of any network; if only the last token is masked, it is the H of `lossPlateaus`. Tokens
 * other than the last T = law.places.length are hidden too. Belief propagation is exact; sentences and masks are enumerated if there are
 * few, otherwise drawn. @throws InputError for options out of range
 */
export function maskedPlateaus(rules: Rules, law: MaskLaw, options: MaskedOptions = {}): MaskedPlateaus {
  const { samples = 4096, exactUpTo = 4096, causal = false } = options;
  checkInteger('samples', samples, 2, 1e9);
  checkInteger('exactUpTo', exactUpTo, 0, 1e9);
  checkHasRules(rules);
  const predictor = new MaskedPredictor(rules, law.places.length, causal);
  const few = countMasks(law) * countSentences(rules) <= exactUpTo;
  const sum = new Float64Array(rules.L + 1);
  const squares = new Float64Array(rules.L + 1);
  let total = 0;
  for (const { tokens, hidden, weight } of few ? allCases(rules, law) : drawnCases(rules, law, samples)) {
    predictor.see(tokens, hidden);
    for (const [ell, value] of predictor.entropies().entries()) {
      sum[ell] += weight * value;
      squares[ell] += weight * value * value;
    }
    total += weight;
  }
  const H = Array.from(sum, (x) => x / total);
  const H_error = H.map((mean, ell) =>
    few ? 0 : Math.sqrt(Math.max(0, squares[ell] / total - mean * mean) / (samples - 1)),
  );
  return { H, H_error };
}

/**
 * Mean loss on given sentences and masks, in nats, of the exact predictors of masked tokens: result[ell], ell = 0..L. tokens [count, s^L];
 * seen: the same with v in place of masked tokens. Over all sentences the mean is H(ell) of `maskedPlateaus`. A network's loss less
 * result[L] has less noise than its loss less H(L). length: T, tokens used. @throws ShapeError
 */
export function maskedLosses(
  rules: Rules,
  tokens: ArrayLike<number>,
  seen: ArrayLike<number>,
  count: number,
  { length = sentenceLength(rules), causal = false }: { length?: number; causal?: boolean } = {},
): number[] {
  checkHasRules(rules);
  const d = sentenceLength(rules);
  if (tokens.length < count * d || seen.length < count * d)
    throw new ShapeError(
      `maskedLosses: ${tokens.length} tokens and ${seen.length} seen for ${count} sentences of s^L = ${d}; pass count * d`,
    );
  const predictor = new MaskedPredictor(rules, length, causal);
  const sums = new Float64Array(rules.L + 1);
  const row = new Uint32Array(d);
  const hidden = new Uint8Array(length);
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < d; p++) row[p] = tokens[i * d + p];
    for (let p = 0; p < length; p++) hidden[p] = Number(seen[i * d + d - length + p] === rules.v);
    predictor.see(row, hidden);
    for (const [ell, value] of predictor.losses().entries()) sums[ell] += value / count;
  }
  return Array.from(sums);
}

/** The exact predictors of all levels on one sentence at a time. */
class MaskedPredictor {
  readonly #messages: TreeMessages;
  readonly #priors: Float64Array[][]; // [depth][node], logarithms
  readonly #beliefs: Float64Array[]; // [depth]
  readonly #d: number;
  #tokens: ArrayLike<number> = [];
  #hidden: ArrayLike<number> = [];

  constructor(
    readonly rules: Rules,
    readonly length: number,
    readonly causal: boolean,
  ) {
    this.#messages = new TreeMessages(rules);
    this.#priors = marginals(rules).map((nodes) => nodes.map((prior) => prior.map(Math.log)));
    this.#beliefs = this.#priors.map((nodes) => new Float64Array(nodes.length * nodes[0].length));
    this.#d = sentenceLength(rules);
  }

  /** tokens [s^L]; hidden [T], flags of the last T of them. */
  see(tokens: ArrayLike<number>, hidden: ArrayLike<number>): void {
    this.#tokens = tokens;
    this.#hidden = hidden;
  }

  /** [L+1]: mean entropy of a masked token, by level of the visible block. */
  entropies(): Float64Array {
    return this.#means((p) => {
      let sum = 0;
      for (const x of p) if (x > 0) sum -= x * Math.log(x);
      return sum;
    });
  }

  /** [L+1]: mean -log probability of the masked tokens. */
  losses(): Float64Array {
    return this.#means((p, token) => -Math.log(p[token]));
  }

  #means(score: (posterior: Float64Array, token: number) => number): Float64Array {
    const { L, v } = this.rules;
    const first = this.#d - this.length;
    const places = Array.from({ length: this.length }, (_, i) => first + i).filter((p) => this.#hidden[p - first]);
    const means = new Float64Array(L + 1);
    for (const group of this.causal ? places.map((place) => [place]) : [places]) {
      this.#fill(this.causal ? group[0] : this.#d);
      if (this.#messages.upward() === Number.NEGATIVE_INFINITY)
        throw new ShapeError('maskedLosses: a sentence is not of this grammar; pass sentences drawn from its rules');
      for (let ell = 0; ell <= L; ell++) {
        for (const row of this.#beliefs.slice(L - ell)) row.fill(0);
        this.#messages.downward(this.#beliefs, 0, L - ell, this.#priors[L - ell]);
        for (const place of group) {
          const posterior = this.#beliefs[L].subarray(place * v, (place + 1) * v);
          means[ell] += score(posterior, this.#tokens[place]) / places.length;
        }
      }
    }
    return means;
  }

  /** Messages of the leaves: tokens before `end` that are used and not masked are visible. */
  #fill(end: number): void {
    const { v } = this.rules;
    const { leaves } = this.#messages;
    const first = this.#d - this.length;
    for (let p = 0; p < this.#d; p++) {
      const isSeen = p >= first && p < end && !this.#hidden[p - first];
      leaves.fill(isSeen ? Number.NEGATIVE_INFINITY : 0, p * v, (p + 1) * v);
      if (isSeen) leaves[p * v + this.#tokens[p]] = 0;
    }
  }
}

interface Case {
  tokens: ArrayLike<number>;
  hidden: ArrayLike<number>;
  weight: number;
}

/** Independent sentences, each with its own mask. */
function* drawnCases(rules: Rules, law: MaskLaw, samples: number): Generator<Case> {
  const words = maskWords(law);
  const hidden = new Uint8Array(law.places.length);
  let i = 0;
  for (const symbols of drawTrees(rules, samples, streamKey(0, 'measure', 1))) {
    maskOf(words, streamKey(0, 'mask'), i++, hidden);
    yield { tokens: symbols[rules.L], hidden, weight: 1 };
  }
}

/** Every sentence with every mask, with their probabilities. */
function* allCases(rules: Rules, law: MaskLaw): Generator<Case> {
  const masks = [...masksOf(law)];
  for (const [root, prior] of rootWeights(rules).entries())
    for (const { tokens, weight } of sentencesBelow(rules, 0, root))
      for (const mask of masks) yield { tokens, hidden: mask.hidden, weight: prior * weight * mask.weight };
}

function* sentencesBelow(rules: Rules, depth: number, symbol: number): Generator<{ tokens: number[]; weight: number }> {
  if (depth === rules.L) {
    yield { tokens: [symbol], weight: 1 };
    return;
  }
  const weights = ruleWeights(rules, depth);
  const join = function* (tuple: readonly number[], from: number): Generator<{ tokens: number[]; weight: number }> {
    if (from === tuple.length) yield { tokens: [], weight: 1 };
    else
      for (const head of sentencesBelow(rules, depth + 1, tuple[from]))
        for (const tail of join(tuple, from + 1))
          yield { tokens: [...head.tokens, ...tail.tokens], weight: head.weight * tail.weight };
  };
  for (const [k, tuple] of rules.rules[depth][symbol].entries())
    if (weights[k] > 0) for (const { tokens, weight } of join(tuple, 0)) yield { tokens, weight: weights[k] * weight };
}

/** Every mask of a law with its probability. */
function* masksOf(law: MaskLaw): Generator<{ hidden: number[]; weight: number }> {
  const { least, most, places } = law;
  if (isFixed(law)) {
    yield { hidden: places.map(Number), weight: 1 };
    return;
  }
  const free = [...places.keys()].filter((i) => places[i]);
  for (let bits = 0; bits < 2 ** free.length; bits++) {
    const chosen = free.filter((_, k) => (bits >> k) & 1);
    if (chosen.length < least || chosen.length > most) continue;
    const hidden = places.map((_, i) => Number(chosen.includes(i)));
    yield { hidden, weight: 1 / (most - least + 1) / binomial(free.length, chosen.length) };
  }
}

const binomial = (n: number, k: number): number => (k === 0 ? 1 : (binomial(n - 1, k - 1) * n) / k);

const MOST_FREE = 20; // places whose subsets are enumerated

function countMasks(law: MaskLaw): number {
  const { least, most, places } = law;
  if (isFixed(law)) return 1;
  const free = places.filter(Boolean).length;
  if (free > MOST_FREE) return Number.POSITIVE_INFINITY;
  return Array.from({ length: most - least + 1 }, (_, i) => binomial(free, least + i)).reduce((a, b) => a + b);
}

/** Infinity if there are too many for a number. */
const countSentences = ({ n, m, s, L }: Rules): number => n * m ** ((s ** L - 1) / (s - 1));
