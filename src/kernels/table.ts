import { adamwKernel } from './adamw.js';
import { attentionKernel } from './attention.js';
import { attentionBackwardKernel } from './attentionBackward.js';
import { blendKernel } from './blend.js';
import { clipKernel } from './clip.js';
import { columnSumKernel } from './columnSum.js';
import { crossEntropyKernel } from './crossEntropy.js';
import { dropoutKernel } from './dropout.js';
import { embedKernel } from './embed.js';
import { embedBackwardKernel } from './embedBackward.js';
import { foldKernel } from './fold.js';
import { layerNorm } from './layerNorm.js';
import { layerNormBackward } from './layerNormBackward.js';
import { matmulKernel } from './matmul.js';
import { meanPositionsKernel } from './meanPositions.js';
import { meanPositionsBackwardKernel } from './meanPositionsBackward.js';
import { reduceKernel } from './reduce.js';
import { ridgeKernel } from './ridge.js';
import { sampleKernel } from './sample.js';
import { sgdKernel } from './sgd.js';
import { similarityKernel } from './similarity.js';
import { tickKernel } from './tick.js';
import type { KernelSpec } from './types.js';
import { unfoldKernel } from './unfold.js';
import { uniformFillKernel } from './uniformFill.js';

/** Every operation a plan may call. One line an operation. */
export const kernels = {
  sample: sampleKernel,
  embed: embedKernel,
  embedBackward: embedBackwardKernel,
  blend: blendKernel,
  columnSum: columnSumKernel,
  meanPositions: meanPositionsKernel,
  meanPositionsBackward: meanPositionsBackwardKernel,
  matmul: matmulKernel,
  similarity: similarityKernel,
  ridge: ridgeKernel,
  tick: tickKernel,
  adamw: adamwKernel,
  sgd: sgdKernel,
  crossEntropy: crossEntropyKernel,
  attention: attentionKernel,
  attentionBackward: attentionBackwardKernel,
  layerNorm,
  layerNormBackward: layerNormBackward,
  dropout: dropoutKernel,
  reduce: reduceKernel,
  clip: clipKernel,
  uniformFill: uniformFillKernel,
  unfold: unfoldKernel,
  fold: foldKernel,
} satisfies Record<string, KernelSpec>;
