/**
 * Uniform numbers, element i of a replica from word i % 2 of threefry(key, (i / 2, stream)): whole words, or multiples of
 * 2^-24 in [0, 1). The twin of shaders/uniformFill.wgsl, with the same bits. A thread owns a range of pairs of elements.
 */
import { shareOf } from '../share';
import { threefry } from '../threefry';

// Parameter words (src/kernels/uniformFill.ts). Addresses in bytes, strides in elements.
const KEYS: usize = 0;
const OUTPUT: usize = 4;
const KEYS_REPLICA: usize = 8;
const OUTPUT_REPLICA: usize = 12;
const REPLICAS: usize = 16;
const ELEMENTS: usize = 20;
const STREAM: usize = 24;
const FLOAT: usize = 28;

export function uniformFill(p: usize, thread: u32, threads: u32): void {
  const elements = load<u32>(p, ELEMENTS);
  const from = shareOf((elements + 1) / 2, thread, threads);
  const to = shareOf((elements + 1) / 2, thread + 1, threads);
  const float = load<u32>(p, FLOAT) != 0;
  for (let r: u32 = 0; r < load<u32>(p, REPLICAS); r++) {
    const key = load<u32>(p, KEYS) + 4 * r * load<u32>(p, KEYS_REPLICA);
    const output = load<u32>(p, OUTPUT) + 4 * r * load<u32>(p, OUTPUT_REPLICA);
    for (let pair = from; pair < to; pair++) {
      const words = threefry(load<u32>(key), load<u32>(key, 4), pair, load<u32>(p, STREAM));
      put(output + 8 * pair, <u32>words, float);
      if (pair * 2 + 1 < elements) put(output + 8 * pair + 4, <u32>(words >> 32), float);
    }
  }
}

function put(to: usize, word: u32, float: bool): void {
  if (float) store<f32>(to, <f32>(word >> 8) * <f32>5.9604644775390625e-8);
  else store<u32>(to, word);
}
