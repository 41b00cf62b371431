/**
 * output [R, B, T, C] = (output +) every window's columns added where they came from, windows upwards: the transpose of
 * unfold; the twin of shaders/fold.wgsl. A thread owns sentences.
 */
import { shareOf } from '../share';
import { addRow } from './embed';
import {
  ACCUMULATE,
  BATCH,
  CHANNELS,
  COUNT,
  FILTER,
  LENGTH,
  PADDING,
  REPLICAS,
  SENTENCES,
  SENTENCES_REPLICA,
  STRIDE,
  WINDOWS,
  WINDOWS_REPLICA,
} from './unfold';

export function fold(p: usize, thread: u32, threads: u32): void {
  const batch = load<u32>(p, BATCH);
  const length = load<i32>(p, LENGTH);
  const channels = load<u32>(p, CHANNELS);
  const row = 4 * channels;
  const count = load<u32>(p, COUNT);
  const filter = load<u32>(p, FILTER);
  const all = batch * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const to = load<u32>(p, SENTENCES) + 4 * (i / batch) * load<u32>(p, SENTENCES_REPLICA) + (i % batch) * length * row;
    let from =
      load<u32>(p, WINDOWS) + 4 * (i / batch) * load<u32>(p, WINDOWS_REPLICA) + (i % batch) * count * filter * row;
    if (!load<u32>(p, ACCUMULATE)) memory.fill(to, 0, length * row);
    for (let t: u32 = 0; t < count; t++)
      for (let f: u32 = 0; f < filter; f++, from += row) {
        const token = <i32>(t * load<u32>(p, STRIDE) + f) - load<i32>(p, PADDING);
        if (token >= 0 && token < length) addRow(from, channels, to + token * row);
      }
  }
}
