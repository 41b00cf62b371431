/**
 * The fast sampler: tokens of a stream, uniform rules, v <= 256. Eight samples at a time share two interleaved SIMD Threefry
 * chains; then each passes through stages that expand one symbol by one or two levels with one table look-up. The plan
 * (src/grammar/fastPlan.ts) contains the stages, their tables and the location of each position's draws. The s draws below one
 * symbol are adjacent mixed-radix digits of one word, so one mulhi by m^s yields all of them.
 */
import { mulhi } from './draws';

// Plan header, bytes.
const BLOCKS: usize = 0;
const STAGES: usize = 4;
const ROW: usize = 8; // bytes of one sentence in the output
const EXACT: usize = 12; // 1: the last stage writes nothing beyond its row
const BUFFER: usize = 16; // bytes of one scratch row
const FIRST_STAGE: usize = 32;
// Stage record, bytes.
const STAGE_BYTES: usize = 32;
const POSITIONS: usize = 0;
const RADIX: usize = 4; // of the upper level's draw; in the first stage of root and rule together
const RADIX_BELOW: usize = 8; // m^s, or 1
const SCALE: usize = 12; // table entries per symbol
const SLOTS: usize = 16; // offset of a record per position: multiplier, multiplier below, word, word below (times 32)
const TABLE: usize = 20; // offset of the table
const STRIDE: usize = 24; // bytes between entries
const ENTRY: usize = 28; // bytes of an entry that are used

export function fastScratchBytes(plan: usize): u32 {
  return 64 * load<u32>(plan, BLOCKS) + 17 * load<u32>(plan, BUFFER);
}

/** Writes sentences start .. start + count - 1 of the stream of `key` to output, row after row. */
export function sampleFast(
  plan: usize,
  key0: u32,
  key1: u32,
  startLow: u32,
  startHigh: u32,
  count: u32,
  output: usize,
  scratch: usize,
): void {
  const blocks = load<u32>(plan, BLOCKS);
  const row = load<u32>(plan, ROW);
  const buffer = load<u32>(plan, BUFFER);
  const exact = load<u32>(plan, EXACT);
  const last = plan + FIRST_STAGE + STAGE_BYTES * (load<u32>(plan, STAGES) - 1);
  const rows = scratch + 64 * blocks;
  const spare = rows + 16 * buffer;
  let g = ((<u64>startHigh) << 32) | startLow;
  for (let done: u32 = 0; done < count; done += 8, g += 8) {
    for (let b: u32 = 0; b < blocks; b++) threefry8(key0, key1, g, b, scratch + 64 * b);
    let lanes: u32 = min(8, count - done);
    let from = rows;
    for (let lane: u32 = 0; lane < lanes; lane++) store<u8>(from + lane * buffer, 0);
    for (let stage = plan + FIRST_STAGE; stage < last; stage += STAGE_BYTES) {
      const to = from == rows ? rows + 8 * buffer : rows;
      expandStage(plan, stage, scratch, from, buffer, to, buffer, lanes);
      from = to;
    }
    const aside: u32 = u32(!exact && done + 8 >= count);
    lanes -= aside;
    expandStage(plan, last, scratch, from, buffer, output, row, lanes);
    if (aside) {
      // The very last row is finished in scratch, so that nothing is written beyond the output.
      expandStage(plan, last, scratch + 4 * lanes, from + lanes * buffer, buffer, spare, 0, 1);
      for (let i: u32 = 0; i < row; i++) store<u8>(output + lanes * row + i, load<u8>(spare + i));
    }
    output += 8 * row;
  }
}

/** One stage for some lanes: their symbols starting at `from`, one row every fromStride bytes, into rows starting at `to`. */
function expandStage(
  plan: usize,
  stage: usize,
  words: usize,
  from: usize,
  fromStride: u32,
  to: usize,
  toStride: u32,
  lanes: u32,
): void {
  const entry = load<u32>(stage, ENTRY);
  if (entry == 4) copyStage<u32>(plan, stage, words, from, fromStride, to, toStride, lanes);
  else if (entry == 16) copyStage<v128>(plan, stage, words, from, fromStride, to, toStride, lanes);
  else if (entry == 2) copyStage<u16>(plan, stage, words, from, fromStride, to, toStride, lanes);
  else if (entry == 8) copyStage<u64>(plan, stage, words, from, fromStride, to, toStride, lanes);
  else copyWide(plan, stage, words, from, fromStride, to, toStride, lanes, entry);
}

/** mulhi(word * multiplier mod 2^32, radix). Parameters are u32, so that the product wraps before it is widened. */
function digitOf(word: u32, multiplier: u32, radix: u32): u32 {
  return mulhi(word * multiplier, radix);
}

/** Table entries are one T each. */
function copyStage<T>(
  plan: usize,
  stage: usize,
  words: usize,
  from: usize,
  fromStride: u32,
  to: usize,
  toStride: u32,
  lanes: u32,
): void {
  const radix = load<u32>(stage, RADIX);
  const radixBelow = load<u32>(stage, RADIX_BELOW);
  const scale = load<u32>(stage, SCALE);
  const table = plan + load<u32>(stage, TABLE);
  const slots = plan + load<u32>(stage, SLOTS);
  const positions = load<u32>(stage, POSITIONS);
  const end = slots + 16 * positions;
  for (const stop = words + 4 * lanes; words < stop; words += 4, from += fromStride, to += toStride) {
    let symbol = from;
    let out = to;
    for (let slot = slots; slot < end; slot += 16, symbol++, out += sizeof<T>()) {
      const above = digitOf(load<u32>(words + load<u32>(slot, 8)), load<u32>(slot), radix);
      const below = digitOf(load<u32>(words + load<u32>(slot, 12)), load<u32>(slot, 4), radixBelow);
      const index = <u32>load<u8>(symbol) * scale + above * radixBelow + below;
      store<T>(out, load<T>(table + index * sizeof<T>()));
    }
  }
}

/** Entries of any length, copied 16 bytes at a time: the excess is overwritten by later entries. */
function copyWide(
  plan: usize,
  stage: usize,
  words: usize,
  from: usize,
  fromStride: u32,
  to: usize,
  toStride: u32,
  lanes: u32,
  entry: u32,
): void {
  const radix = load<u32>(stage, RADIX);
  const radixBelow = load<u32>(stage, RADIX_BELOW);
  const scale = load<u32>(stage, SCALE);
  const stride = load<u32>(stage, STRIDE);
  const table = plan + load<u32>(stage, TABLE);
  const slots = plan + load<u32>(stage, SLOTS);
  const positions = load<u32>(stage, POSITIONS);
  const end = slots + 16 * positions;
  for (const stop = words + 4 * lanes; words < stop; words += 4, from += fromStride, to += toStride) {
    let symbol = from;
    let out = to;
    for (let slot = slots; slot < end; slot += 16, symbol++, out += entry) {
      const above = digitOf(load<u32>(words + load<u32>(slot, 8)), load<u32>(slot), radix);
      const below = digitOf(load<u32>(words + load<u32>(slot, 12)), load<u32>(slot, 4), radixBelow);
      const found = table + (<u32>load<u8>(symbol) * scale + above * radixBelow + below) * stride;
      for (let k: u32 = 0; k < entry; k += 16) v128.store(out + k, v128.load(found + k));
    }
  }
}

/** Threefry block b of samples g .. g+7: eight first words, then eight second words. */
export function threefry8(k0: u32, k1: u32, g: u64, b: u32, out: usize): void {
  const k2: u32 = 0x1bd11bda ^ k0 ^ k1;
  const low = i32x4.splat(<u32>g);
  let a0 = i32x4.add(low, i32x4(0, 1, 2, 3));
  let b0 = i32x4.add(low, i32x4(4, 5, 6, 7));
  // A lane whose low word wrapped carries into the index's upper half, which is above the block number.
  const high = i32x4.splat(((<u32>(g >> 32)) << 16) | b);
  const carry = i32x4.splat(0x10000);
  let a1 = i32x4.add(high, v128.and(i32x4.lt_u(a0, low), carry));
  let b1 = i32x4.add(high, v128.and(i32x4.lt_u(b0, low), carry));
  a0 = i32x4.add(a0, i32x4.splat(k0));
  b0 = i32x4.add(b0, i32x4.splat(k0));
  a1 = i32x4.add(a1, i32x4.splat(k1));
  b1 = i32x4.add(b1, i32x4.splat(k1));
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 13), i32x4.shr_u(a1, 19)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 13), i32x4.shr_u(b1, 19)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 15), i32x4.shr_u(a1, 17)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 15), i32x4.shr_u(b1, 17)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 26), i32x4.shr_u(a1, 6)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 26), i32x4.shr_u(b1, 6)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 6), i32x4.shr_u(a1, 26)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 6), i32x4.shr_u(b1, 26)), b0);
  a0 = i32x4.add(a0, i32x4.splat(k1));
  a1 = i32x4.add(a1, i32x4.splat(k2 + 1));
  b0 = i32x4.add(b0, i32x4.splat(k1));
  b1 = i32x4.add(b1, i32x4.splat(k2 + 1));
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 17), i32x4.shr_u(a1, 15)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 17), i32x4.shr_u(b1, 15)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 29), i32x4.shr_u(a1, 3)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 29), i32x4.shr_u(b1, 3)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(i8x16.shuffle(a1, a1, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13), a0);
  b1 = v128.xor(i8x16.shuffle(b1, b1, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(i8x16.shuffle(a1, a1, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12), a0);
  b1 = v128.xor(i8x16.shuffle(b1, b1, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12), b0);
  a0 = i32x4.add(a0, i32x4.splat(k2));
  a1 = i32x4.add(a1, i32x4.splat(k0 + 2));
  b0 = i32x4.add(b0, i32x4.splat(k2));
  b1 = i32x4.add(b1, i32x4.splat(k0 + 2));
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 13), i32x4.shr_u(a1, 19)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 13), i32x4.shr_u(b1, 19)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 15), i32x4.shr_u(a1, 17)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 15), i32x4.shr_u(b1, 17)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 26), i32x4.shr_u(a1, 6)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 26), i32x4.shr_u(b1, 6)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 6), i32x4.shr_u(a1, 26)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 6), i32x4.shr_u(b1, 26)), b0);
  a0 = i32x4.add(a0, i32x4.splat(k0));
  a1 = i32x4.add(a1, i32x4.splat(k1 + 3));
  b0 = i32x4.add(b0, i32x4.splat(k0));
  b1 = i32x4.add(b1, i32x4.splat(k1 + 3));
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 17), i32x4.shr_u(a1, 15)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 17), i32x4.shr_u(b1, 15)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 29), i32x4.shr_u(a1, 3)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 29), i32x4.shr_u(b1, 3)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(i8x16.shuffle(a1, a1, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13), a0);
  b1 = v128.xor(i8x16.shuffle(b1, b1, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(i8x16.shuffle(a1, a1, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12), a0);
  b1 = v128.xor(i8x16.shuffle(b1, b1, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12), b0);
  a0 = i32x4.add(a0, i32x4.splat(k1));
  a1 = i32x4.add(a1, i32x4.splat(k2 + 4));
  b0 = i32x4.add(b0, i32x4.splat(k1));
  b1 = i32x4.add(b1, i32x4.splat(k2 + 4));
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 13), i32x4.shr_u(a1, 19)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 13), i32x4.shr_u(b1, 19)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 15), i32x4.shr_u(a1, 17)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 15), i32x4.shr_u(b1, 17)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 26), i32x4.shr_u(a1, 6)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 26), i32x4.shr_u(b1, 6)), b0);
  a0 = i32x4.add(a0, a1);
  b0 = i32x4.add(b0, b1);
  a1 = v128.xor(v128.or(i32x4.shl(a1, 6), i32x4.shr_u(a1, 26)), a0);
  b1 = v128.xor(v128.or(i32x4.shl(b1, 6), i32x4.shr_u(b1, 26)), b0);
  a0 = i32x4.add(a0, i32x4.splat(k2));
  a1 = i32x4.add(a1, i32x4.splat(k0 + 5));
  b0 = i32x4.add(b0, i32x4.splat(k2));
  b1 = i32x4.add(b1, i32x4.splat(k0 + 5));
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(out, a1, 32);
  v128.store(out, b1, 48);
}
