/**
 * Tiles of 6 x 8 for fused sums, which need no register for a product: twelve are in flight at once, more than two units with
 * four cycles each can take. A is packed into panels of six rows, or four at the end. Same bits as the tiles of matmul.ts.
 */
import { madd } from '../madd';

/** Rows of the next panel, chosen so that few are computed in vain. The last one never extends beyond the next multiple of 4. */
export function heightOf(left: u32): u32 {
  return left >= 9 || left == 6 || left == 5 ? 6 : 4;
}

/** Panels [depth][height] of A stored [rows, depth] (transposed: [depth, rows]); stride in bytes. Rows past the end repeat the last one. */
export function packTall(from: usize, stride: usize, transposed: bool, depth: u32, rows: u32, to: usize): void {
  for (let i: u32 = 0; i < rows; ) {
    const left = rows - i;
    const height = heightOf(left);
    const panel = to + 4 * i * depth;
    if (!transposed) packRows(from + i * stride, stride, depth, height, left - 1, panel);
    else if (left >= height) copyColumns(from + 4 * i, stride, depth, height, panel);
    else packColumns(from + 4 * i, stride, depth, height, left - 1, panel);
    i += height;
  }
}

/** A panel whose columns all exist. */
function copyColumns(from: usize, stride: usize, depth: u32, height: u32, to: usize): void {
  if (height == 4) {
    for (let l: u32 = 0; l < depth; l++, from += stride, to += 16) v128.store(to, v128.load(from));
    return;
  }
  for (let l: u32 = 0; l < depth; l++, from += stride, to += 24) {
    v128.store(to, v128.load(from));
    store<u64>(to, load<u64>(from, 16), 16);
  }
}

/** A panel in which the last column repeats. */
function packColumns(from: usize, stride: usize, depth: u32, height: u32, last: u32, to: usize): void {
  for (let l: u32 = 0; l < depth; l++, from += stride)
    for (let i: u32 = 0; i < height; i++, to += 4) store<f32>(to, load<f32>(from + 4 * min(i, last)));
}

/** A panel of rows, four elements of each at a time. */
function packRows(s0: usize, stride: usize, depth: u32, height: u32, last: u32, to: usize): void {
  let s1 = s0 + stride * min(1, last);
  let s2 = s0 + stride * min(2, last);
  let s3 = s0 + stride * min(3, last);
  let s4 = s0 + stride * min(4, last);
  let s5 = s0 + stride * min(5, last);
  const step: usize = 4 * height;
  let l: u32 = 0;
  for (; l + 4 <= depth; l += 4) {
    const x0 = v128.load(s0);
    const x1 = v128.load(s1);
    const x2 = v128.load(s2);
    const x3 = v128.load(s3);
    const y0 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5);
    const y1 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7);
    const y2 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5);
    const y3 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f32>(y0, y2, 0, 1, 4, 5));
    v128.store(to + step, v128.shuffle<f32>(y0, y2, 2, 3, 6, 7));
    v128.store(to + 2 * step, v128.shuffle<f32>(y1, y3, 0, 1, 4, 5));
    v128.store(to + 3 * step, v128.shuffle<f32>(y1, y3, 2, 3, 6, 7));
    if (height == 6) {
      const x4 = v128.load(s4);
      const x5 = v128.load(s5);
      const z0 = v128.shuffle<f32>(x4, x5, 0, 4, 1, 5);
      const z1 = v128.shuffle<f32>(x4, x5, 2, 6, 3, 7);
      v128.store64_lane(to, z0, 0, 16);
      v128.store64_lane(to, z0, 1, 40);
      v128.store64_lane(to, z1, 0, 64);
      v128.store64_lane(to, z1, 1, 88);
    }
    s0 += 16;
    s1 += 16;
    s2 += 16;
    s3 += 16;
    s4 += 16;
    s5 += 16;
    to += 4 * step;
  }
  for (; l < depth; l++) {
    store<f32>(to, load<f32>(s0), 0);
    store<f32>(to, load<f32>(s1), 4);
    store<f32>(to, load<f32>(s2), 8);
    store<f32>(to, load<f32>(s3), 12);
    if (height == 6) {
      store<f32>(to, load<f32>(s4), 16);
      store<f32>(to, load<f32>(s5), 20);
    }
    s0 += 4;
    s1 += 4;
    s2 += 4;
    s3 += 4;
    s4 += 4;
    s5 += 4;
    to += step;
  }
}

/**
 * tile [6, 8] = `from` + a panel of A [depth, 6] times a panel of B [depth, 8]. There is a pointer for each number of a row of A: V8
 * uses a separate instruction to add an offset when it fills a vector, and its version 12 (Node 22) unrolls a shorter loop, for which
 * it lacks registers, at half the speed.
 */
export function tileTall(a: usize, b: usize, depth: u32, from: usize, tile: usize): void {
  let c00 = v128.load(from, 0);
  let c01 = v128.load(from, 16);
  let c10 = v128.load(from, 32);
  let c11 = v128.load(from, 48);
  let c20 = v128.load(from, 64);
  let c21 = v128.load(from, 80);
  let c30 = v128.load(from, 96);
  let c31 = v128.load(from, 112);
  let c40 = v128.load(from, 128);
  let c41 = v128.load(from, 144);
  let c50 = v128.load(from, 160);
  let c51 = v128.load(from, 176);
  let a1 = a + 4;
  let a2 = a + 8;
  let a3 = a + 12;
  let a4 = a + 16;
  let a5 = a + 20;
  let next = b + 16;
  const end = b + 32 * depth;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(next);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a1);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a2);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a3);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load32_splat(a4);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load32_splat(a5);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
    a += 24;
    a1 += 24;
    a2 += 24;
    a3 += 24;
    a4 += 24;
    a5 += 24;
    b += 32;
    next += 32;
  }
  v128.store(tile, c00, 0);
  v128.store(tile, c01, 16);
  v128.store(tile, c10, 32);
  v128.store(tile, c11, 48);
  v128.store(tile, c20, 64);
  v128.store(tile, c21, 80);
  v128.store(tile, c30, 96);
  v128.store(tile, c31, 112);
  v128.store(tile, c40, 128);
  v128.store(tile, c41, 144);
  v128.store(tile, c50, 160);
  v128.store(tile, c51, 176);
}
