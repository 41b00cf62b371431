/** The kernels by op code. One constant and one case an operation; src/wasm/memory.ts reads the constants by name. */
import { perform } from '../../build/assembly/dispatch';
import { adamw } from './adamw';
import { attention } from './attention';
import { attentionBackward } from './attentionBackward';
import { crossEntropy, crossEntropyRecord } from './crossEntropy';
import { embed } from './embed';
import { embedBackward } from './embedBackward';
import { fold } from './fold';
import { matmul } from './matmul';
import { ridge } from './ridge';
import { sample } from './sample';
import { sgd } from './sgd';
import { tick } from './tick';
import { unfold } from './unfold';

export const OP_matmul: u32 = 1;
export const OP_embed: u32 = 2;
export const OP_embedBackward: u32 = 3;
export const OP_crossEntropy: u32 = 4;
export const OP_crossEntropyRecord: u32 = 5;
export const OP_sgd: u32 = 6;
export const OP_adamw: u32 = 7;
export const OP_tick: u32 = 8;
export const OP_sample: u32 = 9;
export const OP_attention: u32 = 14;
export const OP_attentionBackward: u32 = 15;
export const OP_unfold: u32 = 20;
export const OP_fold: u32 = 21;
export const OP_ridge: u32 = 26;

/** One thread's share of a command. p: its parameter words; scratch: memory of this thread's own. */
export function execute(op: u32, p: usize, thread: u32, threads: u32, scratch: usize): void {
  switch (op) {
    case OP_matmul:
      matmul(p, thread, threads, scratch);
      break;
    case OP_embed:
      embed(p, thread, threads, scratch);
      break;
    case OP_embedBackward:
      embedBackward(p, thread, threads, scratch);
      break;
    case OP_crossEntropy:
      crossEntropy(p, thread, threads);
      break;
    case OP_crossEntropyRecord:
      crossEntropyRecord(p, thread, threads);
      break;
    case OP_sgd:
      sgd(p, thread, threads);
      break;
    case OP_adamw:
      adamw(p, thread, threads);
      break;
    case OP_sample:
      sample(p, thread, threads, scratch);
      break;
    case OP_tick:
      tick(p, thread, threads);
      break;
    case OP_attention:
      attention(p, thread, threads, scratch);
      break;
    case OP_attentionBackward:
      attentionBackward(p, thread, threads, scratch);
      break;
    case OP_unfold:
      unfold(p, thread, threads);
      break;
    case OP_fold:
      fold(p, thread, threads);
      break;
    case OP_ridge:
      ridge(p, thread, threads, scratch);
      break;
    default:
      perform(op, p, thread, threads, scratch);
  }
}
