import { InputError } from './errors.js';
import { checkHasRules, type GrammarShape, parents, type Rules, sentenceLength } from './rules.js';

/**
 * A grammar as one block of u32 words, which the WebAssembly sampler, the WGSL sampler and the TypeScript reference all read. All offsets
 * are in words from the start of the block. The image also fixes which random word gives which draw.
 *
 * Draws. Sample i has 64-bit Threefry blocks b = 0, 1, ... with counter (i mod 2^32, (i >> 32) << 16 | b); block b holds words 2b and
 * 2b+1. A uniform draw from m takes digit = mulhi(word * multiplier mod 2^32, m): successive draws of one word are its mixed-radix digits,
 * most significant first. Powers of two share a word while their product is at most 2^32 and are exact; other radices share it up to a
 * product of 2^16, so the probability of every outcome of a word is exact to within a factor of 1 +- 2^-16. A weighted draw uses a
 * separate word: digit = number of thresholds <= word >> 1, thresholds being cumulative probabilities times 2^31. The draws of a depth are
 * in order of position, K to a word, K a power of s, so siblings never straddle words.
 *
 * Held-out pairs. One depth below depth 0 may be restricted. There a draw is an index into a list of rules that depends on the rule above
 * and the place below it, with the allowed rules first. Without held-out pairs a draw is one of m - h. In a language that requires pairs
 * the last held-out place is drawn first (by its thresholds and word, or from the sums between which the derivation's number falls):
 * before it a draw is one of m, at it m - h + one of h, after it one of m - h. Each of these draws has its own word; the word of the place
 * comes after all others.
 */
export const HEADER = {
  magic: 0,
  v: 1,
  n: 2,
  m: 3,
  s: 4,
  L: 5,
  tokens: 6, // s^L
  words: 7, // random words per sample
  blocks: 8, // Threefry calls per sample
  nodes: 9, // rules chosen per sample, (s^L - 1) / (s - 1)
  rootThresholds: 10, // offset of n-1 thresholds, 0 = uniform
  symbols: 11, // symbols of a whole tree, nodes + s^L
  length: 12, // words of the image
  held: 13, // offset of the record of held-out pairs, 0 = none
  depths: 16, // first record of a depth
} as const;

/** One record of DEPTH_WORDS words per depth 0 .. L-1, from HEADER.depths. */
export const DEPTH = {
  parents: 0, // n or v
  word: 1, // first random word
  perWord: 2, // K, draws per word
  multipliers: 3, // offset of K multipliers
  thresholds: 4, // offset of m-1 thresholds, 0 = uniform
  rules: 5, // offset of [parents][m][s] symbols
  positions: 6, // s^depth
  firstNode: 7, // nodes above this depth
} as const;
export const DEPTH_WORDS = 8;

/** The record that describes held-out pairs. */
export const HELD = {
  depth: 0, // depth of the children whose rules are restricted, 1 .. L-1
  firstNode: 1, // nodes above this depth
  places: 2, // K = s^depth
  allowed: 3, // m - h
  order: 4, // offset of [parents * m * s][m] rules
  sums: 5, // offset of K numbers of two words, low first: cumulative counts of sentences by their last held-out place; 0 = without pairs
  thresholds: 6, // offset of K-1 thresholds of that place
  word: 7, // random word of that place
} as const;
export const HELD_WORDS = 8;
const IMAGE_MAGIC = 0x52484d31;

/** The Threefry block from which an intervention draws its new symbol (word 0) and new rule (word 1). */
export const INTERVENTION_BLOCK = 0xffff;
/** Upper bound (exclusive) of sample indices. */
export const INDEX_LIMIT = 2 ** 48;
/** Resolution of a non-uniform probability. */
const WEIGHT_SCALE = 2 ** 31;

/** The image of a grammar. @throws InputError if a sample needs more than 131070 random words. */
export function grammarImage(rules: Rules): Uint32Array<ArrayBuffer> {
  checkHasRules(rules);
  const { v, n, m, s, L } = rules;
  const draws = layoutDraws(rules);
  const nodes = (s ** L - 1) / (s - 1);
  let offset = HEADER.depths + L * DEPTH_WORDS;
  const reserve = (words: number) => {
    const at = offset;
    offset += words;
    return at;
  };
  const rootThresholds = rules.rootPrior ? reserve(n - 1) : 0;
  const records = draws.depths.map((draw, depth) => ({
    ...draw,
    multipliersAt: reserve(draw.multipliers.length),
    thresholdsAt: rules.ruleProbabilities?.[depth] ? reserve(Math.max(1, m - 1)) : 0,
    rulesAt: reserve(parents(rules, depth) * m * s),
  }));
  const heldAt = rules.heldPairs ? reserve(heldWords(rules)) : 0;
  const image = new Uint32Array(offset);
  const head: [keyof typeof HEADER, number][] = [
    ['magic', IMAGE_MAGIC],
    ['v', v],
    ['n', n],
    ['m', m],
    ['s', s],
    ['L', L],
    ['tokens', sentenceLength(rules)],
    ['words', draws.words],
    ['blocks', Math.ceil(draws.words / 2)],
    ['nodes', nodes],
    ['rootThresholds', rootThresholds],
    ['symbols', nodes + s ** L],
    ['length', offset],
    ['held', heldAt],
  ];
  for (const [field, value] of head) image[HEADER[field]] = value;
  if (rules.rootPrior) image.set(thresholds(rules.rootPrior), rootThresholds);
  records.forEach((record, l) => {
    const at = HEADER.depths + l * DEPTH_WORDS;
    image[at + DEPTH.parents] = parents(rules, l);
    image[at + DEPTH.word] = record.word;
    image[at + DEPTH.perWord] = record.perWord;
    image[at + DEPTH.multipliers] = record.multipliersAt;
    image[at + DEPTH.thresholds] = record.thresholdsAt;
    image[at + DEPTH.rules] = record.rulesAt;
    image[at + DEPTH.positions] = s ** l;
    image[at + DEPTH.firstNode] = (s ** l - 1) / (s - 1);
    image.set(record.multipliers, record.multipliersAt);
    const weights = rules.ruleProbabilities?.[l];
    if (weights) image.set(thresholds(weights), record.thresholdsAt);
    image.set(rules.rules[l].flat(2), record.rulesAt);
  });
  if (heldAt) writeHeld(rules, image, heldAt, draws.heldWord);
  return image;
}

function heldWords({ m, heldPairs }: Rules): number {
  const { order, shares } = heldPairs!;
  return HELD_WORDS + order.length * m + 3 * shares.length;
}

function writeHeld(rules: Rules, image: Uint32Array, at: number, word: number): void {
  const { m, s, heldPairs } = rules;
  const { depth, places, held, order, sums, shares } = heldPairs!;
  const orderAt = at + HELD_WORDS;
  const sumsAt = shares.length && orderAt + order.length * m;
  const record: Record<keyof typeof HELD, number> = {
    ...{ depth, places, word, firstNode: (places - 1) / (s - 1), allowed: m - held },
    ...{ order: orderAt, sums: sumsAt, thresholds: sumsAt && sumsAt + 2 * places },
  };
  for (const [name, value] of Object.entries(record)) image[at + HELD[name as keyof typeof HELD]] = value;
  order.forEach((row, i) => {
    image.set(row, orderAt + i * m);
  });
  if (!sumsAt) return;
  sums.forEach((sum, j) => {
    image[sumsAt + 2 * j] = Number(BigInt.asUintN(32, sum));
    image[sumsAt + 2 * j + 1] = Number(BigInt.asUintN(32, sum >> 32n));
  });
  image.set(shares.slice(0, -1).map(threshold), record.thresholds);
}

/** Where the draws of each depth are among the random words of a sample. */
export interface DrawLayout {
  words: number;
  heldWord: number; // word of the last held-out place; 0 if none is drawn
  depths: { word: number; perWord: number; multipliers: number[] }[];
}

export function layoutDraws(
  rules: GrammarShape & Pick<Rules, 'rootPrior' | 'ruleProbabilities' | 'heldPairs'>,
): DrawLayout {
  const { n, s, L, heldPairs } = rules;
  const asks = heldPairs !== undefined && heldPairs.language !== 'without';
  let words = 1;
  // The word that still has room, as the product of the radices drawn from it; 0 = none.
  let product = rules.rootPrior ? 0 : n;
  const depths: DrawLayout['depths'] = [];
  for (let l = 0; l < L; l++) {
    const count = s ** l;
    const m = l === heldPairs?.depth ? rules.m - heldPairs.held : rules.m;
    if (rules.ruleProbabilities?.[l] || (asks && l === heldPairs.depth)) {
      depths.push({ word: words, perWord: 1, multipliers: [1] });
      words += count;
      product = 0;
    } else if (product > 0 && fits(product, m, count)) {
      depths.push({ word: words - 1, perWord: count, multipliers: powers(product, m, count) });
      product *= m ** count;
    } else {
      let perWord = 1;
      while (perWord * s <= count && fits(1, m, perWord * s)) perWord *= s;
      depths.push({ word: words, perWord, multipliers: powers(1, m, perWord) });
      words += count / perWord;
      product = perWord === count ? m ** count : 0;
    }
  }
  const heldWord = asks ? words++ : 0;
  if (words > 2 * (INTERVENTION_BLOCK - 1))
    throw new InputError(
      `L: one sentence needs ${words} random words, the limit is ${2 * (INTERVENTION_BLOCK - 1)}; take a smaller L or s`,
    );
  return { words, heldWord, depths };
}

const powerOfTwo = (x: number) => 2 ** Math.round(Math.log2(x)) === x;

/** Whether `count` more draws from m fit into a word whose radices so far multiply to `product`. */
function fits(product: number, m: number, count: number): boolean {
  const total = product * m ** count;
  return total <= (powerOfTwo(product) && powerOfTwo(m) ? 2 ** 32 : 2 ** 16);
}

/** product * m^j mod 2^32 for j = 0 .. count-1. */
function powers(product: number, m: number, count: number): number[] {
  let x = product % 2 ** 32;
  return Array.from({ length: count }, () => {
    const now = x >>> 0;
    x = Math.imul(x, m);
    return now;
  });
}

/** Cumulative probabilities times 2^31, without the last, which is 2^31. */
function thresholds(weights: number[]): number[] {
  let sum = 0;
  return weights.slice(0, -1).map((p) => {
    sum += p;
    return threshold(sum);
  });
}

const threshold = (sum: number) => Math.min(WEIGHT_SCALE, Math.round(sum * WEIGHT_SCALE));
