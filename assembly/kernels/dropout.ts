/**
 * Inverted dropout: output = input / (1 - p) where kept, else 0. Element i of a replica is kept when word i % 2 of
 * threefry(layer key, (i / 2, 0)) is at least p 2^32; layer key = threefry(key, (step, layer)). The twin of
 * shaders/dropout.wgsl, with the same mask. A thread owns a range of pairs of elements of every replica.
 */
import { Dropout } from '../../build/assembly/layouts';
import { shareOf } from '../share';
import { threefry } from '../threefry';

export function dropout(p: Dropout, thread: u32, threads: u32): void {
  const elements = p.elements;
  const threshold = p.threshold;
  const factor = p.factor;
  const from = shareOf((elements + 1) / 2, thread, threads);
  const to = shareOf((elements + 1) / 2, thread + 1, threads);
  for (let r: u32 = 0; r < p.replicas; r++) {
    const key = p.keysAt(r);
    const step = load<u32>(p.clockAt(r) + 4 * p.clockWord);
    const layerKey = threefry(load<u32>(key), load<u32>(key, 4), step, p.layer);
    const input = p.inputAt(r);
    const output = p.outputAt(r);
    for (let pair = from; pair < to; pair++) {
      const words = threefry(<u32>layerKey, <u32>(layerKey >> 32), pair, 0);
      const at = 8 * pair;
      store<f32>(output + at, <u32>words >= threshold ? load<f32>(input + at) * factor : 0);
      if (pair * 2 + 1 < elements)
        store<f32>(output + at + 4, <u32>(words >> 32) >= threshold ? load<f32>(input + at + 4) * factor : 0);
    }
  }
}
