/**
 * Inverted dropout: output = input / (1 - p) where kept, else 0. Element i of a replica is kept when word i % 2 of
 * threefry(layer key, (i / 2, 0)) is at least p 2^32; layer key = threefry(key, (step, layer)). The twin of
 * shaders/dropout.wgsl, with the same mask. A thread owns a range of pairs of elements of every replica.
 */
import { shareOf } from '../share';
import { threefry } from '../threefry';

// Parameter words (src/kernels/dropout.ts). Addresses in bytes, strides in elements.
const INPUT: usize = 0;
const OUTPUT: usize = 4;
const KEYS: usize = 8;
const CLOCK: usize = 12;
const INPUT_REPLICA: usize = 16;
const OUTPUT_REPLICA: usize = 20;
const KEYS_REPLICA: usize = 24;
const CLOCK_REPLICA: usize = 28;
const REPLICAS: usize = 32;
const ELEMENTS: usize = 36;
const CLOCK_WORD: usize = 40;
const LAYER: usize = 44;
const THRESHOLD: usize = 48;
const FACTOR: usize = 52; // f32 1 / (1 - p)

export function dropout(p: usize, thread: u32, threads: u32): void {
  const elements = load<u32>(p, ELEMENTS);
  const threshold = load<u32>(p, THRESHOLD);
  const factor = load<f32>(p, FACTOR);
  const from = shareOf((elements + 1) / 2, thread, threads);
  const to = shareOf((elements + 1) / 2, thread + 1, threads);
  for (let r: u32 = 0; r < load<u32>(p, REPLICAS); r++) {
    const key = load<u32>(p, KEYS) + 4 * r * load<u32>(p, KEYS_REPLICA);
    const step = load<u32>(load<u32>(p, CLOCK) + 4 * (r * load<u32>(p, CLOCK_REPLICA) + load<u32>(p, CLOCK_WORD)));
    const layerKey = threefry(load<u32>(key), load<u32>(key, 4), step, load<u32>(p, LAYER));
    const input = load<u32>(p, INPUT) + 4 * r * load<u32>(p, INPUT_REPLICA);
    const output = load<u32>(p, OUTPUT) + 4 * r * load<u32>(p, OUTPUT_REPLICA);
    for (let pair = from; pair < to; pair++) {
      const words = threefry(<u32>layerKey, <u32>(layerKey >> 32), pair, 0);
      const at = 8 * pair;
      store<f32>(output + at, <u32>words >= threshold ? load<f32>(input + at) * factor : 0);
      if (pair * 2 + 1 < elements)
        store<f32>(output + at + 4, <u32>(words >> 32) >= threshold ? load<f32>(input + at + 4) * factor : 0);
    }
  }
}
