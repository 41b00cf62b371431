/**
 * Softmax cross-entropy and its gradient: loss = log sum exp(z - max) + max - z[target], dLogits = (softmax - onehot) / rows;
 * the twin of shaders/crossEntropy.wgsl. A thread owns rows; `crossEntropyRecord` then averages a replica's rows, upwards.
 */
import { exp1, exp4, log1, sum4 } from '../math';
import { shareOf } from '../share';

// Parameter words (src/kernels/crossEntropy.ts), shared by both commands.
const LOGITS: usize = 0;
const TARGETS: usize = 4;
const CLOCK: usize = 8;
const D_LOGITS: usize = 12; // 0: only evaluate
const RECORD: usize = 16;
const RESULTS: usize = 20; // scratch f32 [R, rows, 2]: loss, 1 where the first largest logit is the target's
const LOGITS_REPLICA: usize = 24;
const TARGETS_REPLICA: usize = 28;
const CLOCK_REPLICA: usize = 32;
const D_LOGITS_REPLICA: usize = 36;
const RECORD_REPLICA: usize = 40;
const REPLICAS: usize = 44;
const ROWS: usize = 48;
const CLASSES: usize = 52;
const ROWS_PER_SENTENCE: usize = 56;
const TARGET_ROW: usize = 60;
const TARGET_OFFSET: usize = 64;
const RING: usize = 68;
const CLOCK_WORD: usize = 72;

export function crossEntropy(p: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(p, ROWS);
  const classes = load<u32>(p, CLASSES);
  const perSentence = load<u32>(p, ROWS_PER_SENTENCE);
  const all = rows * load<u32>(p, REPLICAS);
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / rows;
    const row = i % rows;
    const sentence = (row / perSentence) * load<u32>(p, TARGET_ROW) + load<u32>(p, TARGET_OFFSET) + (row % perSentence);
    const target = load<u32>(load<u32>(p, TARGETS) + 4 * (r * load<u32>(p, TARGETS_REPLICA) + sentence));
    const z = load<u32>(p, LOGITS) + 4 * (r * load<u32>(p, LOGITS_REPLICA) + row * classes);
    let d = load<u32>(p, D_LOGITS);
    if (d) d += 4 * (r * load<u32>(p, D_LOGITS_REPLICA) + row * classes);
    oneRow(z, d, classes, target, 1 / <f32>rows, load<u32>(p, RESULTS) + 8 * i);
  }
}

function oneRow(z: usize, d: usize, classes: u32, target: u32, share: f32, result: usize): void {
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
  store<f32>(result, largest - load<f32>(z + 4 * target) + log1(sum), 0);
  store<f32>(result, best == target ? 1 : 0, 4);
  if (!d) return;
  const factor = share / sum;
  const factors = f32x4.splat(factor);
  for (let i: u32 = 0; i < whole; i += 4) v128.store(d + 4 * i, f32x4.mul(v128.load(d + 4 * i), factors));
  for (let i = whole; i < classes; i++) store<f32>(d + 4 * i, load<f32>(d + 4 * i) * factor);
  store<f32>(d + 4 * target, load<f32>(d + 4 * target) - share);
}

export function crossEntropyRecord(p: usize, thread: u32, threads: u32): void {
  const rows = load<u32>(p, ROWS);
  const replicas = load<u32>(p, REPLICAS);
  const end = shareOf(replicas, thread + 1, threads);
  for (let r = shareOf(replicas, thread, threads); r < end; r++) {
    let from = load<u32>(p, RESULTS) + 8 * r * rows;
    let loss: f64 = 0;
    let correct: f64 = 0;
    for (let row: u32 = 0; row < rows; row++, from += 8) {
      loss += load<f32>(from, 0);
      correct += load<f32>(from, 4);
    }
    const count = load<u32>(load<u32>(p, CLOCK) + 4 * (r * load<u32>(p, CLOCK_REPLICA) + load<u32>(p, CLOCK_WORD)));
    const slot = load<u32>(p, RECORD) + 4 * (r * load<u32>(p, RECORD_REPLICA) + 2 * (count % load<u32>(p, RING)));
    store<f32>(slot, <f32>(loss / <f64>rows), 0);
    store<f32>(slot, <f32>(correct / <f64>rows), 4);
  }
}
