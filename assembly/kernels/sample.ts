/** Sentences of a grammar; the twin of shaders/sample.wgsl on top of the general sampler. Rows are shared out to the threads. */
import { field, NODES, TOKENS } from '../layout';
import { generalScratchBytes, sampleGeneral } from '../sampler';
import { alignUp, shareOf } from '../share';

// Parameter words (src/kernels/sample.ts). Addresses in bytes, strides in elements.
const GRAMMAR: usize = 0;
const SOURCE: usize = 4;
const CLOCK: usize = 8;
const CHANGE: usize = 12; // 0: none
const TOKENS_OUT: usize = 16;
const ROOTS: usize = 20; // 0: not wanted
const HIDDEN: usize = 24; // 0: not wanted
const REPLICAS: usize = 28;
const BATCH: usize = 32;
const SKIP: usize = 36;
const GRAMMAR_STRIDE: usize = 40;
const SOURCE_STRIDE: usize = 44;
const CLOCK_STRIDE: usize = 48;
const CHANGE_STRIDE: usize = 52;
const TOKENS_STRIDE: usize = 56;
const ROOTS_STRIDE: usize = 60;
const HIDDEN_STRIDE: usize = 64;

export function sample(p: usize, thread: u32, threads: u32, scratch: usize): void {
  const batch = load<u32>(p, BATCH);
  const rows = load<u32>(p, REPLICAS) * batch;
  const end = shareOf(rows, thread + 1, threads);
  for (let row = shareOf(rows, thread, threads); row < end; ) {
    const r = row / batch;
    const b = row % batch;
    const count = min(batch - b, end - row);
    replicaRows(p, r, b, count, scratch);
    row += count;
  }
}

/** Rows b .. b+count-1 of replica r. */
function replicaRows(p: usize, r: u32, b: u32, count: u32, scratch: usize): void {
  const image = load<u32>(p, GRAMMAR) + 4 * r * load<u32>(p, GRAMMAR_STRIDE);
  const source = load<u32>(p, SOURCE) + 4 * r * load<u32>(p, SOURCE_STRIDE);
  const clock = load<u32>(p, CLOCK) + 4 * r * load<u32>(p, CLOCK_STRIDE);
  const changes = load<u32>(p, CHANGE);
  const change = changes ? changes + 4 * r * load<u32>(p, CHANGE_STRIDE) : 0;
  const roots = load<u32>(p, ROOTS);
  const hidden = load<u32>(p, HIDDEN);
  const d = field(image, TOKENS);
  const nodes = field(image, NODES);
  let tokens = load<u32>(p, TOKENS_OUT) + 4 * (r * load<u32>(p, TOKENS_STRIDE) + b * d);
  let g: u64 = load<u64>(clock, 4) + load<u32>(p, SKIP) + b;
  if (!roots && !hidden) {
    sampleGeneral(image, source, change, <u32>g, <u32>(g >> 32), count, tokens, 4, 0, 0, scratch);
    return;
  }
  const tree = scratch + alignUp(generalScratchBytes(image), 64);
  let root = roots + 4 * (r * load<u32>(p, ROOTS_STRIDE) + b);
  let above = hidden + 4 * (r * load<u32>(p, HIDDEN_STRIDE) + b * nodes);
  for (let i: u32 = 0; i < count; i++, g++) {
    sampleGeneral(image, source, change, <u32>g, <u32>(g >> 32), 1, tokens, 4, tree, 0, scratch);
    tokens += 4 * d;
    if (roots) store<u32>(root, load<u32>(tree));
    if (hidden) memory.copy(above, tree, 4 * nodes);
    root += 4;
    above += 4 * nodes;
  }
}
