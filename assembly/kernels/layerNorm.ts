/**
 * output = (input - mean) / sqrt(variance + eps) * weight + bias over the channels of each row; keeps mean and inverse
 * standard deviation for the backward call. The twin of shaders/layerNorm.wgsl. A thread owns rows.
 */
import { sum4 } from '../math';
import { shareOf } from '../share';

// Parameter words (src/kernels/layerNorm.ts). Addresses in bytes, strides in elements.
const INPUT: usize = 0;
const WEIGHT: usize = 4;
const BIAS: usize = 8;
const OUTPUT: usize = 12;
const MEAN: usize = 16;
const INVERSE: usize = 20;
const INPUT_REPLICA: usize = 24;
const WEIGHT_REPLICA: usize = 28;
const BIAS_REPLICA: usize = 32;
const OUTPUT_REPLICA: usize = 36;
const MEAN_REPLICA: usize = 40;
const INVERSE_REPLICA: usize = 44;
const REPLICAS: usize = 48;
const ROWS: usize = 52;
const CHANNELS: usize = 56;
const EPSILON: usize = 60; // f32

export function layerNorm(p: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(p, ROWS);
  const channels = load<u32>(p, CHANNELS);
  const all = rows * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / rows;
    const row = i % rows;
    const x = load<u32>(p, INPUT) + 4 * (r * load<u32>(p, INPUT_REPLICA) + row * channels);
    const y = load<u32>(p, OUTPUT) + 4 * (r * load<u32>(p, OUTPUT_REPLICA) + row * channels);
    const weight = load<u32>(p, WEIGHT) + 4 * r * load<u32>(p, WEIGHT_REPLICA);
    const bias = load<u32>(p, BIAS) + 4 * r * load<u32>(p, BIAS_REPLICA);
    const mean = rowSum(x, channels) / <f32>channels;
    const inverse: f32 = 1 / Mathf.sqrt(squares(x, channels, mean) / <f32>channels + load<f32>(p, EPSILON));
    store<f32>(load<u32>(p, MEAN) + 4 * (r * load<u32>(p, MEAN_REPLICA) + row), mean);
    store<f32>(load<u32>(p, INVERSE) + 4 * (r * load<u32>(p, INVERSE_REPLICA) + row), inverse);
    const means = f32x4.splat(mean);
    const inverses = f32x4.splat(inverse);
    let c: u32 = 0;
    for (; c + 4 <= channels; c += 4) {
      const normal = f32x4.mul(f32x4.sub(v128.load(x + 4 * c), means), inverses);
      v128.store(y + 4 * c, f32x4.add(f32x4.mul(normal, v128.load(weight + 4 * c)), v128.load(bias + 4 * c)));
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
