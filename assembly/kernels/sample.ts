/** Sentences of a grammar; the twin of shaders/sample.wgsl, based on the general sampler. Rows are divided among the threads. */
import { Sample } from '../../build/assembly/layouts';
import { CLOCK_SAMPLE_LOW, HEADER_NODES, HEADER_TOKENS } from '../../build/assembly/words';
import { generalScratchBytes, sampleGeneral } from '../sampler';
import { alignUp, shareOf } from '../share';
import { copyWords, field } from '../words';

export function sample(p: Sample, thread: u32, threads: u32, scratch: usize): void {
  const batch = p.batch;
  const rows = p.replicas * batch;
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
function replicaRows(p: Sample, r: u32, b: u32, count: u32, scratch: usize): void {
  const image = p.grammarAt(r);
  const source = p.sourceAt(r);
  const clock = p.clockAt(r);
  const changes = p.change;
  const change = changes ? changes + 4 * r * p.changeReplica : 0;
  const roots = p.roots;
  const hidden = p.hidden;
  const d = field(image, HEADER_TOKENS);
  const nodes = field(image, HEADER_NODES);
  let tokens = p.tokensAt(r) + 4 * b * d;
  let g: u64 = load<u64>(clock, CLOCK_SAMPLE_LOW) + p.skip + b;
  if (!roots && !hidden) {
    sampleGeneral(image, source, change, <u32>g, <u32>(g >> 32), count, tokens, 4, 0, 0, scratch);
    return;
  }
  const tree = scratch + alignUp(generalScratchBytes(image), 64);
  let root = roots + 4 * (r * p.rootsReplica + b);
  let above = hidden + 4 * (r * p.hiddenReplica + b * nodes);
  for (let i: u32 = 0; i < count; i++, g++) {
    sampleGeneral(image, source, change, <u32>g, <u32>(g >> 32), 1, tokens, 4, tree, 0, scratch);
    tokens += 4 * d;
    if (roots) store<u32>(root, load<u32>(tree));
    if (hidden) copyWords(above, tree, nodes);
    root += 4;
    above += 4 * nodes;
  }
}
