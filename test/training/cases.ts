/** Small experiments that together touch every option of every model. */
import type { ExperimentInput } from '../../src/core/experiment.js';

const grammar = { v: 5, n: 3, m: 2, s: 2, L: 2, seed: 4 };
const budget = { batch: 6, steps: 10 };
const evaluation = { size: 12 };
const common = { grammar, budget, evaluation, replicas: 3, seed: 11 };
const adamw = { kind: 'adamw' as const, rate: 1e-2, weightDecay: 0.1 };

export const smallCases: Readonly<Record<string, ExperimentInput>> = {
  hcnn: { ...common, model: { kind: 'hcnn', width: 7 }, optimiser: { kind: 'sgd', rate: 0.2, momentum: 0.9 } },
  'hcnn with biases, root symbol': { ...common, task: 'class', model: { kind: 'hcnn', width: 6, bias: true } },
  'hcnn, one layer, mean over positions': { ...common, model: { kind: 'hcnn', width: 7, depth: 1, bias: true } },
  'hcnn, filter 4, standard scaling': {
    ...common,
    model: { kind: 'hcnn', width: 5, depth: 1, filter: 4, scaling: 'standard' },
  },
  'hcnn, half the context': {
    ...common,
    task: { kind: 'last', context: 2 },
    model: { kind: 'hcnn', width: 7, depth: 1 },
  },
  'hcnn, three batches a step, weight decay': {
    ...common,
    model: { kind: 'hcnn', width: 5 },
    optimiser: { kind: 'sgd', rate: 0.2, weightDecay: 0.01 },
    budget: { ...budget, batch: 2, accumulate: 3 },
  },
  'hcnn, P sentences': { ...common, model: { kind: 'hcnn', width: 5 }, budget: { ...budget, sentences: 10 } },
  hlcn: { ...common, model: { kind: 'hlcn', width: 4 }, optimiser: { kind: 'sgd', rate: 0.2, momentum: 0.9 } },
  'hlcn with biases, AdamW, warm-up and cosine': {
    ...common,
    model: { kind: 'hlcn', width: 4, bias: true, depth: 1 },
    optimiser: adamw,
    schedule: { kind: 'cosine', warmup: 3 },
  },
  fcn: { ...common, model: { kind: 'fcn', width: 6, depth: 2 } },
  'fcn with biases, root symbol': { ...common, task: 'class', model: { kind: 'fcn', width: 5, depth: 3, bias: true } },
  mla: { ...common, model: { kind: 'mla', channels: 6, heads: 2 }, optimiser: { kind: 'adamw', rate: 1e-2 } },
  'mla, root symbol, SGD': {
    ...common,
    task: 'class',
    model: { kind: 'mla', channels: 8, heads: 4, depth: 1 },
    optimiser: { kind: 'sgd', rate: 0.1 },
  },
  clm: { ...common, task: 'auto', model: { kind: 'clm', channels: 6, heads: 2, depth: 1 }, optimiser: adamw },
  'clm, tied, two blocks, half the context': {
    ...common,
    task: { kind: 'auto', context: 3 },
    model: { kind: 'clm', channels: 4, heads: 2, ratio: 2, tied: true },
    optimiser: { kind: 'sgd', rate: 0.05 },
  },
  'clm, dropout, two batches a step': {
    ...common,
    task: 'auto',
    model: { kind: 'clm', channels: 8, heads: 2, depth: 1, ratio: 1, dropout: 0.3 },
    optimiser: adamw,
    budget: { ...budget, batch: 3, accumulate: 2 },
  },
  'hcnn, clipped gradients': {
    ...common,
    model: { kind: 'hcnn', width: 5, scaling: 'standard' },
    optimiser: { kind: 'sgd', rate: 0.3, clip: 0.05 },
  },
  'hcnn, every hidden symbol': { ...common, task: 'parse', model: { kind: 'hcnn', width: 6, bias: true } },
  'hlcn, every hidden symbol, AdamW': { ...common, task: 'parse', model: { kind: 'hlcn', width: 5 }, optimiser: adamw },
  'fcn, every hidden symbol': { ...common, task: 'parse', model: { kind: 'fcn', width: 6, depth: 1 } },
  'mla, every hidden symbol, two batches a step': {
    ...common,
    task: 'parse',
    model: { kind: 'mla', channels: 8, heads: 2, residual: true },
    budget: { ...budget, batch: 3, accumulate: 2 },
  },
  'mla, masked tokens': {
    ...common,
    task: 'mask',
    model: { kind: 'mla', channels: 6, heads: 2 },
    optimiser: adamw,
  },
  'mla, masked places, the last layer with residuals': {
    ...common,
    task: { kind: 'mask', context: 3, positions: [1, 3] },
    model: { kind: 'mla', channels: 4, heads: 2, residual: true, ratio: 2, norm: 'layer' },
    optimiser: adamw,
  },
  'clm, tied, masked tokens, two batches a step': {
    ...common,
    task: { kind: 'mask', fraction: 0.5 },
    model: { kind: 'clm', channels: 4, heads: 2, depth: 1, tied: true },
    optimiser: adamw,
    budget: { ...budget, batch: 3, accumulate: 2 },
  },
  unet: {
    ...common,
    task: { kind: 'mask', fraction: 0.5 },
    model: { kind: 'unet', width: 4 },
    optimiser: { kind: 'sgd', rate: 0.1 },
  },
  'unet of two blocks, three levels, every token masked': {
    ...common,
    grammar: { ...grammar, L: 3 },
    task: { kind: 'mask', fraction: 1 },
    model: { kind: 'unet', width: 8, depth: 2, scaling: 'standard' },
    optimiser: adamw,
  },
  perceptron: { ...common, model: { kind: 'fcn', depth: 0 } },
};
