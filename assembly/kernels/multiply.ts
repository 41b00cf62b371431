/** output = (output +) a * b, with one factor per element, row or column; the twin of shaders/multiply.wgsl. A thread owns rows. */
import { Multiply } from '../../build/assembly/layouts';
import { shareOf } from '../share';

export function multiply(p: Multiply, thread: u32, threads: u32): void {
  const columns = p.columns;
  const accumulate = p.accumulate != 0;
  const step = 4 * p.bColumn;
  const all = p.rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / p.rows;
    const row = i % p.rows;
    const a = p.aAt(r) + 4 * row * columns;
    const y = p.outputAt(r) + 4 * row * columns;
    let b = p.bAt(r) + 4 * (p.bOffset + row * p.bRow);
    for (let j: u32 = 0; j < 4 * columns; j += 4, b += step) {
      const product = load<f32>(a + j) * load<f32>(b);
      store<f32>(y + j, accumulate ? load<f32>(y + j) + product : product);
    }
  }
}
