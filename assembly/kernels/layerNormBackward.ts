/**
 * Gradients of layerNorm, with n = (input - mean) * inverse and g = dOutput * weight:
 *   dInput = (dInput +) inverse * (g - mean of g - n * mean of g n)      `layerNormBackward`, a thread owns rows
 *   dWeight = sum of dOutput n,  dBias = sum of dOutput, rows upwards    `layerNormBackwardParams`, a thread owns columns
 * The twin of shaders/layerNormBackward*.wgsl.
 */
import { sum4 } from '../math';
import { shareOf } from '../share';

// Parameter words (src/kernels/layerNormBackward.ts), shared by both commands. Addresses in bytes, strides in elements.
const INPUT: usize = 0;
const WEIGHT: usize = 4;
const MEAN: usize = 8;
const INVERSE: usize = 12;
const D_OUTPUT: usize = 16;
const D_INPUT: usize = 20;
const D_WEIGHT: usize = 24;
const D_BIAS: usize = 28;
const REPLICA: usize = 32; // the replica strides of the eight tensors follow, in the same order
const REPLICAS: usize = 64;
const ROWS: usize = 68;
const CHANNELS: usize = 72;
const ACCUMULATE: usize = 76;

const BLOCK: u32 = 16; // columns: a cache line

/** First element of a tensor's replica; word: its address word. */
function start(p: usize, word: usize, r: u32): usize {
  return load<u32>(p + word) + 4 * r * load<u32>(p + REPLICA + word);
}

export function layerNormBackward(p: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(p, ROWS);
  const channels = load<u32>(p, CHANNELS);
  const accumulate = load<u32>(p, ACCUMULATE) != 0;
  const share: f32 = 1 / <f32>channels;
  const all = rows * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / rows;
    const row = i % rows;
    const x = start(p, INPUT, r) + 4 * row * channels;
    const dy = start(p, D_OUTPUT, r) + 4 * row * channels;
    const dx = start(p, D_INPUT, r) + 4 * row * channels;
    const weight = start(p, WEIGHT, r);
    const mean = load<f32>(start(p, MEAN, r) + 4 * row);
    const inverse = load<f32>(start(p, INVERSE, r) + 4 * row);
    const means = f32x4.splat(mean);
    const inverses = f32x4.splat(inverse);
    let sums = f32x4.splat(0);
    let products = f32x4.splat(0);
    let c: u32 = 0;
    for (; c + 4 <= channels; c += 4) {
      const g = f32x4.mul(v128.load(dy + 4 * c), v128.load(weight + 4 * c));
      const n = f32x4.mul(f32x4.sub(v128.load(x + 4 * c), means), inverses);
      sums = f32x4.add(sums, g);
      products = f32x4.add(products, f32x4.mul(g, n));
    }
    let sum = sum4(sums);
    let product = sum4(products);
    for (; c < channels; c++) {
      const g = load<f32>(dy + 4 * c) * load<f32>(weight + 4 * c);
      sum += g;
      product += g * ((load<f32>(x + 4 * c) - mean) * inverse);
    }
    sum *= share;
    product *= share;
    const meanG = f32x4.splat(sum);
    const meanGN = f32x4.splat(product);
    for (c = 0; c + 4 <= channels; c += 4) {
      const g = f32x4.mul(v128.load(dy + 4 * c), v128.load(weight + 4 * c));
      const n = f32x4.mul(f32x4.sub(v128.load(x + 4 * c), means), inverses);
      const d = f32x4.mul(inverses, f32x4.sub(f32x4.sub(g, meanG), f32x4.mul(n, meanGN)));
      v128.store(dx + 4 * c, accumulate ? f32x4.add(v128.load(dx + 4 * c), d) : d);
    }
    for (; c < channels; c++) {
      const g = load<f32>(dy + 4 * c) * load<f32>(weight + 4 * c);
      const n = (load<f32>(x + 4 * c) - mean) * inverse;
      const d = inverse * (g - sum - n * product);
      store<f32>(dx + 4 * c, accumulate ? load<f32>(dx + 4 * c) + d : d);
    }
  }
}

export function layerNormBackwardParams(p: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(p, ROWS);
  const channels = load<u32>(p, CHANNELS);
  const blocks = (channels + BLOCK - 1) / BLOCK;
  const units = blocks * load<u32>(p, REPLICAS);
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) {
    const r = unit / blocks;
    let c = (unit % blocks) * BLOCK;
    const last = min(channels, c + BLOCK);
    const x = start(p, INPUT, r);
    const dy = start(p, D_OUTPUT, r);
    const means = start(p, MEAN, r);
    const inverses = start(p, INVERSE, r);
    const dWeight = start(p, D_WEIGHT, r);
    const dBias = start(p, D_BIAS, r);
    for (; c + 4 <= last; c += 4) {
      let weights = f32x4.splat(0);
      let biases = f32x4.splat(0);
      let at = 4 * c;
      for (let row: u32 = 0; row < rows; row++, at += 4 * channels) {
        const d = v128.load(dy + at);
        const n = f32x4.mul(
          f32x4.sub(v128.load(x + at), v128.load32_splat(means + 4 * row)),
          v128.load32_splat(inverses + 4 * row),
        );
        weights = f32x4.add(weights, f32x4.mul(d, n));
        biases = f32x4.add(biases, d);
      }
      v128.store(dWeight + 4 * c, weights);
      v128.store(dBias + 4 * c, biases);
    }
    for (; c < last; c++) {
      let weight: f32 = 0;
      let bias: f32 = 0;
      let at = 4 * c;
      for (let row: u32 = 0; row < rows; row++, at += 4 * channels) {
        const d = load<f32>(dy + at);
        weight += d * ((load<f32>(x + at) - load<f32>(means + 4 * row)) * load<f32>(inverses + 4 * row));
        bias += d;
      }
      store<f32>(dWeight + 4 * c, weight);
      store<f32>(dBias + 4 * c, bias);
    }
  }
}
