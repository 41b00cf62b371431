/** The share of a thread in an update of flat blocks: what sgd and adamw have in common. */
import { PACE_UNSCALE } from '../../build/assembly/words';
import { shareOf } from '../share';

const CHUNK: u32 = 64; // elements: whole cache lines, so that threads do not share one

/** First element of a thread's share of a replica's row. */
export function firstElement(elements: u32, thread: u32, threads: u32): u32 {
  return min(elements, CHUNK * shareOf((elements + CHUNK - 1) / CHUNK, thread, threads));
}

/** The factor on a replica's gradients; 0: its step is left out. */
export function unscaleOf(pace: usize, scaled: u32): f32 {
  return scaled ? load<f32>(pace, PACE_UNSCALE) : 1;
}
