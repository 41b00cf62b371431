/**
 * dInput [R, B, T, C] = dOutput [R, B, C] / T, 0 where the mask is not > 0; the twin of shaders/meanPositionsBackward.wgsl.
 * A thread owns sentences.
 */
import { shareOf } from '../share';

// Parameter words (src/kernels/meanPositionsBackward.ts). Addresses in bytes, strides in elements.
const D_OUTPUT: usize = 0;
const MASK: usize = 4; // 0: none
const D_INPUT: usize = 8;
const D_OUTPUT_REPLICA: usize = 12;
const MASK_REPLICA: usize = 16;
const D_INPUT_REPLICA: usize = 20;
const REPLICAS: usize = 24;
const BATCH: usize = 28;
const POSITIONS: usize = 32;
const CHANNELS: usize = 36;

export function meanPositionsBackward(p: usize, thread: u32, threads: u32): void {
  const batch = load<u32>(p, BATCH);
  const positions = load<u32>(p, POSITIONS);
  const channels = load<u32>(p, CHANNELS);
  const count = <f32>positions;
  const counts = f32x4.splat(count);
  const zero = f32x4.splat(0);
  const all = batch * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / batch;
    const b = i % batch;
    const from = load<u32>(p, D_OUTPUT) + 4 * (r * load<u32>(p, D_OUTPUT_REPLICA) + b * channels);
    let to = load<u32>(p, D_INPUT) + 4 * (r * load<u32>(p, D_INPUT_REPLICA) + b * positions * channels);
    let mask = load<u32>(p, MASK);
    if (mask) mask += 4 * (r * load<u32>(p, MASK_REPLICA) + b * positions * channels);
    for (let t: u32 = 0; t < positions; t++, to += 4 * channels) {
      let c: u32 = 0;
      for (; c + 4 <= channels; c += 4) {
        let x = f32x4.div(v128.load(from + 4 * c), counts);
        if (mask) x = v128.and(x, f32x4.gt(v128.load(mask + 4 * c), zero));
        v128.store(to + 4 * c, x);
      }
      for (; c < channels; c++) {
        const open = !mask || load<f32>(mask + 4 * c) > 0;
        store<f32>(to + 4 * c, open ? load<f32>(from + 4 * c) / count : 0);
      }
      if (mask) mask += 4 * channels;
    }
  }
}
