/**
 * output [R, N] = (output +) scale * sum over the rows of input [R, A, N], upwards; the twin of shaders/columnSum.wgsl.
 * A thread owns a block of 32 columns of a replica.
 */
import { shareOf } from '../share';

// Parameter words (src/kernels/columnSum.ts). Addresses in bytes, strides in elements.
const INPUT: usize = 0;
const OUTPUT: usize = 4;
const INPUT_REPLICA: usize = 8;
const OUTPUT_REPLICA: usize = 12;
const REPLICAS: usize = 16;
const ROWS: usize = 20;
const COLUMNS: usize = 24;
const SCALE: usize = 28; // f32
const ACCUMULATE: usize = 32;

const BLOCK: u32 = 32;

export function columnSum(p: usize, thread: u32, threads: u32): void {
  const columns = load<u32>(p, COLUMNS);
  const rows = load<u32>(p, ROWS);
  const scale = load<f32>(p, SCALE);
  const scales = f32x4.splat(scale);
  const accumulate = load<u32>(p, ACCUMULATE) != 0;
  const stride = 4 * columns;
  const blocks = (columns + BLOCK - 1) / BLOCK;
  const units = blocks * load<u32>(p, REPLICAS);
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) {
    const r = unit / blocks;
    const input = load<u32>(p, INPUT) + 4 * r * load<u32>(p, INPUT_REPLICA);
    const output = load<u32>(p, OUTPUT) + 4 * r * load<u32>(p, OUTPUT_REPLICA);
    let j = (unit % blocks) * BLOCK;
    const last = min(columns, j + BLOCK);
    for (; j + 16 <= last; j += 16) {
      let from = input + 4 * j;
      let x0 = f32x4.splat(0);
      let x1 = f32x4.splat(0);
      let x2 = f32x4.splat(0);
      let x3 = f32x4.splat(0);
      for (let i: u32 = 0; i < rows; i++, from += stride) {
        x0 = f32x4.add(x0, v128.load(from, 0));
        x1 = f32x4.add(x1, v128.load(from, 16));
        x2 = f32x4.add(x2, v128.load(from, 32));
        x3 = f32x4.add(x3, v128.load(from, 48));
      }
      const to = output + 4 * j;
      finish(x0, scales, accumulate, to);
      finish(x1, scales, accumulate, to + 16);
      finish(x2, scales, accumulate, to + 32);
      finish(x3, scales, accumulate, to + 48);
    }
    for (; j < last; j++) {
      let from = input + 4 * j;
      let x: f32 = 0;
      for (let i: u32 = 0; i < rows; i++, from += stride) x += load<f32>(from);
      x *= scale;
      store<f32>(output + 4 * j, accumulate ? load<f32>(output + 4 * j) + x : x);
    }
  }
}

function finish(sum: v128, scales: v128, accumulate: bool, to: usize): void {
  const x = f32x4.mul(sum, scales);
  v128.store(to, accumulate ? f32x4.add(v128.load(to), x) : x);
}
