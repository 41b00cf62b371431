/**
 * output [R, N] = (output +) scale * sum over the rows of input [R, A, N], in ascending order; the twin of
 * shaders/columnSum.wgsl. A thread owns a block of 32 columns of a replica.
 */
import { ColumnSum } from '../../build/assembly/layouts';
import { shareOf } from '../share';

const BLOCK: u32 = 32;

export function columnSum(p: ColumnSum, thread: u32, threads: u32): void {
  const columns = p.columns;
  const rows = p.rows;
  const scale = p.scale;
  const scales = f32x4.splat(scale);
  const accumulate = p.accumulate != 0;
  const stride = 4 * columns;
  const blocks = (columns + BLOCK - 1) / BLOCK;
  const units = blocks * p.replicas;
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) {
    const r = unit / blocks;
    const input = p.inputAt(r);
    const output = p.outputAt(r);
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
