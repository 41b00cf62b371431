/** f16 by integer arithmetic: to nearest, ties to even, subnormals kept, the largest beyond the range. Twin: src/core/half.ts. */
import { SCALING_OVERFLOW } from '../build/assembly/words';
import { shareOf } from './share';

const OVERFLOW: u32 = 0x477ff000; // bits of 65520, the smallest f32 that would round to infinity

export function toHalf(x: f32): f32 {
  const bits = reinterpret<u32>(x);
  const size = bits & 0x7fffffff;
  const sign = bits & 0x80000000;
  if (size > 0x7f800000) return x;
  if (size >= OVERFLOW) return reinterpret<f32>(sign | 0x477fe000);
  if (size >= 0x38800000) return reinterpret<f32>(sign | ((size + 0xfff + ((size >> 13) & 1)) & 0xffffe000));
  const drop = 126 - (size >> 23);
  if (drop > 24) return reinterpret<f32>(sign);
  const significand = (size & 0x7fffff) | 0x800000;
  const count = (significand + (1 << (drop - 1)) - 1 + ((significand >> drop) & 1)) >> drop;
  return reinterpret<f32>(sign | reinterpret<u32>(<f32>count * 5.9604644775390625e-8));
}

/** Rounds `count` numbers in place. @returns whether one did not fit */
export function roundRow(row: usize, count: u32): bool {
  let fits = true;
  for (let i: u32 = 0; i < count; i++) {
    const at = row + 4 * i;
    fits = fits && (load<u32>(at) & 0x7fffffff) < OVERFLOW;
    store<f32>(at, toHalf(load<f32>(at)));
  }
  return !fits;
}

/**
 * A thread's share of a rounded copy [replicas, factorElements] of the factor that a call P names (`roundWords` of
 * src/kernels/shared/half.ts). Several threads may write the same value 1 to `scaling`.
 */
export function roundFactor<P>(p: P, thread: u32, threads: u32): void {
  const elements = p.factorElements;
  const from = shareOf(elements, thread, threads);
  const to = shareOf(elements, thread + 1, threads);
  for (let r: u32 = 0; r < p.replicas; r++) {
    const source = p.factor + 4 * r * p.factorReplica;
    const target = p.rounded + 4 * r * elements;
    let fits = true;
    for (let i = from; i < to; i++) {
      const x = load<f32>(source + 4 * i);
      fits = fits && (reinterpret<u32>(x) & 0x7fffffff) < OVERFLOW;
      store<f32>(target + 4 * i, toHalf(x));
    }
    if (!fits && p.scaling) store<u32>(p.scaling + 4 * r * p.scalingReplica, 1, SCALING_OVERFLOW);
  }
}
