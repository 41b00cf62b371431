/** Single draws, and the mapping of counters to sentences. Twins: src/reference/sample.ts, src/core/sampleSource.ts. */
import {
  DEPTH_MULTIPLIERS,
  DEPTH_PER_WORD,
  DEPTH_POSITIONS,
  DEPTH_RECORD,
  DEPTH_THRESHOLDS,
  DEPTH_WORD,
  HEADER_BLOCKS,
  HEADER_DEPTHS,
  HEADER_HELD,
  HEADER_L,
  HEADER_M,
  HEADER_N,
  HEADER_NODES,
  HEADER_ROOT_THRESHOLDS,
  HELD_ALLOWED,
  HELD_DEPTH,
  HELD_FIRST_NODE,
  HELD_PLACES,
  HELD_SUMS,
  HELD_THRESHOLDS,
  HELD_WORD,
  SOURCE_FIRST,
  SOURCE_LENGTH,
  SOURCE_LENGTH_BITS,
  SOURCE_ORDER_KEY,
  SOURCE_ORDERED,
  SOURCE_SIZE,
} from '../build/assembly/words';
import { threefry } from './threefry';
import { field } from './words';

const FEISTEL_ROUNDS: u32 = 8;

export function mulhi(x: u32, y: u32): u32 {
  return <u32>((<u64>x * <u64>y) >> 32);
}

/** thresholds: offset in words from the image, 0 = uniform. */
export function digit(image: usize, thresholds: u32, radix: u32, word: u32, multiplier: u32): u32 {
  if (thresholds) return countThresholds(image, thresholds, radix, word >> 1);
  return mulhi(word * multiplier, radix);
}

function countThresholds(image: usize, thresholds: u32, radix: u32, x: u32): u32 {
  let count: u32 = 0;
  const at = image + 4 * thresholds;
  for (let k: u32 = 0; k + 1 < radix; k++) count += u32(x >= load<u32>(at + 4 * k));
  return count;
}

/** A draw from a separate word; with old >= 0 from the other values, in proportion to their weights. */
export function freshDigit(image: usize, thresholds: u32, radix: u32, word: u32, old: i32): u32 {
  if (old < 0 || radix == 1) return digit(image, thresholds, radix, word, 1);
  if (!thresholds) return (<u32>old + 1 + mulhi(word, radix - 1)) % radix;
  const at = image + 4 * thresholds;
  const start: u32 = old == 0 ? 0 : load<u32>(at + 4 * (old - 1));
  const end: u32 = <u32>old == radix - 1 ? 0x80000000 : load<u32>(at + 4 * old);
  if (end - start == 0x80000000) return old;
  const x = mulhi(word, 0x80000000 - (end - start));
  return countThresholds(image, thresholds, radix, x >= start ? x + (end - start) : x);
}

/** Digits of stream place `place`: root, then rules level by level. words: scratch of 2 u32 per block. */
export function wordDigits(image: usize, k0: u32, k1: u32, place: u64, words: usize, digits: usize): void {
  const high = (<u32>(place >> 32)) << 16;
  const blocks = field(image, HEADER_BLOCKS);
  for (let b: u32 = 0; b < blocks; b++) store<u64>(words + 8 * b, threefry(k0, k1, <u32>place, high | b));
  const m = field(image, HEADER_M);
  const held = heldRecord(image);
  const heldDepth: u32 = held ? field(held, HELD_DEPTH) : 0;
  let last: i32 = -1;
  if (held && field(held, HELD_SUMS))
    last = <i32>(
      countThresholds(
        image,
        field(held, HELD_THRESHOLDS),
        field(held, HELD_PLACES),
        load<u32>(words + 4 * field(held, HELD_WORD)) >> 1,
      )
    );
  store<u32>(digits, digit(image, field(image, HEADER_ROOT_THRESHOLDS), field(image, HEADER_N), load<u32>(words), 1));
  digits += 4;
  const depth = field(image, HEADER_L);
  for (let l: u32 = 0; l < depth; l++) {
    const record = image + HEADER_DEPTHS + DEPTH_RECORD * l;
    const positions = field(record, DEPTH_POSITIONS);
    const perWord = field(record, DEPTH_PER_WORD);
    const thresholds = field(record, DEPTH_THRESHOLDS);
    const multipliers = image + 4 * field(record, DEPTH_MULTIPLIERS);
    let word = words + 4 * field(record, DEPTH_WORD);
    if (l > 0 && l == heldDepth) {
      for (let p: u32 = 0; p < positions; p++, digits += 4) {
        const place = <i32>p;
        const drawn = load<u32>(word + 4 * (p / perWord)) * load<u32>(multipliers + 4 * (p % perWord));
        store<u32>(digits, heldBase(held, place, last) + mulhi(drawn, heldRadix(held, m, place, last)));
      }
      continue;
    }
    for (let p: u32 = 0; p < positions; p += perWord, word += 4) {
      const x = load<u32>(word);
      for (let j: u32 = 0; j < perWord; j++, digits += 4)
        store<u32>(digits, digit(image, thresholds, m, x, load<u32>(multipliers + 4 * j)));
    }
  }
}

/** Digits of derivation `number`, a mixed-radix number with the root as its most significant digit. */
export function numberDigits(image: usize, digits: usize, number: u64): void {
  const m = field(image, HEADER_M);
  const held = heldRecord(image);
  let last: i32 = -1;
  let first: u32 = 0; // nodes of the restricted depth
  let places: u32 = 0;
  if (held) {
    first = field(held, HELD_FIRST_NODE);
    places = field(held, HELD_PLACES);
    const sums = image + 4 * field(held, HELD_SUMS);
    if (sums != image) {
      last = 0;
      while (number >= load<u64>(sums + 8 * last, 0, 4)) last++;
      if (last > 0) number -= load<u64>(sums + 8 * (last - 1), 0, 4);
    }
  }
  for (let node = field(image, HEADER_NODES); node > 0; node--) {
    const place = node - 1 - first; // wraps above the depth
    let radix = <u64>m;
    let base: u32 = 0;
    if (place < places) {
      radix = heldRadix(held, m, <i32>place, last);
      base = heldBase(held, <i32>place, last);
    }
    store<u32>(digits + 4 * node, base + <u32>(number % radix));
    number /= radix;
  }
  store<u32>(digits, <u32>number);
}

/** The record of held-out pairs; 0: there are none. */
export function heldRecord(image: usize): usize {
  const at = field(image, HEADER_HELD);
  return at ? image + 4 * at : 0;
}

/** Number of values of a draw at a place of the restricted depth. last: the last held-out place, -1 without one. */
function heldRadix(held: usize, m: u32, place: i32, last: i32): u32 {
  const allowed = field(held, HELD_ALLOWED);
  return place < last ? m : place == last ? m - allowed : allowed;
}

/** Offset added to such a draw: at the last held-out place the allowed rules come before those that are not. */
function heldBase(held: usize, place: i32, last: i32): u32 {
  return place == last ? field(held, HELD_ALLOWED) : 0;
}

export function sourceSize(source: usize): u64 {
  return load<u64>(source + SOURCE_SIZE, 0, 4);
}

/** From counter g to a place in the stream or in the permutation, with epochs and their order undone. */
export function unmixIndex(source: usize, g: u64): u64 {
  const length = <u64>field(source, SOURCE_LENGTH);
  const first = load<u64>(source + SOURCE_FIRST, 0, 4);
  if (!length) return first + g;
  const epoch = g / length;
  const r = g % length;
  if (!field(source, SOURCE_ORDERED)) return first + r;
  const key = threefry(
    field(source, SOURCE_ORDER_KEY),
    field(source, SOURCE_ORDER_KEY + 4),
    <u32>epoch,
    <u32>(epoch >> 32),
  );
  return first + permute(<u32>key, <u32>(key >> 32), length, field(source, SOURCE_LENGTH_BITS), r);
}

/** The keyed bijection on 0 .. size-1. bits: least b with 2^b >= size. */
export function permute(k0: u32, k1: u32, size: u64, bits: u32, x: u64): u64 {
  const lower = bits >> 1;
  const upper = bits - lower;
  const lowerMask: u32 = <u32>(((<u64>1) << lower) - 1);
  const upperMask: u32 = <u32>(((<u64>1) << upper) - 1);
  do {
    let left = <u32>(x >> lower);
    let right = <u32>x & lowerMask;
    for (let round: u32 = 0; round < FEISTEL_ROUNDS; round += 2) {
      left ^= <u32>threefry(k0, k1, right, round) & upperMask;
      right ^= <u32>threefry(k0, k1, left, round + 1) & lowerMask;
    }
    x = ((<u64>left) << lower) | right;
  } while (x >= size);
  return x;
}
