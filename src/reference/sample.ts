/**
 * The sampler in plain TypeScript, following the grammar image word by word: the reference that assembly/sampler.ts and
 * shaders/sample.wgsl match bit for bit. Slow and simple.
 */

import { clockWords } from '../core/clock.js';
import { DEPTH, DEPTH_WORDS, HEADER, HELD, INTERVENTION_BLOCK } from '../core/grammarImage.js';
import { derivationAt, type Source, sourceFromWords, unmixIndex } from '../core/sampleSource.js';
import { type Key, threefry } from '../core/threefry.js';
import { changeFromWords, type TreeChange } from '../core/treeChange.js';

export interface Tree {
  symbols: Uint32Array[]; // [L+1]: root, then s, s^2, ... symbols; the last are the tokens
  rules: Uint32Array[]; // [L] by depth: rule chosen at each node
}

const fieldAt = (image: Uint32Array, l: number, field: keyof typeof DEPTH) =>
  image[HEADER.depths + l * DEPTH_WORDS + DEPTH[field]];

/** The tree of sample `index` of a source, after `change` if one is given. index: integer below 2^48. */
export function sampleTree(image: Uint32Array, source: Source, index: number, change?: TreeChange): Tree {
  const s = image[HEADER.s];
  const L = image[HEADER.L];
  const m = image[HEADER.m];
  const draw = digits(image, source, index);
  const redraw = change && wordDigits(image, change.key, index);
  const fresh = change ? threefry(change.key, ...counter(index, INTERVENTION_BLOCK)) : [0, 0];
  const symbols: Uint32Array[] = [];
  const rules: Uint32Array[] = [];
  const held = image[HEADER.held];
  let current = Uint32Array.of(draw.root);
  for (let l = 0; l <= L; l++) {
    if (change?.kind === 'symbol' && change.depth === l)
      current[change.position] = freshSymbol(image, l, current[change.position], fresh[0], change.different);
    symbols.push(current);
    if (l === L) break;
    const chosen = new Uint32Array(current.length);
    const next = new Uint32Array(current.length * s);
    for (let p = 0; p < current.length; p++) {
      chosen[p] = draw.rules[l][p];
      if (change && redraw && l >= change.depth && Math.floor(p / s ** (l - change.depth)) === change.position) {
        chosen[p] = redraw.rules[l][p];
        if (l === change.depth) {
          const old = change.kind === 'rule' && change.different ? draw.rules[l][p] : -1;
          const radix = radixAt(image, held, l, p, draw.last);
          chosen[p] = freshDigit(image, fieldAt(image, l, 'thresholds'), radix, fresh[1], old);
        }
      }
      if (held && l === image[held + HELD.depth]) {
        const above = Math.floor(p / s);
        const rule = symbols[l - 1][above] * m + rules[l - 1][above];
        chosen[p] = image[image[held + HELD.order] + (rule * s + (p % s)) * m + chosen[p]];
      }
      for (let i = 0; i < s; i++)
        next[p * s + i] = image[fieldAt(image, l, 'rules') + (current[p] * m + chosen[p]) * s + i];
    }
    rules.push(chosen);
    current = next;
  }
  return { symbols, rules };
}

/** Tokens [s^L] of sample `index`. */
export function sampleTokens(image: Uint32Array, source: Source, index: number, change?: TreeChange): Uint32Array {
  return sampleTree(image, source, index, change).symbols[image[HEADER.L]];
}

/** The kernel: tokens [B, s^L], roots [B] and hidden [B, nodes] of sentences clock + skip + row of one replica. */
export function sample(
  { batch, skip }: { batch: number; skip: number },
  image: Uint32Array,
  source: Uint32Array,
  clock: Uint32Array,
  change: Uint32Array | undefined,
  tokens: Uint32Array,
  roots: Uint32Array | undefined,
  hidden: Uint32Array | undefined,
): void {
  const start = clock[clockWords.sampleHigh] * 2 ** 32 + clock[clockWords.sampleLow] + skip;
  for (let b = 0; b < batch; b++) {
    const { symbols } = sampleTree(image, sourceFromWords(source), start + b, change && changeFromWords(change));
    const leaves = symbols[image[HEADER.L]];
    tokens.set(leaves, b * leaves.length);
    roots?.set(symbols[0], b);
    let at = b * image[HEADER.nodes];
    for (const row of symbols.slice(0, -1)) {
      hidden?.set(row, at);
      at += row.length;
    }
  }
}

interface Digits {
  root: number;
  rules: Uint32Array[]; // [L][s^depth]; in a restricted depth, places in the order of rules
  last: number; // last held-out place; -1 without one
}

/** Number of values of a draw at place p of depth l. held: offset of the record of held-out pairs, 0 without one. */
function radixAt(image: Uint32Array, held: number, l: number, p: number, last: number): number {
  const m = image[HEADER.m];
  if (!held || l !== image[held + HELD.depth] || p < last) return m;
  return p === last ? m - image[held + HELD.allowed] : image[held + HELD.allowed];
}

/** Offset added to such a draw: at the last held-out place the allowed rules come before those that are not. */
const baseAt = (image: Uint32Array, held: number, l: number, p: number, last: number) =>
  held && l === image[held + HELD.depth] && p === last ? image[held + HELD.allowed] : 0;

function digits(image: Uint32Array, source: Source, index: number): Digits {
  const { key } = source;
  const at = unmixIndex(source, index);
  if (source.mode === 'stream') return wordDigits(image, key, at);
  let number = derivationAt(source, BigInt(at));
  const L = image[HEADER.L];
  const held = image[HEADER.held];
  const sums = held && image[held + HELD.sums];
  let last = -1;
  if (sums) {
    const sum = (j: number) => (BigInt(image[sums + 2 * j + 1]) << 32n) | BigInt(image[sums + 2 * j]);
    for (last = 0; number >= sum(last); ) last++;
    if (last > 0) number -= sum(last - 1);
  }
  const rules = Array.from({ length: L }, (_, l) => new Uint32Array(fieldAt(image, l, 'positions')));
  for (let l = L - 1; l >= 0; l--)
    for (let p = rules[l].length - 1; p >= 0; p--) {
      const radix = BigInt(radixAt(image, held, l, p, last));
      rules[l][p] = Number(number % radix) + baseAt(image, held, l, p, last);
      number /= radix;
    }
  return { root: Number(number), rules, last };
}

const counter = (index: number, block: number): [number, number] => [
  index >>> 0,
  ((Math.floor(index / 2 ** 32) << 16) | block) >>> 0,
];

function wordDigits(image: Uint32Array, key: Key, index: number): Digits {
  const words = new Uint32Array(2 * image[HEADER.blocks]);
  for (let b = 0; b < image[HEADER.blocks]; b++) words.set(threefry(key, ...counter(index, b)), 2 * b);
  const held = image[HEADER.held];
  const asks = held && image[held + HELD.sums];
  const last = asks
    ? countThresholds(
        image,
        image[held + HELD.thresholds],
        image[held + HELD.places],
        words[image[held + HELD.word]] >>> 1,
      )
    : -1;
  return {
    last,
    root: digit(image, image[HEADER.rootThresholds], image[HEADER.n], words[0], 1),
    rules: Array.from({ length: image[HEADER.L] }, (_, l) =>
      Uint32Array.from({ length: fieldAt(image, l, 'positions') }, (_, p) => {
        const perWord = fieldAt(image, l, 'perWord');
        const word = words[fieldAt(image, l, 'word') + Math.floor(p / perWord)];
        const multiplier = image[fieldAt(image, l, 'multipliers') + (p % perWord)];
        const radix = radixAt(image, held, l, p, last);
        return baseAt(image, held, l, p, last) + digit(image, fieldAt(image, l, 'thresholds'), radix, word, multiplier);
      }),
    ),
  };
}

const mulhi = (x: number, y: number) => Number((BigInt(x) * BigInt(y)) >> 32n);

function digit(image: Uint32Array, thresholds: number, radix: number, word: number, multiplier: number): number {
  if (thresholds) return countThresholds(image, thresholds, radix, word >>> 1);
  return mulhi(Math.imul(word, multiplier) >>> 0, radix);
}

function countThresholds(image: Uint32Array, thresholds: number, radix: number, x: number): number {
  let count = 0;
  for (let k = 0; k < radix - 1; k++) if (x >= image[thresholds + k]) count++;
  return count;
}

/** A draw from a separate word; with old >= 0 from the other values, in proportion to their weights. */
function freshDigit(image: Uint32Array, thresholds: number, radix: number, word: number, old: number): number {
  if (old < 0 || radix === 1) return digit(image, thresholds, radix, word, 1);
  if (!thresholds) return (old + 1 + mulhi(word, radix - 1)) % radix;
  const start = old === 0 ? 0 : image[thresholds + old - 1];
  const end = old === radix - 1 ? 2 ** 31 : image[thresholds + old];
  if (end - start === 2 ** 31) return old;
  const x = mulhi(word, 2 ** 31 - (end - start));
  return countThresholds(image, thresholds, radix, x >= start ? x + (end - start) : x);
}

function freshSymbol(image: Uint32Array, depth: number, old: number, word: number, different: boolean): number {
  const radix = depth === 0 ? image[HEADER.n] : image[HEADER.v];
  return freshDigit(image, depth === 0 ? image[HEADER.rootThresholds] : 0, radix, word, different ? old : -1);
}
