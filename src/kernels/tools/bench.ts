/** Shapes that `rhm bench kernels` times. Add a line for a new operation. */
import type { PlanBuilder } from '../../plan/builder.js';
import { adamw } from '../adamw.js';
import { attention } from '../attention.js';
import { attentionBackward } from '../attentionBackward.js';
import { crossEntropy } from '../crossEntropy.js';
import { embed } from '../embed.js';
import { embedBackward } from '../embedBackward.js';
import { layerNorm } from '../layerNorm.js';
import { layerNormBackward } from '../layerNormBackward.js';
import { matmul } from '../matmul.js';
import { reduce } from '../reduce.js';
import { sgd } from '../sgd.js';
import type { Form } from '../shared/matmulTiles.js';

export interface BenchCase {
  op: string;
  shape: string;
  replicas?: number;
  /** Fills a large GPU; takes minutes on a driver that runs on the CPU. */
  large?: boolean;
  half?: boolean; // needs an executor that rounds factors to f16
  fill?: Readonly<Record<string, (i: number) => number>>;
  build(plan: PlanBuilder): void;
}

const matmulShapes: readonly [m: number, n: number, k: number, large: boolean][] = [
  [512, 512, 512, false],
  [512, 512, 1024, false],
  [1024, 512, 1024, false],
  [1024, 1024, 1024, false],
  [8192, 512, 1024, true],
  [4096, 4096, 4096, true],
];

const attentionShapes: readonly [batch: number, tokens: number, heads: number, dim: number, mode: string][] = [
  [32, 16, 16, 16, ''],
  [1024, 16, 16, 16, ''],
  [1024, 16, 16, 32, ''],
  [1024, 32, 16, 16, ''],
  [1024, 32, 16, 32, ''],
  [1024, 32, 16, 32, 'last query'],
  [8, 1024, 8, 64, 'causal'],
];

export const benchCases: readonly BenchCase[] = [
  ...(['NN', 'NT', 'TN'] as const).flatMap((form) =>
    [false, true].flatMap((half) =>
      matmulShapes.map(([m, n, k, large]): BenchCase => matmulCase(form, m, n, k, 1, large, half)),
    ),
  ),
  matmulCase('NN', 128, 512, 1024, 16, false),
  matmulCase('TN', 1024, 512, 128, 16, false),
  matmulCase('TN', 1024, 512, 128, 1, false),
  matmulCase('NT', 128, 1024, 512, 1, false),
  {
    op: 'embed',
    shape: 'B 1024, 8 windows of 2, v 16, w 512',
    fill: tokens(16),
    build: (plan) => embedding(plan, false),
  },
  {
    op: 'embedBackward',
    shape: 'B 1024, 8 windows of 2, v 16, w 512',
    fill: tokens(16),
    build: (plan) => embedding(plan, true),
  },
  lossCase(1024, 16, false),
  lossCase(2 ** 21, 32, true),
  updateCase('sgd', 2 ** 20, false),
  updateCase('adamw', 2 ** 20, false),
  updateCase('adamw', 2 ** 26, true),
  ...[false, true].flatMap((backward) => [
    ...attentionShapes.map((shape) => attentionBench(backward, ...shape)),
    normCase(backward, 2 ** 14, 256, false),
    normCase(backward, 2 ** 17, 512, true),
  ]),
  {
    op: 'reduce',
    shape: `${2 ** 26} gradients`,
    large: true,
    build(plan) {
      const p = plan.program;
      const nonFinite = p.persistent('nonFinite', [1], 'u32');
      reduce(plan, { label: 'bench', input: p.persistent('g', [2 ** 26]), sums: p.persistent('s', [2]), nonFinite });
    },
  },
];

function matmulCase(
  form: Form,
  m: number,
  n: number,
  k: number,
  replicas: number,
  large: boolean,
  half = false,
): BenchCase {
  return {
    op: 'matmul',
    shape: `${half ? 'f16 ' : ''}${form} ${m} x ${n} x ${k}${replicas > 1 ? ` x ${replicas}` : ''}`,
    half,
    replicas,
    large,
    build(plan) {
      const p = plan.program;
      matmul(plan, {
        ...{ label: 'bench', form, m, n, k, half },
        a: { tensor: p.persistent('a', form === 'TN' ? [k, m] : [m, k]) },
        b: { tensor: p.persistent('b', form === 'NT' ? [n, k] : [k, n]) },
        c: { tensor: p.persistent('c', [m, n]) },
      });
    },
  };
}

function attentionBench(
  backward: boolean,
  batch: number,
  tokens: number,
  heads: number,
  dim: number,
  mode: string,
): BenchCase {
  const lastQueryOnly = mode === 'last query';
  return {
    op: backward ? 'attentionBackward' : 'attention',
    shape: `B ${batch}, T ${tokens}, ${heads} heads of ${dim}${mode && `, ${mode}`}`,
    large: batch * tokens > 2 ** 10,
    build(plan) {
      const p = plan.program;
      const queries = lastQueryOnly ? 1 : tokens;
      const qkv = p.persistent('qkv', [batch, tokens, 3 * heads * dim]);
      const out = p.persistent('out', [batch, queries, heads * dim]);
      const logsumexp = p.persistent('logsumexp', [batch, heads, queries]);
      const options = { label: 'bench', qkv, out, logsumexp, heads, scale: dim ** -0.5, lastQueryOnly };
      const causal = mode === 'causal';
      if (!backward) return attention(plan, { ...options, causal });
      const dOut = p.persistent('dOut', [batch, queries, heads * dim]);
      const dQkv = p.persistent('dQkv', [batch, tokens, 3 * heads * dim]);
      attentionBackward(plan, { ...options, causal, dOut, dQkv });
    },
  };
}

function normCase(backward: boolean, rows: number, channels: number, large: boolean): BenchCase {
  return {
    op: backward ? 'layerNormBackward' : 'layerNorm',
    shape: `${rows} rows of ${channels}`,
    large,
    build(plan) {
      const p = plan.program;
      const input = p.persistent('input', [rows, channels]);
      const weight = p.persistent('weight', [channels]);
      const mean = p.persistent('mean', [rows]);
      const inverse = p.persistent('inverse', [rows]);
      const output = p.persistent('output', [rows, channels]);
      const bias = p.persistent('bias', [channels]);
      if (!backward) return layerNorm(plan, { label: 'bench', input, weight, bias, output, mean, inverse });
      const dInput = p.persistent('dInput', [rows, channels]);
      const dWeight = p.persistent('dWeight', [channels]);
      const shared = { label: 'bench', input, weight, mean, inverse };
      layerNormBackward(plan, { ...shared, dOutput: output, dInput, dWeight, dBias: bias });
    },
  };
}

function tokens(v: number): BenchCase['fill'] {
  return { tokens: (i) => ((i * 2654435761) >>> 8) % v };
}

function embedding(plan: PlanBuilder, backward: boolean): void {
  const p = plan.program;
  const shared = {
    label: 'bench',
    tokens: p.persistent('tokens', [1024, 16], 'u32'),
    v: 16,
    filter: 2,
    whitened: true,
    masked: 15,
    scale: 32 ** -0.5,
  };
  const weight = p.persistent('weight', [32, 512]);
  const output = p.persistent('output', [1024, 8, 512]);
  if (backward) embedBackward(plan, { ...shared, dOutput: output, dWeight: weight });
  else embed(plan, { ...shared, weight, output, relu: true });
}

function lossCase(rows: number, classes: number, large: boolean): BenchCase {
  return {
    op: 'crossEntropy',
    shape: `${rows} rows of ${classes}`,
    large,
    fill: { targets: (i) => i % classes, clock: () => 0 },
    build(plan) {
      const p = plan.program;
      crossEntropy(plan, {
        label: 'bench',
        logits: p.persistent('logits', [rows, classes]),
        targets: p.persistent('targets', [rows, 1], 'u32'),
        clock: p.persistent('clock', [8], 'u32'),
        clockWord: 0,
        dLogits: p.persistent('dLogits', [rows, classes]),
        record: p.persistent('record', [4, 2]),
      });
    },
  };
}

function updateCase(op: 'sgd' | 'adamw', elements: number, large: boolean): BenchCase {
  return {
    op,
    shape: `${elements} parameters`,
    large,
    fill: {
      hyper: (i) => [1e-3, 0.9, 0.9, 0.999, 1e-8, 0, 0, 0, 0, 0, 0.1, 0.001, 0, 0, 0, 0][i],
      pace: (i) => [1e-3, 0.1, 0.001, 0][i],
    },
    build(plan) {
      const p = plan.program;
      const blocks = {
        label: 'bench',
        params: p.persistent('params', [elements]),
        grads: p.persistent('grads', [elements]),
        hyper: p.persistent('hyper', [16]),
        pace: p.persistent('pace', [4]),
      };
      if (op === 'sgd') sgd(plan, { ...blocks, velocity: p.persistent('velocity', [elements]) });
      else
        adamw(plan, {
          ...blocks,
          moment1: p.persistent('moment1', [elements]),
          moment2: p.persistent('moment2', [elements]),
        });
    },
  };
}
