/**
 * Uniform numbers, element i of a replica from word i % 2 of threefry(key, (i / 2, stream)): whole words, or multiples of
 * 2^-24 in [0, 1). The twin of shaders/uniformFill.wgsl, with the same bits. A thread owns a range of pairs of elements.
 */
import { UniformFill } from '../../build/assembly/layouts';
import { shareOf } from '../share';
import { threefry } from '../threefry';

export function uniformFill(p: UniformFill, thread: u32, threads: u32): void {
  const elements = p.elements;
  const from = shareOf((elements + 1) / 2, thread, threads);
  const to = shareOf((elements + 1) / 2, thread + 1, threads);
  const float = p.float != 0;
  for (let r: u32 = 0; r < p.replicas; r++) {
    const key = p.keysAt(r);
    const output = p.outputAt(r);
    for (let pair = from; pair < to; pair++) {
      const words = threefry(load<u32>(key), load<u32>(key, 4), pair, p.stream);
      put(output + 8 * pair, <u32>words, float);
      if (pair * 2 + 1 < elements) put(output + 8 * pair + 4, <u32>(words >> 32), float);
    }
  }
}

function put(to: usize, word: u32, float: bool): void {
  if (float) store<f32>(to, <f32>(word >> 8) * <f32>5.9604644775390625e-8);
  else store<u32>(to, word);
}
