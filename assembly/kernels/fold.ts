/**
 * output [R, B, T, C] = (output +) every window's columns added to the places they came from, windows in ascending order: the
 * transpose of unfold; the twin of shaders/fold.wgsl. A thread owns sentences.
 */
import { Fold } from '../../build/assembly/layouts';
import { shareOf } from '../share';
import { clearWords } from '../words';
import { addRow } from './embed';

export function fold(p: Fold, thread: u32, threads: u32): void {
  const batch = p.batch;
  const length = <i32>p.tokens;
  const channels = p.channels;
  const row = 4 * channels;
  const count = p.windows;
  const filter = p.filter;
  const all = batch * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const to = p.outputAt(i / batch) + (i % batch) * length * row;
    let from = p.inputAt(i / batch) + (i % batch) * count * filter * row;
    if (!p.accumulate) clearWords(to, (length * row) / 4);
    for (let t: u32 = 0; t < count; t++)
      for (let f: u32 = 0; f < filter; f++, from += row) {
        const token = <i32>(t * p.stride + f) - <i32>p.padding;
        if (token >= 0 && token < length) addRow(from, channels, to + token * row);
      }
  }
}
