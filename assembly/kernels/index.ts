/** The kernels by op code. One constant and one case an operation; src/wasm/memory.ts reads the constants by name. */
import { perform } from '../../build/assembly/dispatch';
import { attention } from './attention';
import { attentionBackward } from './attentionBackward';
import { sample } from './sample';

export const OP_sample: u32 = 9;
export const OP_attention: u32 = 14;
export const OP_attentionBackward: u32 = 15;

/** One thread's share of a command. p: its parameter words; scratch: memory of this thread's own. */
export function execute(op: u32, p: usize, thread: u32, threads: u32, scratch: usize): void {
  switch (op) {
    case OP_sample:
      sample(p, thread, threads, scratch);
      break;
    case OP_attention:
      attention(p, thread, threads, scratch);
      break;
    case OP_attentionBackward:
      attentionBackward(p, thread, threads, scratch);
      break;
    default:
      perform(op, p, thread, threads, scratch);
  }
}
