/**
 * output [R, B, T', filter C] = windows of input [R, B, T, C] side by side, zero outside the sentence; the twin of
 * shaders/unfold.wgsl. A thread owns sentences.
 */
import { shareOf } from '../share';
import { clearWords, copyWords } from '../words';

// Parameter words shared with fold (src/kernels/windows.ts): sentences [R, B, T, C], windows [R, B, T', filter C].
export const SENTENCES: usize = 0;
export const WINDOWS: usize = 4;
export const SENTENCES_REPLICA: usize = 8;
export const WINDOWS_REPLICA: usize = 12;
export const REPLICAS: usize = 16;
export const BATCH: usize = 20;
export const LENGTH: usize = 24; // T
export const CHANNELS: usize = 28;
export const COUNT: usize = 32; // T'
export const FILTER: usize = 36;
export const STRIDE: usize = 40;
export const PADDING: usize = 44;
export const ACCUMULATE: usize = 48; // fold only

export function unfold(p: usize, thread: u32, threads: u32): void {
  const batch = load<u32>(p, BATCH);
  const length = load<i32>(p, LENGTH);
  const channels = load<u32>(p, CHANNELS);
  const row = 4 * channels;
  const count = load<u32>(p, COUNT);
  const filter = load<u32>(p, FILTER);
  const all = batch * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const from =
      load<u32>(p, SENTENCES) + 4 * (i / batch) * load<u32>(p, SENTENCES_REPLICA) + (i % batch) * length * row;
    let to =
      load<u32>(p, WINDOWS) + 4 * (i / batch) * load<u32>(p, WINDOWS_REPLICA) + (i % batch) * count * filter * row;
    for (let t: u32 = 0; t < count; t++)
      for (let f: u32 = 0; f < filter; f++, to += row) {
        const token = <i32>(t * load<u32>(p, STRIDE) + f) - load<i32>(p, PADDING);
        if (token >= 0 && token < length) copyWords(to, from + token * row, channels);
        else clearWords(to, channels);
      }
  }
}
