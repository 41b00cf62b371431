/** What sgd and adamw share: their parameter words, and the share of a thread. */
import { shareOf } from '../share';

// Parameter words (src/kernels/optimisers.ts). Addresses in bytes, strides in elements.
export const PARAMS: usize = 0;
export const GRADS: usize = 4;
export const STATE1: usize = 8; // velocity, or the first moment
export const STATE2: usize = 12; // the second moment
const HYPER: usize = 16;
const PACE: usize = 20;
const HYPER_REPLICA: usize = 24;
const PACE_REPLICA: usize = 28;
export const REPLICAS: usize = 32;
export const ELEMENTS: usize = 36; // of a replica's row, which is also the stride between rows; a multiple of 4

// Words of hyper and pace (src/core/clock.ts), in bytes.
export const MOMENTUM: usize = 4;
export const EPSILON: usize = 16;
export const WEIGHT_DECAY: usize = 20;
export const ONE_MINUS_BETA1: usize = 40;
export const ONE_MINUS_BETA2: usize = 44;
export const RATE: usize = 0;
export const CORRECTION1: usize = 4;
export const CORRECTION2: usize = 8;

const CHUNK: u32 = 64; // elements: whole cache lines, so that threads do not share one

/** First element of a thread's share of a replica's row. */
export function firstElement(p: usize, thread: u32, threads: u32): u32 {
  const elements = load<u32>(p, ELEMENTS);
  return min(elements, CHUNK * shareOf((elements + CHUNK - 1) / CHUNK, thread, threads));
}

export function hyperOf(p: usize, r: u32): usize {
  return load<u32>(p, HYPER) + 4 * r * load<u32>(p, HYPER_REPLICA);
}

export function paceOf(p: usize, r: u32): usize {
  return load<u32>(p, PACE) + 4 * r * load<u32>(p, PACE_REPLICA);
}
