/**
 * C = mask(relu(scale * op(A) op(B) + bias)) + residual (+ C) for every replica and group; the twin of shaders/matmul_*. Every
 * element is one sum over K, in ascending order, with a `madd` per term: its bits depend neither on the tile that computes it nor
 * on the number of threads. A thread owns a share of the products, or of the rows or columns if there are few products. B is
 * packed into panels of 8 columns, A (TN only) into panels of 4 rows; 4 x 8 results are kept in registers. The relaxed variant
 * packs A in every form and keeps 6 x 8 (matmulTall.ts), unless B has few columns.
 */
import { MATMUL_FORM_NT, MATMUL_FORM_TN, Matmul } from '../../build/assembly/layouts';
import { roundFactor } from '../half';
import { madd } from '../madd';
import { alignUp, shareOf } from '../share';
import { heightOf, packTall, tileTall } from './matmulTall';

// Blocks (WASM_BLOCKS of src/kernels/matmul.ts): a panel of B (8 x KC) and one of A (4 x KC) fit in the first-level cache, a block of B (NC
// x KC) in the second-level one.
const MC: u32 = 256; // rows between two packings of B
const NC: u32 = 256;
const KC: u32 = 512;

const TALL_COLUMNS: u32 = 64; // columns of B from which packing A pays

const ZEROS: usize = memory.data(192, 16); // initial sums of a tile

/** Scratch: packed B [NC, KC], packed A [MC, KC], partial sums [MC, NC]. */
export function matmul(p: Matmul, thread: u32, threads: u32, scratch: usize): void {
  const m = p.m;
  const n = p.n;
  const groups = p.groups;
  const products = groups * p.replicas;
  // Few products: each is cut into as many parts as there are threads, along its longer side.
  const parts: u32 = products % threads == 0 ? 1 : threads;
  const byRows = m >= n;
  const grain: u32 = byRows ? 4 : 8;
  const steps = ((byRows ? m : n) + grain - 1) / grain;
  const first = shareOf(products * parts, thread, threads);
  const end = shareOf(products * parts, thread + 1, threads);
  for (let unit = first; unit < end; ) {
    const product = unit / parts;
    const fromPart = unit % parts;
    const toPart = min(parts, fromPart + end - unit);
    const from = grain * shareOf(steps, fromPart, parts);
    const to = min(byRows ? m : n, grain * shareOf(steps, toPart, parts));
    unit += toPart - fromPart;
    if (from >= to) continue;
    if (byRows) multiply(p, product, from, to, 0, n, scratch);
    else multiply(p, product, 0, m, from, to, scratch);
  }
}

/** Before a product with half-precision factors: rounds one of them. */
export function matmulRound(p: Matmul, thread: u32, threads: u32, _scratch: usize): void {
  roundFactor(p, thread, threads);
}

/** Rows [rowFrom, rowTo) and columns [colFrom, colTo) of one product. */
function multiply(p: Matmul, product: u32, rowFrom: u32, rowTo: u32, colFrom: u32, colTo: u32, scratch: usize): void {
  const groups = p.groups;
  const r = product / groups;
  const g = product % groups;
  const form = p.form;
  const k = p.k;
  const n = p.n;
  const aRow = p.aRow;
  const bRow = p.bRow;
  const a = p.aAt(r) + 4 * (p.aOffset + g * p.aGroup);
  const b = p.bAt(r) + 4 * (p.bOffset + g * p.bGroup);
  const packedA = scratch + 4 * NC * KC;
  const partial = packedA + 4 * MC * KC;
  const depths = (k + KC - 1) / KC;
  const onlyScaled = isOnlyScaled(p);
  const tall = ASC_FEATURE_RELAXED_SIMD && (form == MATMUL_FORM_TN || n >= TALL_COLUMNS);
  for (let i0 = rowFrom; i0 < rowTo; i0 += MC) {
    const rows = min(MC, rowTo - i0);
    for (let j0 = colFrom; j0 < colTo; j0 += NC) {
      const cols = min(NC, colTo - j0);
      for (let block: u32 = 0; block < depths; block++) {
        const k0 = shareOf(k, block, depths);
        const depth = shareOf(k, block + 1, depths) - k0;
        if (form == MATMUL_FORM_NT) packTransposed(b + 4 * (j0 * bRow + k0), 4 * bRow, depth, cols, scratch);
        else packColumns8(b + 4 * (k0 * bRow + j0), 4 * bRow, depth, cols, scratch);
        if (tall) {
          const first = form == MATMUL_FORM_TN ? k0 * aRow + i0 : i0 * aRow + k0;
          packTall(a + 4 * first, 4 * aRow, form == MATMUL_FORM_TN, depth, rows, packedA);
        } else if (form == MATMUL_FORM_TN) packColumns4(a + 4 * (k0 * aRow + i0), 4 * aRow, depth, rows, packedA);
        for (let j: u32 = 0; j < cols; j += 8) {
          const panel = scratch + 4 * j * depth;
          for (let i: u32 = 0, height: u32 = 4; i < rows; i += height) {
            if (tall) height = heightOf(rows - i);
            // With one block of K the sums go directly to C, otherwise they are stored in `partial`.
            const tile = depths == 1 ? partial : partial + 4 * (j * alignUp(rows, 4) + 8 * i);
            const begin = block == 0 ? ZEROS : tile;
            if (tall && height == 6) tileTall(packedA + 4 * i * depth, panel, depth, begin, tile);
            else if (tall || form == MATMUL_FORM_TN) tilePacked(packedA + 4 * i * depth, panel, depth, begin, tile);
            else {
              const a0 = a + 4 * ((i0 + i) * aRow + k0);
              const last = rows - 1 - i; // rows past the end repeat the last one; their results are dropped
              tileRows(
                a0,
                a0 + 4 * aRow * min(1, last),
                a0 + 4 * aRow * min(2, last),
                a0 + 4 * aRow * min(3, last),
                panel,
                depth,
                begin,
                tile,
              );
            }
            if (block < depths - 1) continue;
            if (onlyScaled && i + height <= rows && j + 8 <= cols) finishScaled(p, r, g, i0 + i, j0 + j, height, tile);
            else finish(p, r, g, i0 + i, j0 + j, min(height, rows - i), min(8, cols - j), tile);
          }
        }
      }
    }
  }
}

/** Whether the epilogue only scales the results. */
function isOnlyScaled(p: Matmul): bool {
  const added = p.bias | p.mask | p.residual;
  return (added | p.relu | p.accumulate) == 0;
}

/** tile [4, 8] = `from` + four rows of A times a panel of B [depth, 8]. */
function tileRows(a0: usize, a1: usize, a2: usize, a3: usize, b: usize, depth: u32, from: usize, tile: usize): void {
  let c00 = v128.load(from, 0);
  let c01 = v128.load(from, 16);
  let c10 = v128.load(from, 32);
  let c11 = v128.load(from, 48);
  let c20 = v128.load(from, 64);
  let c21 = v128.load(from, 80);
  let c30 = v128.load(from, 96);
  let c31 = v128.load(from, 112);
  const end = b + 32 * depth;
  while (b < end) {
    const b0 = v128.load(b, 0);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a0);
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
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
    b += 32;
  }
  v128.store(tile, c00, 0);
  v128.store(tile, c01, 16);
  v128.store(tile, c10, 32);
  v128.store(tile, c11, 48);
  v128.store(tile, c20, 64);
  v128.store(tile, c21, 80);
  v128.store(tile, c30, 96);
  v128.store(tile, c31, 112);
}

/** tile [4, 8] = `from` + a panel of A [depth, 4] times a panel of B [depth, 8]. */
function tilePacked(a: usize, b: usize, depth: u32, from: usize, tile: usize): void {
  let c00 = v128.load(from, 0);
  let c01 = v128.load(from, 16);
  let c10 = v128.load(from, 32);
  let c11 = v128.load(from, 48);
  let c20 = v128.load(from, 64);
  let c21 = v128.load(from, 80);
  let c30 = v128.load(from, 96);
  let c31 = v128.load(from, 112);
  const end = b + 32 * depth;
  while (b < end) {
    const b0 = v128.load(b, 0);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a, 0);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    a += 16;
    b += 32;
  }
  v128.store(tile, c00, 0);
  v128.store(tile, c01, 16);
  v128.store(tile, c10, 32);
  v128.store(tile, c11, 48);
  v128.store(tile, c20, 64);
  v128.store(tile, c21, 80);
  v128.store(tile, c30, 96);
  v128.store(tile, c31, 112);
}

/** Writes `rows` complete rows of a tile, scaled, to C starting at (row, col). */
function finishScaled(p: Matmul, r: u32, g: u32, row: u32, col: u32, rows: u32, tile: usize): void {
  const cRow = 4 * p.cRow;
  let c = p.cAt(r) + 4 * (p.cOffset + g * p.cGroup + col) + row * cRow;
  const factor = f32x4.splat(p.scale);
  for (let i: u32 = 0; i < rows; i++) {
    v128.store(c, f32x4.mul(v128.load(tile), factor));
    v128.store(c, f32x4.mul(v128.load(tile, 16), factor), 16);
    tile += 32;
    c += cRow;
  }
}

/** The epilogue of rows x cols results of a tile, written to C starting at (row, col). */
function finish(p: Matmul, r: u32, g: u32, row: u32, col: u32, rows: u32, cols: u32, tile: usize): void {
  const cRow = 4 * p.cRow;
  const start = 4 * (g * p.cGroup + col) + row * cRow;
  let c = p.cAt(r) + 4 * p.cOffset + start;
  let mask = p.mask;
  if (mask) mask += 4 * r * p.maskReplica + start;
  let residual = p.residual;
  if (residual) residual += 4 * r * p.residualReplica + start;
  let bias = p.bias;
  if (bias) bias += 4 * (r * p.biasReplica + g * p.biasGroup + col);
  const scale = p.scale;
  const relu = p.relu != 0;
  const accumulate = p.accumulate != 0;
  const inside = p.biasInside != 0;
  const zero = f32x4.splat(0);
  const factor = f32x4.splat(scale);
  for (let i: u32 = 0; i < rows; i++) {
    let j: u32 = 0;
    for (; j + 4 <= cols; j += 4) {
      const at = 4 * j;
      let x = v128.load(tile + at);
      if (bias && inside) x = f32x4.add(x, v128.load(bias + at));
      x = f32x4.mul(x, factor);
      if (bias && !inside) x = f32x4.add(x, v128.load(bias + at));
      if (relu) x = f32x4.max(x, zero);
      if (mask) x = v128.and(x, f32x4.gt(v128.load(mask + at), zero));
      if (residual) x = f32x4.add(x, v128.load(residual + at));
      if (accumulate) x = f32x4.add(v128.load(c + at), x);
      v128.store(c + at, x);
    }
    for (; j < cols; j++) {
      const at = 4 * j;
      let x = load<f32>(tile + at);
      if (bias && inside) x += load<f32>(bias + at);
      x *= scale;
      if (bias && !inside) x += load<f32>(bias + at);
      if (relu) x = max<f32>(x, 0);
      if (mask && !(load<f32>(mask + at) > 0)) x = 0;
      if (residual) x += load<f32>(residual + at);
      if (accumulate) x = load<f32>(c + at) + x;
      store<f32>(c + at, x);
    }
    tile += 32;
    c += cRow;
    if (mask) mask += cRow;
    if (residual) residual += cRow;
  }
}

/** Panels [ceil(cols/8)][depth][8] of a matrix stored [depth, cols]; columns past the end are 0. stride in bytes. */
function packColumns8(from: usize, stride: usize, depth: u32, cols: u32, to: usize): void {
  let j: u32 = 0;
  for (; j + 16 <= cols; j += 16) {
    let source = from + 4 * j;
    let panel = to + 4 * j * depth;
    let next = panel + 32 * depth;
    for (let l: u32 = 0; l < depth; l++) {
      v128.store(panel, v128.load(source, 0), 0);
      v128.store(panel, v128.load(source, 16), 16);
      v128.store(next, v128.load(source, 32), 0);
      v128.store(next, v128.load(source, 48), 16);
      source += stride;
      panel += 32;
      next += 32;
    }
  }
  for (; j < cols; j += 8) packEdge(from + 4 * j, stride, depth, min(8, cols - j), 8, to + 4 * j * depth);
}

/** The same in panels of 4 columns: for A stored [depth, rows]. */
function packColumns4(from: usize, stride: usize, depth: u32, cols: u32, to: usize): void {
  let j: u32 = 0;
  for (; j + 16 <= cols; j += 16) {
    let source = from + 4 * j;
    let p0 = to + 4 * j * depth;
    let p1 = p0 + 16 * depth;
    let p2 = p1 + 16 * depth;
    let p3 = p2 + 16 * depth;
    for (let l: u32 = 0; l < depth; l++) {
      v128.store(p0, v128.load(source, 0));
      v128.store(p1, v128.load(source, 16));
      v128.store(p2, v128.load(source, 32));
      v128.store(p3, v128.load(source, 48));
      source += stride;
      p0 += 16;
      p1 += 16;
      p2 += 16;
      p3 += 16;
    }
  }
  for (; j < cols; j += 4) packEdge(from + 4 * j, stride, depth, min(4, cols - j), 4, to + 4 * j * depth);
}

function packEdge(source: usize, stride: usize, depth: u32, cols: u32, width: u32, to: usize): void {
  for (let l: u32 = 0; l < depth; l++) {
    if (cols == width) {
      v128.store(to, v128.load(source));
      if (width == 8) v128.store(to, v128.load(source, 16), 16);
    } else {
      for (let j: u32 = 0; j < width; j++) store<f32>(to + 4 * j, j < cols ? load<f32>(source + 4 * j) : 0);
    }
    source += stride;
    to += 4 * width;
  }
}

/** Panels [ceil(cols/8)][depth][8] of a matrix stored transposed, [cols, depth]. */
function packTransposed(from: usize, stride: usize, depth: u32, cols: u32, to: usize): void {
  for (let j: u32 = 0; j < cols; j += 8) {
    const last = min(8, cols - j) - 1; // columns past the end repeat the last one; their results are dropped
    const panel = to + 4 * j * depth;
    const s = from + j * stride;
    for (let half: u32 = 0; half < 8; half += 4) {
      let s0 = s + stride * min(half, last);
      let s1 = s + stride * min(half + 1, last);
      let s2 = s + stride * min(half + 2, last);
      let s3 = s + stride * min(half + 3, last);
      let target = panel + 4 * half;
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
        v128.store(target, v128.shuffle<f32>(y0, y2, 0, 1, 4, 5), 0);
        v128.store(target, v128.shuffle<f32>(y0, y2, 2, 3, 6, 7), 32);
        v128.store(target, v128.shuffle<f32>(y1, y3, 0, 1, 4, 5), 64);
        v128.store(target, v128.shuffle<f32>(y1, y3, 2, 3, 6, 7), 96);
        s0 += 16;
        s1 += 16;
        s2 += 16;
        s3 += 16;
        target += 128;
      }
      for (; l < depth; l++) {
        store<f32>(target, load<f32>(s0), 0);
        store<f32>(target, load<f32>(s1), 4);
        store<f32>(target, load<f32>(s2), 8);
        store<f32>(target, load<f32>(s3), 12);
        s0 += 4;
        s1 += 4;
        s2 += 4;
        s3 += 4;
        target += 32;
      }
    }
  }
}
