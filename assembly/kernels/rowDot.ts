/** output = (output +) sum of a b over each row; the twin of shaders/rowDot.wgsl. A thread owns rows. */
import { RowDot } from '../../build/assembly/layouts';
import { sum4 } from '../math';
import { shareOf } from '../share';

export function rowDot(p: RowDot, thread: u32, threads: u32): void {
  const columns = p.columns;
  const all = p.rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / p.rows;
    const row = i % p.rows;
    const a = p.aAt(r) + 4 * row * columns;
    const b = p.bAt(r) + 4 * row * columns;
    let sums = f32x4.splat(0);
    let j: u32 = 0;
    for (; j + 4 <= columns; j += 4) sums = f32x4.add(sums, f32x4.mul(v128.load(a + 4 * j), v128.load(b + 4 * j)));
    let sum = sum4(sums);
    for (; j < columns; j++) sum += load<f32>(a + 4 * j) * load<f32>(b + 4 * j);
    const at = p.outputAt(r) + 4 * (p.offset + row * p.stride);
    store<f32>(at, p.accumulate != 0 ? load<f32>(at) + sum : sum);
  }
}
