/**
 * block = block * min(1, maxNorm / norm) with each replica's own norm, from the sum of squares that reduce left; a norm that
 * is not finite leaves the block as it is. The twin of shaders/clip.wgsl. A thread owns a range of every replica's block.
 */
import { shareOf } from '../share';

// Parameter words (src/kernels/clip.ts). Addresses in bytes, strides in elements.
const BLOCK: usize = 0;
const SUMS: usize = 4;
const BLOCK_REPLICA: usize = 8;
const SUMS_REPLICA: usize = 12;
const REPLICAS: usize = 16;
const ELEMENTS: usize = 20;
const MAX_NORM: usize = 24; // f32

export function clip(p: usize, thread: u32, threads: u32): void {
  const elements = load<u32>(p, ELEMENTS);
  const limit = load<f32>(p, MAX_NORM);
  const from = shareOf(elements, thread, threads);
  const to = shareOf(elements, thread + 1, threads);
  for (let r: u32 = 0; r < load<u32>(p, REPLICAS); r++) {
    const norm: f32 = Mathf.sqrt(load<f32>(load<u32>(p, SUMS) + 4 * r * load<u32>(p, SUMS_REPLICA), 4));
    if (norm - norm != 0 || !(norm > limit)) continue;
    const factor = limit / norm;
    const block = load<u32>(p, BLOCK) + 4 * r * load<u32>(p, BLOCK_REPLICA);
    for (let i = from; i < to; i++) store<f32>(block + 4 * i, load<f32>(block + 4 * i) * factor);
  }
}
