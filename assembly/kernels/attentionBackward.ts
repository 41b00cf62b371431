/**
 * dQkv of attention, overwritten; the twin of shaders/attentionBackward*.wgsl. For every query, with P from the logarithm of the
 * softmax's sum and dP = dOut v^T: dS = scale P (dP - sum P dP / sum P), dq = dS k, dk += dS^T q, dv += P^T dOut. A thread owns
 * heads of sentences; queries in ascending order.
 */
import { AttentionBackward } from '../../build/assembly/layouts';
import { SCALING_OVERFLOW } from '../../build/assembly/words';
import { roundFactor, roundRow } from '../half';
import { madd } from '../madd';
import { exp4, sum4 } from '../math';
import { alignUp, shareOf } from '../share';
import { clearWords, copyWords } from '../words';
import { products, scaleScores, transpose, weightedRows } from './attention';

/** Scratch: keys and values transposed [D, T] each, P and dP of four queries [4, T] each, dk and dv [T, D] each; T rounded up to 16, D to 4. */
export function attentionBackward(p: AttentionBackward, thread: u32, threads: u32, scratch: usize): void {
  const heads = p.heads;
  const units = p.replicas * p.batch * heads;
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) backward(p, unit / heads, unit % heads, scratch);
}

/** Before the gradient with half-precision factors: rounds qkv or dOut. */
export function attentionBackwardRound(p: AttentionBackward, thread: u32, threads: u32, _scratch: usize): void {
  roundFactor(p, thread, threads);
}

function backward(p: AttentionBackward, sentence: u32, head: u32, scratch: usize): void {
  const r = sentence / p.batch;
  const b = sentence % p.batch;
  const length = p.tokens;
  const queries = p.queries;
  const dim = p.dim;
  const channels = dim * p.heads;
  const row = 12 * channels; // bytes
  const scale = p.scale;
  const first = b * length * 3 * channels + head * dim;
  const q = p.qkvAt(r) + 4 * first;
  const dq = p.dQkvAt(r) + 4 * first;
  const k = q + 4 * channels;
  const v = q + 8 * channels;
  const dOut = p.dOutAt(r) + 4 * (b * queries * channels + head * dim);
  const logSums = p.logsumexpAt(r) + 4 * ((b * p.heads + head) * queries);
  const padded = alignUp(length, 16);
  const wide = alignUp(dim, 4);
  const keys = scratch;
  const values = keys + 4 * padded * dim;
  const block = values + 4 * padded * dim;
  const dBlock = block + 16 * padded;
  const dKeys = dBlock + 16 * padded;
  const dValues = dKeys + 4 * length * wide;
  transpose(k, row, length, dim, padded, keys);
  transpose(v, row, length, dim, padded, values);
  clearWords(dKeys, 2 * length * wide);
  for (let t: u32 = 0; t < length - queries; t++) clearWords(dq + row * t, dim);

  for (let i: u32 = 0; i < queries; i++) {
    const query = length - queries + i;
    const seen = p.causal ? query + 1 : length;
    const dRow = dOut + 4 * channels * i;
    if (i % 4 == 0) {
      const count = min(4, queries - i);
      const most = p.causal ? query + count : length;
      products(q + row * query, row, count, dim, keys, padded, most, block);
      products(dRow, 4 * channels, count, dim, values, padded, most, dBlock);
    }
    const weights = block + 4 * padded * (i % 4);
    const dWeights = dBlock + 4 * padded * (i % 4);
    scaleScores(weights, seen, f32x4.splat(scale));
    const logSum = v128.load32_splat(logSums + 4 * i);
    let sums = f32x4.splat(0);
    let total = f32x4.splat(0);
    for (let t: u32 = 0; t < seen; t += 4) {
      const w = exp4(f32x4.sub(v128.load(weights + 4 * t), logSum));
      v128.store(weights + 4 * t, w);
      sums = f32x4.add(sums, f32x4.mul(w, v128.load(dWeights + 4 * t)));
      total = f32x4.add(total, w);
    }
    // P sums to 1 only as accurately as logSum is rounded, half an ulp of 1e4 for large scores.
    const mean = f32x4.splat(sum4(sums) / sum4(total));
    const scales = f32x4.splat(scale);
    for (let t: u32 = 0; t < seen; t += 4) {
      const d = f32x4.sub(v128.load(dWeights + 4 * t), mean);
      v128.store(dWeights + 4 * t, f32x4.mul(f32x4.mul(v128.load(weights + 4 * t), d), scales));
    }
    if (p.half) {
      roundRow(weights, seen);
      if (roundRow(dWeights, seen) && p.scaling) store<u32>(p.scalingAt(r), 1, SCALING_OVERFLOW);
    }
    weightedRows(dWeights, seen, k, row, dim, 1, dq + row * query);
    addOuter(dWeights, seen, q + row * query, dim, wide, dKeys);
    addOuter(weights, seen, dRow, dim, wide, dValues);
  }
  for (let t: u32 = 0; t < length; t++) {
    copyWords(dq + row * t + 4 * channels, dKeys + 4 * wide * t, dim);
    copyWords(dq + row * t + 8 * channels, dValues + 4 * wide * t, dim);
  }
}

/** to [count, wide] += weights [count] times x [dim]. Reads up to 3 elements past x, and ignores them. */
function addOuter(weights: usize, count: u32, x: usize, dim: u32, wide: u32, to: usize): void {
  for (let d: u32 = 0; d < dim; d += 4) {
    const columns = v128.load(x + 4 * d);
    let at = to + 4 * d;
    for (let t: u32 = 0; t < count; t++, at += 4 * wide)
      v128.store(at, madd(v128.load32_splat(weights + 4 * t), columns, v128.load(at)));
  }
}
