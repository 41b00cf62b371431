/**
 * output [R, B, C] = mean over T of input [R, B, T, C]; the twin of shaders/meanPositions.wgsl. A thread owns sentences.
 */
import { shareOf } from '../share';

// Parameter words (src/kernels/meanPositions.ts). Addresses in bytes, strides in elements.
const INPUT: usize = 0;
const OUTPUT: usize = 4;
const INPUT_REPLICA: usize = 8;
const OUTPUT_REPLICA: usize = 12;
const REPLICAS: usize = 16;
const BATCH: usize = 20;
const POSITIONS: usize = 24;
const CHANNELS: usize = 28;

export function meanPositions(p: usize, thread: u32, threads: u32): void {
  const batch = load<u32>(p, BATCH);
  const positions = load<u32>(p, POSITIONS);
  const channels = load<u32>(p, CHANNELS);
  const count = <f32>positions;
  const counts = f32x4.splat(count);
  const all = batch * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / batch;
    const b = i % batch;
    const input = load<u32>(p, INPUT) + 4 * (r * load<u32>(p, INPUT_REPLICA) + b * positions * channels);
    const output = load<u32>(p, OUTPUT) + 4 * (r * load<u32>(p, OUTPUT_REPLICA) + b * channels);
    let c: u32 = 0;
    for (; c + 4 <= channels; c += 4) {
      let from = input + 4 * c;
      let sum = f32x4.splat(0);
      for (let t: u32 = 0; t < positions; t++, from += 4 * channels) sum = f32x4.add(sum, v128.load(from));
      v128.store(output + 4 * c, f32x4.div(sum, counts));
    }
    for (; c < channels; c++) {
      let from = input + 4 * c;
      let sum: f32 = 0;
      for (let t: u32 = 0; t < positions; t++, from += 4 * channels) sum += load<f32>(from);
      store<f32>(output + 4 * c, sum / count);
    }
  }
}
