/** output = softmax of each row of input, after subtracting its maximum; the twin of shaders/softmax.wgsl. A thread owns rows. */
import { Softmax } from '../../build/assembly/layouts';
import { exp1 } from '../math';
import { shareOf } from '../share';

export function softmax(p: Softmax, thread: u32, threads: u32): void {
  const bytes: u32 = 4 * p.columns;
  const all = p.rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / p.rows;
    const x = p.inputAt(r) + (i % p.rows) * bytes;
    const y = p.outputAt(r) + (i % p.rows) * bytes;
    let most = load<f32>(x);
    for (let j: u32 = 4; j < bytes; j += 4) most = max(most, load<f32>(x + j));
    let sum: f32 = 0;
    for (let j: u32 = 0; j < bytes; j += 4) {
      const power = exp1(load<f32>(x + j) - most);
      store<f32>(y + j, power);
      sum += power;
    }
    for (let j: u32 = 0; j < bytes; j += 4) store<f32>(y + j, load<f32>(y + j) / sum);
  }
}
