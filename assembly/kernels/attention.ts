/**
 * Multi-head self-attention of whole sentences: out = softmax(scale q k^T) v and the logarithm of each softmax's sum; the twin of
 * shaders/attention*.wgsl. A thread owns heads of sentences; a vector contains four keys.
 */
import { Attention } from '../../build/assembly/layouts';
import { roundFactor, roundRow } from '../half';
import { madd } from '../madd';
import { exp4, log1, sum4 } from '../math';
import { alignUp, shareOf } from '../share';
import { clearWords } from '../words';

/** Scratch: keys transposed [D, T], scores of four queries [4, T]; T rounded up to 16. */
export function attention(p: Attention, thread: u32, threads: u32, scratch: usize): void {
  const heads = p.heads;
  const units = p.replicas * p.batch * heads;
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) forward(p, unit / heads, unit % heads, scratch);
}

/** Before attention with half-precision factors: rounds qkv. */
export function attentionRound(p: Attention, thread: u32, threads: u32, _scratch: usize): void {
  roundFactor(p, thread, threads);
}

function forward(p: Attention, sentence: u32, head: u32, scratch: usize): void {
  const r = sentence / p.batch;
  const b = sentence % p.batch;
  const length = p.tokens;
  const queries = p.queries;
  const dim = p.dim;
  const channels = dim * p.heads;
  const row = 12 * channels; // bytes
  const scale = f32x4.splat(p.scale);
  const q = p.qkvAt(r) + 4 * (b * length * 3 * channels + head * dim);
  const values = q + 8 * channels;
  const out = p.outAt(r) + 4 * (b * queries * channels + head * dim);
  const logSums = p.logsumexpAt(r) + 4 * ((b * p.heads + head) * queries);
  const padded = alignUp(length, 16);
  const keys = scratch;
  const block = keys + 4 * padded * dim;
  transpose(q + 4 * channels, row, length, dim, padded, keys);
  for (let i: u32 = 0; i < queries; i++) {
    const query = length - queries + i;
    const seen = p.causal ? query + 1 : length;
    if (i % 4 == 0) {
      const count = min(4, queries - i);
      const most = p.causal ? query + count : length;
      products(q + row * query, row, count, dim, keys, padded, most, block);
    }
    const scores = block + 4 * padded * (i % 4);
    const largest = scaleScores(scores, seen, scale);
    const shift = f32x4.splat(largest);
    let sums = f32x4.splat(0);
    for (let k: u32 = 0; k < seen; k += 4) {
      const e = exp4(f32x4.sub(v128.load(scores + 4 * k), shift));
      sums = f32x4.add(sums, e);
      v128.store(scores + 4 * k, e);
    }
    const sum = sum4(sums);
    store<f32>(logSums + 4 * i, largest + log1(sum));
    if (p.half) roundRow(scores, seen);
    weightedRows(scores, seen, values, row, dim, 1 / sum, out + 4 * channels * i);
  }
}

/** to [dim, padded] = transpose of the rows; columns from `length` on are 0. */
export function transpose(rows: usize, stride: usize, length: u32, dim: u32, padded: u32, to: usize): void {
  if (length < padded) clearWords(to, padded * dim);
  for (let t: u32 = 0; t < length; t++) {
    const from = rows + stride * t;
    const column = to + 4 * t;
    for (let d: u32 = 0; d < dim; d++) store<f32>(column + 4 * padded * d, load<f32>(from + 4 * d));
  }
}

/**
 * to [4, padded] = four rows of x times the columns, for keys below `count` rounded up to 8; rows from `rows` on repeat the last
 * one.
 */
export function products(
  x: usize,
  stride: usize,
  rows: u32,
  dim: u32,
  columns: usize,
  padded: u32,
  count: u32,
  to: usize,
): void {
  const last = rows - 1;
  const x1 = stride * min(1, last);
  const x2 = stride * min(2, last);
  const x3 = stride * min(3, last);
  const step = 4 * padded;
  const end = x + 4 * dim;
  for (let k: u32 = 0; k < count; k += 8) {
    let c00 = f32x4.splat(0);
    let c01 = c00;
    let c10 = c00;
    let c11 = c00;
    let c20 = c00;
    let c21 = c00;
    let c30 = c00;
    let c31 = c00;
    let from = columns + 4 * k;
    for (let at = x; at < end; at += 4, from += step) {
      const b0 = v128.load(from, 0);
      const b1 = v128.load(from, 16);
      let a = v128.load32_splat(at);
      c00 = madd(a, b0, c00);
      c01 = madd(a, b1, c01);
      a = v128.load32_splat(at + x1);
      c10 = madd(a, b0, c10);
      c11 = madd(a, b1, c11);
      a = v128.load32_splat(at + x2);
      c20 = madd(a, b0, c20);
      c21 = madd(a, b1, c21);
      a = v128.load32_splat(at + x3);
      c30 = madd(a, b0, c30);
      c31 = madd(a, b1, c31);
    }
    let target = to + 4 * k;
    v128.store(target, c00, 0);
    v128.store(target, c01, 16);
    target += step;
    v128.store(target, c10, 0);
    v128.store(target, c11, 16);
    target += step;
    v128.store(target, c20, 0);
    v128.store(target, c21, 16);
    target += step;
    v128.store(target, c30, 0);
    v128.store(target, c31, 16);
  }
}

/** Scales the first `seen` scores, fills up their last vector with -infinity, and returns the largest. */
export function scaleScores(scores: usize, seen: u32, scale: v128): f32 {
  for (let k = seen; k < alignUp(seen, 4); k++) store<f32>(scores + 4 * k, 0);
  let largest = f32x4.splat(-Infinity);
  for (let k: u32 = 0; k < seen; k += 4) {
    let x = f32x4.mul(v128.load(scores + 4 * k), scale);
    if (k + 4 > seen) {
      v128.store(scores + 4 * k, x);
      for (let i = seen; i < k + 4; i++) store<f32>(scores + 4 * i, -Infinity);
      x = v128.load(scores + 4 * k);
    }
    v128.store(scores + 4 * k, x);
    largest = f32x4.max(largest, x);
  }
  return max<f32>(
    max<f32>(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max<f32>(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
}

/** to [dim] = factor * sum over k of weights[k] * row k. Reads up to 7 elements past a row, and ignores them. */
export function weightedRows(
  weights: usize,
  count: u32,
  rows: usize,
  stride: usize,
  dim: u32,
  factor: f32,
  to: usize,
): void {
  const factors = f32x4.splat(factor);
  for (let d: u32 = 0; d < dim; d += 8) {
    let y0 = f32x4.splat(0);
    let y1 = f32x4.splat(0);
    let from = rows + 4 * d;
    for (let k: u32 = 0; k < count; k++, from += stride) {
      const w = v128.load32_splat(weights + 4 * k);
      y0 = madd(w, v128.load(from, 0), y0);
      y1 = madd(w, v128.load(from, 16), y1);
    }
    storeFirst(f32x4.mul(y0, factors), dim - d, to + 4 * d);
    if (dim - d > 4) storeFirst(f32x4.mul(y1, factors), dim - d - 4, to + 4 * d + 16);
  }
}

/** Stores the first min(count, 4) lanes. */
export function storeFirst(x: v128, count: u32, to: usize): void {
  if (count >= 4) {
    v128.store(to, x);
    return;
  }
  store<f32>(to, f32x4.extract_lane(x, 0), 0);
  if (count > 1) store<f32>(to, f32x4.extract_lane(x, 1), 4);
  if (count > 2) store<f32>(to, f32x4.extract_lane(x, 2), 8);
}
