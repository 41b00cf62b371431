/** The kernels by op code. One constant and one case an operation; src/wasm/memory.ts reads the constants by name. */
import { perform } from '../../build/assembly/dispatch';
import { adamw } from './adamw';
import { attention } from './attention';
import { attentionBackward } from './attentionBackward';
import { blend } from './blend';
import { clip } from './clip';
import { columnSum } from './columnSum';
import { crossEntropy, crossEntropyRecord } from './crossEntropy';
import { dropout } from './dropout';
import { embed } from './embed';
import { embedBackward } from './embedBackward';
import { fold } from './fold';
import { matmul } from './matmul';
import { meanPositions } from './meanPositions';
import { meanPositionsBackward } from './meanPositionsBackward';
import { reduce, reduceFinish } from './reduce';
import { ridge } from './ridge';
import { sample } from './sample';
import { sgd } from './sgd';
import { similarity, similarityMean, similarityRows } from './similarity';
import { tick } from './tick';
import { unfold } from './unfold';
import { uniformFill } from './uniformFill';

export const OP_matmul: u32 = 1;
export const OP_embed: u32 = 2;
export const OP_embedBackward: u32 = 3;
export const OP_crossEntropy: u32 = 4;
export const OP_crossEntropyRecord: u32 = 5;
export const OP_sgd: u32 = 6;
export const OP_adamw: u32 = 7;
export const OP_tick: u32 = 8;
export const OP_sample: u32 = 9;
export const OP_blend: u32 = 10;
export const OP_columnSum: u32 = 11;
export const OP_meanPositions: u32 = 12;
export const OP_meanPositionsBackward: u32 = 13;
export const OP_attention: u32 = 14;
export const OP_attentionBackward: u32 = 15;
export const OP_dropout: u32 = 19;
export const OP_unfold: u32 = 20;
export const OP_fold: u32 = 21;
export const OP_reduce: u32 = 22;
export const OP_reduceFinish: u32 = 23;
export const OP_clip: u32 = 24;
export const OP_uniformFill: u32 = 25;
export const OP_ridge: u32 = 26;
export const OP_similarity: u32 = 40;
export const OP_similarityRows: u32 = 41;
export const OP_similarityMean: u32 = 42;

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
    case OP_blend:
      blend(p, thread, threads);
      break;
    case OP_columnSum:
      columnSum(p, thread, threads);
      break;
    case OP_meanPositions:
      meanPositions(p, thread, threads);
      break;
    case OP_meanPositionsBackward:
      meanPositionsBackward(p, thread, threads);
      break;
    case OP_attention:
      attention(p, thread, threads, scratch);
      break;
    case OP_attentionBackward:
      attentionBackward(p, thread, threads, scratch);
      break;
    case OP_dropout:
      dropout(p, thread, threads);
      break;
    case OP_unfold:
      unfold(p, thread, threads);
      break;
    case OP_fold:
      fold(p, thread, threads);
      break;
    case OP_reduce:
      reduce(p, thread, threads);
      break;
    case OP_reduceFinish:
      reduceFinish(p, thread, threads);
      break;
    case OP_clip:
      clip(p, thread, threads);
      break;
    case OP_uniformFill:
      uniformFill(p, thread, threads);
      break;
    case OP_ridge:
      ridge(p, thread, threads, scratch);
      break;
    case OP_similarity:
      similarity(p, thread, threads);
      break;
    case OP_similarityRows:
      similarityRows(p, thread, threads);
      break;
    case OP_similarityMean:
      similarityMean(p, thread);
      break;
    default:
      perform(op, p, thread, threads, scratch);
  }
}
