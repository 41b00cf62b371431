/** dInput = output * (dOutput - sum over the row of dOutput * output); the twin of shaders/softmaxBackward.wgsl. A thread owns rows. */
import { SoftmaxBackward } from '../../build/assembly/layouts';
import { shareOf } from '../share';

export function softmaxBackward(p: SoftmaxBackward, thread: u32, threads: u32): void {
  const bytes: u32 = 4 * p.columns;
  const all = p.rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / p.rows;
    const row = (i % p.rows) * bytes;
    const y = p.outputAt(r) + row;
    const dy = p.dOutputAt(r) + row;
    const dx = p.dInputAt(r) + row;
    let sum: f32 = 0;
    for (let j: u32 = 0; j < bytes; j += 4) sum += load<f32>(y + j) * load<f32>(dy + j);
    for (let j: u32 = 0; j < bytes; j += 4) store<f32>(dx + j, load<f32>(y + j) * (load<f32>(dy + j) - sum));
  }
}
