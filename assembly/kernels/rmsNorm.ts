/**
 * output = input / sqrt(mean square + eps) * weight over the channels of each row; keeps the inverse for the backward call. The
 * twin of shaders/rmsNorm.wgsl. A thread owns rows.
 */
import { RmsNorm } from '../../build/assembly/layouts';
import { sum4 } from '../math';
import { shareOf } from '../share';

export function rmsNorm(p: RmsNorm, thread: u32, threads: u32): void {
  const rows = p.rows;
  const channels = p.channels;
  const all = rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / rows;
    const row = i % rows;
    const x = p.inputAt(r) + 4 * row * channels;
    const y = p.outputAt(r) + 4 * row * channels;
    const weight = p.weightAt(r);
    let sums = f32x4.splat(0);
    let c: u32 = 0;
    for (; c + 4 <= channels; c += 4) sums = f32x4.add(sums, f32x4.mul(v128.load(x + 4 * c), v128.load(x + 4 * c)));
    let sum = sum4(sums);
    for (; c < channels; c++) sum += load<f32>(x + 4 * c) * load<f32>(x + 4 * c);
    const inverse: f32 = 1 / Mathf.sqrt(sum / <f32>channels + p.eps);
    store<f32>(p.inverseAt(r) + 4 * row, inverse);
    const inverses = f32x4.splat(inverse);
    for (c = 0; c + 4 <= channels; c += 4)
      v128.store(y + 4 * c, f32x4.mul(f32x4.mul(v128.load(x + 4 * c), inverses), v128.load(weight + 4 * c)));
    for (; c < channels; c++) store<f32>(y + 4 * c, load<f32>(x + 4 * c) * inverse * load<f32>(weight + 4 * c));
  }
}
