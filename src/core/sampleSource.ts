/**
 * Maps a counter g to a sentence. A source is one of
 * - a stream: sentence g is drawn from (key, g); sentences may repeat;
 * - a permutation: sentence g is derivation number pi(g) of `size`, pi a keyed bijection, so none repeats. Either may be limited
 * to `length` sentences starting at `first`; then g counts through epochs, g = epoch * length + r, and with an order key each
 * epoch visits them in a different permutation.
 *
 * The bijection on 0 .. N-1: an alternating Feistel network over ceil(log2 N) bits, the upper half a bits, the lower b = bits -
 * a, 8 rounds of Threefry, walked until the value falls below N (fewer than 2 walks on average).
 */
import { InputError } from './errors.js';
import { type Key, threefry } from './threefry.js';

export interface Source {
  mode: 'stream' | 'permutation';
  key: Key; // of the draws, or of the permutation
  size: bigint; // permutation: number of derivations, below 2^64
  first: number; // first sentence of the range, in the stream or in the permutation
  length: number; // sentences in the range; 0 = unbounded, no epochs. Below 2^31
  orderKey?: Key; // shuffles each epoch
}

/** The 16 words that WebAssembly and WGSL read. */
export const SOURCE = {
  mode: 0, // 0 stream, 1 permutation
  key: 1, // 2 words
  size: 3, // 2 words, low first
  bits: 5, // bits of size
  first: 6, // 2 words, low first
  length: 8,
  lengthBits: 9,
  ordered: 10,
  orderKey: 11, // 2 words
} as const;
export const SOURCE_WORDS = 16;
const FEISTEL_ROUNDS = 8;
export const LENGTH_LIMIT = 2 ** 31;

export function sourceWords(source: Source): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(SOURCE_WORDS);
  if (source.length >= LENGTH_LIMIT) throw new InputError(`length: expected below 2^31, got ${source.length}`);
  words[SOURCE.mode] = source.mode === 'permutation' ? 1 : 0;
  words.set(source.key, SOURCE.key);
  words[SOURCE.size] = Number(BigInt.asUintN(32, source.size));
  words[SOURCE.size + 1] = Number(BigInt.asUintN(32, source.size >> 32n));
  words[SOURCE.bits] = bitsFor(source.size);
  words[SOURCE.first] = source.first >>> 0;
  words[SOURCE.first + 1] = Math.floor(source.first / 2 ** 32);
  words[SOURCE.length] = source.length;
  words[SOURCE.lengthBits] = bitsFor(BigInt(source.length));
  words[SOURCE.ordered] = source.orderKey ? 1 : 0;
  if (source.orderKey) words.set(source.orderKey, SOURCE.orderKey);
  return words;
}

/** The source that sourceWords encoded. */
export function sourceFromWords(words: Uint32Array): Source {
  const pair = (at: number): Key => [words[at], words[at + 1]];
  return {
    mode: words[SOURCE.mode] ? 'permutation' : 'stream',
    key: pair(SOURCE.key),
    size: (BigInt(words[SOURCE.size + 1]) << 32n) | BigInt(words[SOURCE.size]),
    first: words[SOURCE.first + 1] * 2 ** 32 + words[SOURCE.first],
    length: words[SOURCE.length],
    orderKey: words[SOURCE.ordered] ? pair(SOURCE.orderKey) : undefined,
  };
}

/** From the counter g to the sentence's place in the stream or in the permutation, with epochs and their order undone. */
export function unmixIndex(source: Source, g: number): number {
  if (!source.length) return source.first + g;
  const epoch = Math.floor(g / source.length);
  const r = g % source.length;
  if (!source.orderKey) return source.first + r;
  const key = threefry(source.orderKey, epoch >>> 0, Math.floor(epoch / 2 ** 32));
  return source.first + Number(permute(key, BigInt(source.length), BigInt(r)));
}

/** The derivation number at a place in the permutation. */
export const derivationAt = (source: Source, place: bigint): bigint => permute(source.key, source.size, place);

/** The keyed bijection on 0 .. size-1; x < size < 2^64. */
export function permute(key: Key, size: bigint, x: bigint): bigint {
  const bits = bitsFor(size);
  const upper = (bits + 1) >> 1;
  const lower = bits >> 1;
  const upperMask = upper === 32 ? 0xffffffff : 2 ** upper - 1;
  const lowerMask = lower === 32 ? 0xffffffff : 2 ** lower - 1;
  let value = x;
  do {
    let left = Number(value >> BigInt(lower));
    let right = Number(value & BigInt(lowerMask));
    for (let round = 0; round < FEISTEL_ROUNDS; round += 2) {
      left = (left ^ (threefry(key, right, round)[0] & upperMask)) >>> 0;
      right = (right ^ (threefry(key, left, round + 1)[0] & lowerMask)) >>> 0;
    }
    value = (BigInt(left) << BigInt(lower)) | BigInt(right);
  } while (value >= size);
  return value;
}

/** Least b with 2^b >= size. */
export function bitsFor(size: bigint): number {
  return size <= 1n ? 0 : (size - 1n).toString(2).length;
}
