import { SCALING_WORDS } from '../../core/clock.js';
import type { PlanBuilder } from '../../plan/builder.js';
import type { Tensor } from '../../plan/types.js';
import type { KernelCase } from './types.js';

/** Sizes of a checked attention call. */
export interface AttentionCase {
  replicas?: number;
  batch: number;
  tokens: number;
  heads: number;
  dim: number;
  causal?: boolean;
  lastQueryOnly?: boolean;
  scale?: number;
  half?: boolean;
}

export interface AttentionTensors {
  qkv: Tensor;
  out: Tensor;
  logsumexp: Tensor;
  scaling?: Tensor;
  options: { label: string; heads: number; scale: number; causal?: boolean; lastQueryOnly?: boolean; half?: boolean };
}

type Build = (plan: PlanBuilder, shape: (plan: PlanBuilder) => AttentionTensors) => void;

const shapes: readonly [string, AttentionCase][] = [
  ['16 tokens, head size 16', { batch: 3, tokens: 16, heads: 5, dim: 16 }],
  ['32 tokens, head size 32', { batch: 2, tokens: 32, heads: 3, dim: 32 }],
  ['13 tokens, head size 16, causal', { batch: 2, tokens: 13, heads: 4, dim: 16, causal: true }],
  ['29 tokens, head size 16, last query', { batch: 3, tokens: 29, heads: 2, dim: 16, lastQueryOnly: true }],
  ['7 tokens, head size 6, causal', { batch: 3, tokens: 7, heads: 3, dim: 6, causal: true }],
  ['one token', { batch: 2, tokens: 1, heads: 2, dim: 8 }],
  ['head size 1', { batch: 2, tokens: 5, heads: 3, dim: 1 }],
  ['one head', { batch: 1, tokens: 9, heads: 1, dim: 20 }],
  ['77 tokens, head size 6, causal', { batch: 1, tokens: 77, heads: 2, dim: 6, causal: true }],
  ['77 tokens, head size 40', { batch: 2, tokens: 77, heads: 2, dim: 40 }],
  ['70 tokens, head size 128, causal', { batch: 1, tokens: 70, heads: 1, dim: 128, causal: true }],
  ['101 tokens, head size 33, last query', { batch: 2, tokens: 101, heads: 2, dim: 33, lastQueryOnly: true }],
  ['1030 tokens, causal', { replicas: 1, batch: 1, tokens: 1030, heads: 1, dim: 2, causal: true }],
  ['f16, 16 tokens, head size 16', { batch: 3, tokens: 16, heads: 5, dim: 16, half: true }],
  ['f16, 29 tokens, head size 6, causal', { batch: 2, tokens: 29, heads: 3, dim: 6, causal: true, half: true }],
  ['f16, 77 tokens, head size 40', { batch: 2, tokens: 77, heads: 2, dim: 40, half: true }],
  ['f16, 21 tokens, last query', { batch: 3, tokens: 21, heads: 2, dim: 16, lastQueryOnly: true, half: true }],
  ['scores of 1e4', { batch: 2, tokens: 11, heads: 4, dim: 16, scale: 2000 }],
];

/** The same shapes for forward and backward. */
export function attentionCases(build: Build, gradient = false): KernelCase[] {
  return shapes.map(([name, shape]) => ({ name, ...attentionCase(build, shape, gradient) }));
}

/** gradient: the call is the backward one. */
export function attentionCase(build: Build, shape: AttentionCase, gradient = false): Omit<KernelCase, 'name'> {
  const { replicas = 2, batch, tokens, heads, dim, causal, lastQueryOnly, half, scale = dim ** -0.5 } = shape;
  const queries = lastQueryOnly ? 1 : tokens;
  // A score is a sum of D products of order 1, with an error of at most a few times D scale 2^-24, as is the exponent of every
  // probability; the sums over at most T keys of values of order 1 to 4 propagate the error.
  const score = 16 * dim * Math.abs(scale) * 2 ** -24;
  // dQ and dK are scale times a sum of dScores, each with the error of a probability. An H200 computes the scores of the two
  // passes with different fusing: at scale 3000 dQ was off by 22 if one key has all the weight.
  const carried = gradient ? Math.max(1, Math.abs(scale)) : 1;
  return {
    replicas,
    // A weight near the midpoint between two halves may be rounded either way: 2^-11 of it, on values of order 4.
    rtol: 2 ** -18 + score + (half ? 2 ** -11 : 0),
    atol: (2 ** -18 + 4 * score + (half ? 2 ** -9 : 0)) * carried,
    ...(half && { fill: { scaling: (i: number) => [0, 140, 3, 0][i] } }),
    build(plan) {
      const p = plan.program;
      const channels = heads * dim;
      build(plan, () => ({
        qkv: p.persistent('qkv', [batch, tokens, 3 * channels]),
        out: p.persistent('out', [batch, queries, channels]),
        logsumexp: p.persistent('logsumexp', [batch, heads, queries]),
        ...(half && { scaling: p.persistent('scaling', [SCALING_WORDS], 'u32') }),
        options: { label: 'case', heads, scale, causal, lastQueryOnly, half },
      }));
    },
  };
}
