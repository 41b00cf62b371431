/** A thread's share of an update of flat blocks: the common part of sgd and adamw. */
import { PACE_UNSCALE } from '../../build/assembly/words';
import { shareOf } from '../share';

const CHUNK: u32 = 64; // elements: whole cache lines, so that threads do not share one

/** First element of a thread's share of a replica's row. */
export function firstElement(elements: u32, thread: u32, threads: u32): u32 {
  return min(elements, CHUNK * shareOf((elements + CHUNK - 1) / CHUNK, thread, threads));
}

/** The factor on a replica's gradients; 0: its step is skipped. */
export function unscaleOf(pace: usize, scaled: u32): f32 {
  return scaled ? load<f32>(pace, PACE_UNSCALE) : 1;
}
