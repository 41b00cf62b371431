import type { AttentionCase } from '../../src/kernels/shared/attention.cases.js';
import type { Draw } from './harness.js';

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
