/**
 * Softmax cross-entropy and its gradient: loss = log sum exp(z - max) + max - z[target], dLogits = (softmax - onehot) * share / terms;
 * the twin of shaders/crossEntropy.wgsl. A thread owns rows; `crossEntropyRecord` then averages a replica's rows, in ascending order.
 */
import { CrossEntropy } from '../../build/assembly/layouts';
import { SCALING_EXPONENT } from '../../build/assembly/words';
import { exp1, exp4, log1, sum4 } from '../math';
import { shareOf } from '../share';

export function crossEntropy(p: CrossEntropy, thread: u32, threads: u32): void {
  const rows = p.rows;
  const classes = p.classes;
  const perSentence = p.rowsPerSentence;
  const all = rows * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / rows;
    const row = i % rows;
    const sentence = (row / perSentence) * p.targetRow + p.targetOffset + (row % perSentence);
    const target = load<u32>(p.targetsAt(r) + 4 * sentence);
    const z = p.logitsAt(r) + 4 * row * classes;
    let d = p.dLogits;
    if (d) d += 4 * (r * p.dLogitsReplica + row * classes);
    const factor: f32 = p.scaling ? reinterpret<f32>(load<u32>(p.scalingAt(r), SCALING_EXPONENT) << 23) : 1;
    const count: u32 = p.counts ? load<u32>(p.countsAt(r) + 4 * row) : 1;
    const share: f32 = count ? <f32>1 / <f32>count : 0;
    oneRow(z, d, classes, target, share, (factor / <f32>p.terms) * share, p.results + 8 * i);
  }
}

/** share: weight of the row; step: weight of its gradient. */
function oneRow(z: usize, d: usize, classes: u32, target: u32, share: f32, step: f32, result: usize): void {
  let best: u32 = 0;
  let largest = load<f32>(z);
  for (let i: u32 = 1; i < classes; i++) {
    const x = load<f32>(z + 4 * i);
    if (x > largest) {
      largest = x;
      best = i;
    }
  }
  const shift = f32x4.splat(largest);
  const whole = classes & ~3;
  let sums = f32x4.splat(0);
  for (let i: u32 = 0; i < whole; i += 4) {
    const e = exp4(f32x4.sub(v128.load(z + 4 * i), shift));
    sums = f32x4.add(sums, e);
    if (d) v128.store(d + 4 * i, e);
  }
  let sum = sum4(sums);
  for (let i = whole; i < classes; i++) {
    const e = exp1(load<f32>(z + 4 * i) - largest);
    sum += e;
    if (d) store<f32>(d + 4 * i, e);
  }
  store<f32>(result, share * (largest - load<f32>(z + 4 * target) + log1(sum)), 0);
  store<f32>(result, best == target ? share : 0, 4);
  if (!d) return;
  const factor = step / sum;
  const factors = f32x4.splat(factor);
  for (let i: u32 = 0; i < whole; i += 4) v128.store(d + 4 * i, f32x4.mul(v128.load(d + 4 * i), factors));
  for (let i = whole; i < classes; i++) store<f32>(d + 4 * i, load<f32>(d + 4 * i) * factor);
  store<f32>(d + 4 * target, load<f32>(d + 4 * target) - step);
}

export function crossEntropyRecord(p: CrossEntropy, thread: u32, threads: u32): void {
  const rows = p.rows;
  const replicas = p.replicas;
  const end = shareOf(replicas, thread + 1, threads);
  for (let r = shareOf(replicas, thread, threads); r < end; r++) {
    let from = p.results + 8 * r * rows;
    let loss: f64 = 0;
    let correct: f64 = 0;
    for (let row: u32 = 0; row < rows; row++, from += 8) {
      loss += load<f32>(from, 0);
      correct += load<f32>(from, 4);
    }
    const count = load<u32>(p.clockAt(r) + 4 * p.clockWord);
    const slot = p.recordAt(r) + 4 * (2 * (count % p.ring));
    store<f32>(slot, <f32>(loss / <f64>p.terms), 0);
    store<f32>(slot, <f32>(correct / <f64>p.terms), 4);
  }
}
