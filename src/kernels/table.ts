import { adamw } from './adamw.js';
import { attention } from './attention.js';
import { attentionBackward } from './attentionBackward.js';
import { blendOperation } from './blend.js';
import { clip } from './clip.js';
import { columnSum } from './columnSum.js';
import { copyRows } from './copyRows.js';
import { crossEntropy } from './crossEntropy.js';
import { dropout } from './dropout.js';
import { embed } from './embed.js';
import { embedBackward } from './embedBackward.js';
import { fold } from './fold.js';
import { layerNorm } from './layerNorm.js';
import { layerNormBackward } from './layerNormBackward.js';
import { lion } from './lion.js';
import { lookup } from './lookup.js';
import { mask } from './mask.js';
import { matmulOperation } from './matmul.js';
import { meanPositions } from './meanPositions.js';
import { meanPositionsBackward } from './meanPositionsBackward.js';
import { multiply } from './multiply.js';
import { reduce } from './reduce.js';
import { ridge } from './ridge.js';
import { rmsNorm } from './rmsNorm.js';
import { rmsNormBackward } from './rmsNormBackward.js';
import { rowDot } from './rowDot.js';
import { sample } from './sample.js';
import { sgd } from './sgd.js';
import type { Operation } from './shared/operation.js';
import { similarity } from './similarity.js';
import { softmax } from './softmax.js';
import { softmaxBackward } from './softmaxBackward.js';
import { tick } from './tick.js';
import { treeLogic } from './treeLogic.js';
import { unfold } from './unfold.js';
import { uniformFill } from './uniformFill.js';

/** Every operation that a plan may call, by its name. One line per operation. */
export const kernels: Readonly<Record<string, Operation>> = byName([
  sample,
  lookup,
  mask,
  embed,
  embedBackward,
  blendOperation,
  columnSum,
  meanPositions,
  meanPositionsBackward,
  matmulOperation,
  similarity,
  ridge,
  tick,
  treeLogic,
  adamw,
  sgd,
  lion,
  copyRows,
  crossEntropy,
  attention,
  attentionBackward,
  layerNorm,
  layerNormBackward,
  rmsNorm,
  rmsNormBackward,
  multiply,
  rowDot,
  softmax,
  softmaxBackward,
  dropout,
  reduce,
  clip,
  uniformFill,
  unfold,
  fold,
]);

function byName(operations: readonly Operation[]): Record<string, Operation> {
  return Object.fromEntries(operations.map((operation) => [operation.op, operation]));
}
