/**
 * Gradients of rmsNorm, with n = input * inverse and g = dOutput * weight:
 *   dInput = (dInput +) inverse * (g - n * mean of g n)      `rmsNormBackward`, a thread owns rows
 *   dWeight = sum of dOutput n, rows ascending                `rmsNormBackwardParams`, a thread owns columns
 * The twin of shaders/rmsNormBackward*.wgsl.
 */
import { RmsNormBackward } from '../../build/assembly/layouts';
import { sum4 } from '../math';
import { shareOf } from '../share';

export function rmsNormBackward(p: RmsNormBackward, thread: u32, threads: u32): void {
  const rows = p.rows;
  const channels = p.channels;
  const accumulate = p.accumulate != 0;
  const all = rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / rows;
    const row = i % rows;
    const x = p.inputAt(r) + 4 * row * channels;
    const dy = p.dOutputAt(r) + 4 * row * channels;
    const dx = p.dInputAt(r) + 4 * row * channels;
    const weight = p.weightAt(r);
    const inverse = load<f32>(p.inverseAt(r) + 4 * row);
    const inverses = f32x4.splat(inverse);
    let products = f32x4.splat(0);
    let c: u32 = 0;
    for (; c + 4 <= channels; c += 4) {
      const g = f32x4.mul(v128.load(dy + 4 * c), v128.load(weight + 4 * c));
      products = f32x4.add(products, f32x4.mul(g, f32x4.mul(v128.load(x + 4 * c), inverses)));
    }
    let mean = sum4(products);
    for (; c < channels; c++)
      mean += load<f32>(dy + 4 * c) * load<f32>(weight + 4 * c) * (load<f32>(x + 4 * c) * inverse);
    mean /= <f32>channels;
    const means = f32x4.splat(mean);
    for (c = 0; c + 4 <= channels; c += 4) {
      const g = f32x4.mul(v128.load(dy + 4 * c), v128.load(weight + 4 * c));
      const n = f32x4.mul(v128.load(x + 4 * c), inverses);
      const d = f32x4.mul(inverses, f32x4.sub(g, f32x4.mul(n, means)));
      v128.store(dx + 4 * c, accumulate ? f32x4.add(v128.load(dx + 4 * c), d) : d);
    }
    for (; c < channels; c++) {
      const g = load<f32>(dy + 4 * c) * load<f32>(weight + 4 * c);
      const d = inverse * (g - load<f32>(x + 4 * c) * inverse * mean);
      store<f32>(dx + 4 * c, accumulate ? load<f32>(dx + 4 * c) + d : d);
    }
  }
}

export function rmsNormBackwardParams(p: RmsNormBackward, thread: u32, threads: u32): void {
  const rows = p.rows;
  const channels = p.channels;
  const all = channels * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / channels;
    const c = i % channels;
    const inverses = p.inverseAt(r);
    let at = 4 * c;
    let sum: f32 = 0;
    for (let row: u32 = 0; row < rows; row++, at += 4 * channels)
      sum += load<f32>(p.dOutputAt(r) + at) * (load<f32>(p.inputAt(r) + at) * load<f32>(inverses + 4 * row));
    store<f32>(p.dWeightAt(r) + 4 * c, sum);
  }
}
