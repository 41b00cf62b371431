/**
 * Gradients of layerNorm, with n = (input - mean) * inverse and g = dOutput * weight:
 *   dInput = (dInput +) inverse * (g - mean of g - n * mean of g n)      `layerNormBackward`, a thread owns rows
 *   dWeight = sum of dOutput n,  dBias = sum of dOutput, rows ascending   `layerNormBackwardParams`, a thread owns columns
 * The twin of shaders/layerNormBackward*.wgsl.
 */
import { LayerNormBackward } from '../../build/assembly/layouts';
import { sum4 } from '../math';
import { shareOf } from '../share';

const BLOCK: u32 = 16; // columns: a cache line

export function layerNormBackward(p: LayerNormBackward, thread: u32, threads: u32): void {
  const rows = p.rows;
  const channels = p.channels;
  const accumulate = p.accumulate != 0;
  const share: f32 = 1 / <f32>channels;
  const all = rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / rows;
    const row = i % rows;
    const x = p.inputAt(r) + 4 * row * channels;
    const dy = p.dOutputAt(r) + 4 * row * channels;
    const dx = p.dInputAt(r) + 4 * row * channels;
    const weight = p.weightAt(r);
    const mean = load<f32>(p.meanAt(r) + 4 * row);
    const inverse = load<f32>(p.inverseAt(r) + 4 * row);
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

export function layerNormBackwardParams(p: LayerNormBackward, thread: u32, threads: u32): void {
  const rows = p.rows;
  const channels = p.channels;
  const blocks = (channels + BLOCK - 1) / BLOCK;
  const units = blocks * p.replicas;
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) {
    const r = unit / blocks;
    let c = (unit % blocks) * BLOCK;
    const last = min(channels, c + BLOCK);
    const x = p.inputAt(r);
    const dy = p.dOutputAt(r);
    const means = p.meanAt(r);
    const inverses = p.inverseAt(r);
    const dWeight = p.dWeightAt(r);
    const dBias = p.dBiasAt(r);
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
