/**
 * Sum, sum of squares and number of non-finite values of every replica's elements; the twin of shaders/reduce.wgsl. `reduce`
 * sums ranges of 4096 elements in float64, a thread owns ranges; `reduceFinish` adds them up in order.
 */
import { Reduce } from '../../build/assembly/layouts';
import { shareOf } from '../share';

const RANGE: u32 = 4096;
const BYTES: u32 = 24;

export function reduce(p: Reduce, thread: u32, threads: u32): void {
  const elements = p.elements;
  const ranges = (elements + RANGE - 1) / RANGE;
  const all = ranges * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const first = (i % ranges) * RANGE;
    const input = p.inputAt(i / ranges) + 4 * first;
    const count = min(RANGE, elements - first);
    let sum: f64 = 0;
    let squares: f64 = 0;
    let bad: u32 = 0;
    for (let k: u32 = 0; k < count; k++) {
      const x = load<f32>(input + 4 * k);
      sum += x;
      squares += <f64>x * <f64>x;
      if (x - x != 0) bad++;
    }
    const to = p.partial + BYTES * i;
    store<f64>(to, sum, 0);
    store<f64>(to, squares, 8);
    store<u32>(to, bad, 16);
  }
}

export function reduceFinish(p: Reduce, thread: u32, threads: u32): void {
  const replicas = p.replicas;
  const ranges = (p.elements + RANGE - 1) / RANGE;
  const end = shareOf(replicas, thread + 1, threads);
  for (let r = shareOf(replicas, thread, threads); r < end; r++) {
    let sum: f64 = 0;
    let squares: f64 = 0;
    let bad: u32 = 0;
    let from = p.partial + BYTES * ranges * r;
    for (let range: u32 = 0; range < ranges; range++, from += BYTES) {
      sum += load<f64>(from, 0);
      squares += load<f64>(from, 8);
      bad += load<u32>(from, 16);
    }
    const sums = p.sumsAt(r);
    store<f32>(sums, <f32>sum, 0);
    store<f32>(sums, <f32>squares, 4);
    store<u32>(p.nonFiniteAt(r), bad);
  }
}
