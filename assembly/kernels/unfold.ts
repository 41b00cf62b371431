/**
 * output [R, B, T', filter C] = windows of input [R, B, T, C] side by side, zero outside the sentence; the twin of
 * shaders/unfold.wgsl. A thread owns sentences.
 */
import { Unfold } from '../../build/assembly/layouts';
import { shareOf } from '../share';
import { clearWords, copyWords } from '../words';

export function unfold(p: Unfold, thread: u32, threads: u32): void {
  const batch = p.batch;
  const length = <i32>p.tokens;
  const channels = p.channels;
  const row = 4 * channels;
  const count = p.windows;
  const filter = p.filter;
  const all = batch * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const from = p.inputAt(i / batch) + (i % batch) * length * row;
    let to = p.outputAt(i / batch) + (i % batch) * count * filter * row;
    for (let t: u32 = 0; t < count; t++)
      for (let f: u32 = 0; f < filter; f++, to += row) {
        const token = <i32>(t * p.stride + f) - <i32>p.padding;
        if (token >= 0 && token < length) copyWords(to, from + token * row, channels);
        else clearWords(to, channels);
      }
  }
}
