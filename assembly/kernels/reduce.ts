/**
 * Sum, sum of squares and number of non-finite values of every replica's elements; the twin of shaders/reduce.wgsl. `reduce`
 * sums ranges of 4096 elements in float64, a thread owns ranges; `reduceFinish` adds them up in order.
 */
import { shareOf } from '../share';

// Parameter words (src/kernels/reduce.ts), shared by both commands. Addresses in bytes, strides in elements.
const INPUT: usize = 0;
const SUMS: usize = 4;
const NON_FINITE: usize = 8;
const PARTIAL: usize = 12; // scratch [R, ranges, 24 bytes]: f64 sum, f64 sum of squares, u32 count
const INPUT_REPLICA: usize = 16;
const SUMS_REPLICA: usize = 20;
const NON_FINITE_REPLICA: usize = 24;
const REPLICAS: usize = 28;
const ELEMENTS: usize = 32;

const RANGE: u32 = 4096;
const BYTES: u32 = 24;

export function reduce(p: usize, thread: u32, threads: u32): void {
  const elements = load<u32>(p, ELEMENTS);
  const ranges = (elements + RANGE - 1) / RANGE;
  const all = ranges * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const first = (i % ranges) * RANGE;
    const input = load<u32>(p, INPUT) + 4 * ((i / ranges) * load<u32>(p, INPUT_REPLICA) + first);
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
    const to = load<u32>(p, PARTIAL) + BYTES * i;
    store<f64>(to, sum, 0);
    store<f64>(to, squares, 8);
    store<u32>(to, bad, 16);
  }
}

export function reduceFinish(p: usize, thread: u32, threads: u32): void {
  const replicas = load<u32>(p, REPLICAS);
  const ranges = (load<u32>(p, ELEMENTS) + RANGE - 1) / RANGE;
  const end = shareOf(replicas, thread + 1, threads);
  for (let r = shareOf(replicas, thread, threads); r < end; r++) {
    let sum: f64 = 0;
    let squares: f64 = 0;
    let bad: u32 = 0;
    let from = load<u32>(p, PARTIAL) + BYTES * ranges * r;
    for (let range: u32 = 0; range < ranges; range++, from += BYTES) {
      sum += load<f64>(from, 0);
      squares += load<f64>(from, 8);
      bad += load<u32>(from, 16);
    }
    const sums = load<u32>(p, SUMS) + 4 * r * load<u32>(p, SUMS_REPLICA);
    store<f32>(sums, <f32>sum, 0);
    store<f32>(sums, <f32>squares, 4);
    store<u32>(load<u32>(p, NON_FINITE) + 4 * r * load<u32>(p, NON_FINITE_REPLICA), bad);
  }
}
