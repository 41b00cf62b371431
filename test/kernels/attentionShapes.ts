import type { AttentionCase } from '../../src/kernels/shared/attention.cases.js';
import type { Draw } from './harness.js';

/** Cases for the tiled kernels: one, several and no whole tiles, one and several heads a workgroup and column ranges. */
export const tiledCases = [
  '16 tokens, head size 16',
  '13 tokens, head size 16, causal',
  '32 tokens, head size 32',
  '29 tokens, head size 16, last query',
  '77 tokens, head size 6, causal',
  '77 tokens, head size 40',
  'scores of 1e4',
];

/** Random shapes. */
export function randomAttention(draw: Draw): AttentionCase {
  return {
    replicas: draw(1, 3),
    batch: draw(1, 2),
    tokens: draw(0, 19) === 0 ? draw(33, 50) : draw(1, 20),
    heads: draw(1, 3),
    dim: draw(1, 12),
    causal: draw(0, 1) === 1,
    lastQueryOnly: draw(0, 3) === 0,
  };
}
