/**
 * output [B, T', w] = relu(scale * x W + position), x the windows of one-hot tokens; the twin of shaders/embed.wgsl.
 * Whitening and mask are folded in exactly: with S_j the sum of the v rows of W for place j of a window,
 *   x W = sum over ordinary places of (W[j, token] - S_j / v) / sqrt(1 - 1/v)  +  S_j / sqrt(v) at the masked place,
 * so a row is a sum of `filter` rows of W times a constant, plus a vector that depends on the window alone.
 * A thread owns a block of columns of a replica, as wide as possible with no thread idle: the bits do not depend on the width.
 */
import { Embed } from '../../build/assembly/layouts';
import { madd } from '../madd';
import { alignUp, shareOf } from '../share';
import { clearWords } from '../words';

/** Columns per unit of work, a multiple of 32 (whole cache lines): `owners` replicas or filters are divided among `threads`. */
export function blockOf(width: u32, owners: u32, threads: u32): u32 {
  const blocks = (threads + owners - 1) / owners;
  return alignUp((width + blocks - 1) / blocks, 32);
}

/** Scratch: sums of weight rows [filter, block], a window's constant vector [block], row addresses [filter]. */
export function embed(p: Embed, thread: u32, threads: u32, scratch: usize): void {
  const width = p.width;
  const block = blockOf(width, p.replicas, threads);
  const blocks = (width + block - 1) / block;
  const units = blocks * p.replicas;
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) {
    const from = (unit % blocks) * block;
    forward(p, unit / blocks, from, min(block, width - from), scratch);
  }
}

function forward(p: Embed, r: u32, from: u32, cols: u32, scratch: usize): void {
  const width = p.width;
  const filter = p.filter;
  const windows = p.windows;
  const batch = p.batch;
  const v = p.v;
  const tokenRow = 4 * p.tokenRow;
  const local = p.local != 0;
  const relu = p.relu != 0;
  const factor = p.scale * p.unit;
  const factors = f32x4.splat(factor);
  const zero = f32x4.splat(0);
  const tokens = p.tokensAt(r) + 4 * p.firstToken;
  const weights = p.weightAt(r) + 4 * from;
  const output = p.outputAt(r) + 4 * from;
  const sums = scratch;
  const base = sums + 4 * cols * filter;
  const rows = base + 4 * cols;
  for (let t: u32 = 0; t < windows; t++) {
    const weight = weights + (local ? 4 * t * filter * v * width : 0);
    if (p.whitened && (t == 0 || local)) sumRows(weight, 4 * width, filter, v, cols, sums);
    windowBase(p, r, t, from, cols, sums, base);
    for (let b: u32 = 0; b < batch; b++) {
      const count = rowAddresses(p, t, tokens + b * tokenRow, weight, 4 * width, rows);
      const to = output + 4 * (b * windows + t) * width;
      let c: u32 = 0;
      for (; c + 16 <= cols; c += 16) sum16(rows, count, 4 * c, factors, base, relu, to);
      for (; c + 4 <= cols; c += 4) {
        let x = zero;
        for (let q: u32 = 0; q < count; q++) x = f32x4.add(x, v128.load(load<u32>(rows + 4 * q) + 4 * c));
        x = madd(x, factors, v128.load(base + 4 * c));
        v128.store(to + 4 * c, relu ? f32x4.max(x, zero) : x);
      }
      for (; c < cols; c++) {
        let x: f32 = 0;
        for (let q: u32 = 0; q < count; q++) x += load<f32>(load<u32>(rows + 4 * q) + 4 * c);
        x = x * factor + load<f32>(base + 4 * c);
        store<f32>(to + 4 * c, relu ? max<f32>(x, 0) : x);
      }
    }
  }
}

/** Sixteen columns of one row, starting at byte `at` of the block. */
function sum16(rows: usize, count: u32, at: usize, factors: v128, base: usize, relu: bool, to: usize): void {
  const zero = f32x4.splat(0);
  let x0 = zero;
  let x1 = zero;
  let x2 = zero;
  let x3 = zero;
  for (let q: u32 = 0; q < count; q++) {
    const row = load<u32>(rows + 4 * q) + at;
    x0 = f32x4.add(x0, v128.load(row, 0));
    x1 = f32x4.add(x1, v128.load(row, 16));
    x2 = f32x4.add(x2, v128.load(row, 32));
    x3 = f32x4.add(x3, v128.load(row, 48));
  }
  x0 = madd(x0, factors, v128.load(base + at, 0));
  x1 = madd(x1, factors, v128.load(base + at, 16));
  x2 = madd(x2, factors, v128.load(base + at, 32));
  x3 = madd(x3, factors, v128.load(base + at, 48));
  if (relu) {
    x0 = f32x4.max(x0, zero);
    x1 = f32x4.max(x1, zero);
    x2 = f32x4.max(x2, zero);
    x3 = f32x4.max(x3, zero);
  }
  v128.store(to + at, x0, 0);
  v128.store(to + at, x1, 16);
  v128.store(to + at, x2, 32);
  v128.store(to + at, x3, 48);
}

/** Addresses of the weight rows that a window sums: for its tokens that are neither masked nor outside. Returns their number. */
function rowAddresses(p: Embed, t: u32, tokens: usize, weight: usize, stride: usize, rows: usize): u32 {
  const v = p.v;
  const filter = <i32>p.filter;
  const length = <i32>p.length;
  const masked = p.whitened ? p.masked : -1;
  const first = <i32>(t * p.stride) - <i32>p.padding;
  let count: u32 = 0;
  for (let j: i32 = 0; j < filter; j++) {
    const position = first + j;
    if (position < 0 || position >= length || position == masked) continue;
    store<u32>(rows + 4 * count++, weight + stride * (j * v + load<u32>(tokens + 4 * position)));
  }
  return count;
}

/** sums [filter, cols]: for each place, the sum of its weight rows over the vocabulary. */
function sumRows(weight: usize, stride: usize, filter: u32, v: u32, cols: u32, sums: usize): void {
  clearWords(sums, cols * filter);
  for (let j: u32 = 0; j < filter; j++, sums += 4 * cols)
    for (let u: u32 = 0; u < v; u++, weight += stride) addRow(weight, cols, sums);
}

/** to [cols] += from [cols]. */
export function addRow(from: usize, cols: u32, to: usize): void {
  let c: u32 = 0;
  for (; c + 4 <= cols; c += 4) v128.store(to + 4 * c, f32x4.add(v128.load(to + 4 * c), v128.load(from + 4 * c)));
  for (; c < cols; c++) store<f32>(to + 4 * c, load<f32>(to + 4 * c) + load<f32>(from + 4 * c));
}

/**
 * base [cols]: the part of a window that does not depend on its tokens: the position's vector, the whitening's mean, the masked
 * place.
 */
function windowBase(p: Embed, r: u32, t: u32, from: u32, cols: u32, sums: usize, base: usize): void {
  const width = p.width;
  let position = p.position;
  if (position) position += 4 * (r * p.positionReplica + (t % p.positionRows) * width + from);
  const filter = <i32>p.filter;
  const length = <i32>p.length;
  const whitened = p.whitened != 0;
  const masked = p.masked;
  const scale = p.scale;
  const inside = p.positionInside != 0;
  const mean = -(p.unit * p.share);
  const first = <i32>(t * p.stride) - <i32>p.padding;
  for (let c: u32 = 0; c < cols; c++) {
    let x: f32 = 0;
    if (whitened)
      for (let j: i32 = 0; j < filter; j++) {
        const at = first + j;
        if (at < 0 || at >= length) continue;
        x += (at == masked ? p.constant : mean) * load<f32>(sums + 4 * (j * cols + c));
      }
    const added: f32 = position ? load<f32>(position + 4 * c) : 0;
    store<f32>(base + 4 * c, inside ? (x + added) * scale : x * scale + added);
  }
}
