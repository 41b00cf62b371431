/** output[b, outputFirst + i] = (output +) input[b, inputFirst + i]; the twin of shaders/copyRows.wgsl. A thread owns sentences. */
import { CopyRows } from '../../build/assembly/layouts';
import { shareOf } from '../share';
import { copyWords } from '../words';

export function copyRows(p: CopyRows, thread: u32, threads: u32): void {
  const words = p.rows * p.columns;
  const all = p.batch * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / p.batch;
    const b = i % p.batch;
    const x = p.inputAt(r) + 4 * (b * p.inputRows + p.inputFirst) * p.columns;
    const y = p.outputAt(r) + 4 * (b * p.outputRows + p.outputFirst) * p.columns;
    if (p.accumulate == 0) copyWords(y, x, words);
    else for (let j: u32 = 0; j < 4 * words; j += 4) store<f32>(y + j, load<f32>(y + j) + load<f32>(x + j));
  }
}
