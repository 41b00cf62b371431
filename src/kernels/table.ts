import { adamw } from './adamw.js';
import { attention } from './attention.js';
import { attentionBackward } from './attentionBackward.js';
import { blendOperation } from './blend.js';
import { clip } from './clip.js';
import { columnSum } from './columnSum.js';
import { crossEntropy } from './crossEntropy.js';
import { dropout } from './dropout.js';
import { embed } from './embed.js';
import { embedBackward } from './embedBackward.js';
import { fold } from './fold.js';
import { layerNorm } from './layerNorm.js';
import { layerNormBackward } from './layerNormBackward.js';
import { lion } from './lion.js';
import { matmulOperation } from './matmul.js';
import { meanPositions } from './meanPositions.js';
import { meanPositionsBackward } from './meanPositionsBackward.js';
import { reduce } from './reduce.js';
import { ridge } from './ridge.js';
import { rmsNorm } from './rmsNorm.js';
import { rmsNormBackward } from './rmsNormBackward.js';
import { sample } from './sample.js';
import { sgd } from './sgd.js';
import { similarity } from './similarity.js';
import { tick } from './tick.js';
import type { KernelSpec } from './types.js';
import { unfold } from './unfold.js';
import { uniformFill } from './uniformFill.js';

/** Every operation a plan may call. One line an operation. */
export const kernels = {
  sample,
  embed,
  embedBackward,
  blend: blendOperation,
  columnSum,
  meanPositions,
  meanPositionsBackward,
  matmul: matmulOperation,
  similarity,
  ridge,
  tick,
  adamw,
  sgd,
  lion,
  crossEntropy,
  attention,
  attentionBackward,
  layerNorm,
  layerNormBackward: layerNormBackward,
  rmsNorm,
  rmsNormBackward,
  dropout,
  reduce,
  clip,
  uniformFill,
  unfold,
  fold,
} satisfies Record<string, KernelSpec>;
