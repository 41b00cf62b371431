/**
 * output = (input - mean) / sqrt(variance + eps) * weight + bias over the channels of each row; keeps mean and inverse
 * standard deviation for the backward call. The twin of shaders/layerNorm.wgsl. A thread owns rows.
 */
import { LayerNorm } from '../../build/assembly/layouts';
import { madd } from '../madd';
import { sum4 } from '../math';
import { shareOf } from '../share';

export function layerNorm(p: LayerNorm, thread: u32, threads: u32): void {
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
    const bias = p.biasAt(r);
    const mean = rowSum(x, channels) / <f32>channels;
    const inverse: f32 = 1 / Mathf.sqrt(squares(x, channels, mean) / <f32>channels + p.eps);
    store<f32>(p.meanAt(r) + 4 * row, mean);
    store<f32>(p.inverseAt(r) + 4 * row, inverse);
    const means = f32x4.splat(mean);
    const inverses = f32x4.splat(inverse);
    let c: u32 = 0;
    for (; c + 4 <= channels; c += 4) {
      const normal = f32x4.mul(f32x4.sub(v128.load(x + 4 * c), means), inverses);
      v128.store(y + 4 * c, madd(normal, v128.load(weight + 4 * c), v128.load(bias + 4 * c)));
    }
    for (; c < channels; c++) {
      const normal = (load<f32>(x + 4 * c) - mean) * inverse;
      store<f32>(y + 4 * c, normal * load<f32>(weight + 4 * c) + load<f32>(bias + 4 * c));
    }
  }
}

function rowSum(x: usize, count: u32): f32 {
  let sums = f32x4.splat(0);
  let c: u32 = 0;
  for (; c + 4 <= count; c += 4) sums = f32x4.add(sums, v128.load(x + 4 * c));
  let sum = sum4(sums);
  for (; c < count; c++) sum += load<f32>(x + 4 * c);
  return sum;
}

function squares(x: usize, count: u32, mean: f32): f32 {
  const means = f32x4.splat(mean);
  let sums = f32x4.splat(0);
  let c: u32 = 0;
  for (; c + 4 <= count; c += 4) {
    const d = f32x4.sub(v128.load(x + 4 * c), means);
    sums = f32x4.add(sums, f32x4.mul(d, d));
  }
  let sum = sum4(sums);
  for (; c < count; c++) {
    const d = load<f32>(x + 4 * c) - mean;
    sum += d * d;
  }
  return sum;
}
