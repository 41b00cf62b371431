/**
 * One job of sampling shared by threads: each takes the next chunk of sentences until none is left. Every thread has separate
 * scratch. The result does not depend on which thread wrote which sentence, since sentence g depends on g alone.
 */

import { SOURCE_KEY } from '../build/assembly/words';
import { sampleFast } from './fast';
import { sampleGeneral } from './sampler';

// Job record (src/grammar/parallel.ts), u32 words.
const NEXT: usize = 0; // next chunk; set to 0 before the job
const CHUNK: usize = 4; // sentences of a chunk
const COUNT: usize = 8; // total number of sentences
const START_LOW: usize = 12; // sentence number of the first one
const START_HIGH: usize = 16;
const OUTPUT: usize = 20;
const ROW: usize = 24; // bytes per sentence
const TOKEN_BYTES: usize = 28; // 1 or 4
const PLAN: usize = 32; // 0: general sampler
const IMAGE: usize = 36;
const SOURCE: usize = 40;
const CHANGE: usize = 44; // 0: none

export function samplePart(job: usize, scratch: usize): void {
  const count = load<u32>(job, COUNT);
  const chunk = load<u32>(job, CHUNK);
  const start: u64 = load<u64>(job, START_LOW);
  const output: usize = load<u32>(job, OUTPUT);
  const row = load<u32>(job, ROW);
  const plan = load<u32>(job, PLAN);
  const source = load<u32>(job, SOURCE);
  while (true) {
    const first = nextChunk(job) * chunk;
    if (first >= count) return;
    const rows = min(chunk, count - first);
    const g = start + first;
    const at = output + first * row;
    if (plan)
      sampleFast(
        plan,
        load<u32>(source, SOURCE_KEY),
        load<u32>(source, SOURCE_KEY + 4),
        <u32>g,
        <u32>(g >> 32),
        rows,
        at,
        scratch,
      );
    else {
      const bytes = load<u32>(job, TOKEN_BYTES);
      const change = load<u32>(job, CHANGE);
      sampleGeneral(load<u32>(job, IMAGE), source, change, <u32>g, <u32>(g >> 32), rows, at, bytes, 0, 0, scratch);
    }
  }
}

function nextChunk(job: usize): u32 {
  if (ASC_FEATURE_THREADS) return atomic.add<u32>(job, 1, NEXT);
  const next = load<u32>(job, NEXT);
  store<u32>(job, next + 1, NEXT);
  return next;
}
