import source from '../../shaders/layerNorm.wgsl';
import coreSource from '../../shaders/layerNorm_core.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/layerNorm.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { f32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/**
 * output = (input - mean) / sqrt(variance + eps) * weight + bias over the last dimension; overwrites. mean and inverse (1 / standard
 * deviation) are needed by the backward call.
 */
export const layerNorm = defineOperation({
  name: 'layerNorm',
  inputs: { input: 'R ...rows channels', weight: 'R channels', bias: 'R channels' },
  outputs: { output: 'R ...rows channels', mean: 'R rows', inverse: 'R rows' },
  params: { eps: f32({ default: 1e-5, above: 0 }) },
  reference: (t, { rows, channels, eps }) =>
    reference.layerNorm(rows, channels, eps, t.input, t.weight, t.bias, t.output, t.mean, t.inverse),
  webgpu({ params: { rows, channels }, replicas, launch }) {
    const lanes = lanesFor(channels);
    const workgroups = linearGrid(Math.ceil((rows * replicas) / (64 / lanes)));
    return [launch({ source: coreSource + source, words: { lanes }, workgroups })];
  },
  wasm: {
    launch: ({ params: { rows, channels }, replicas }) => [{ parts: partsFor(2 * replicas * rows * channels) }],
  },
  cost: ({ rows, channels }) => ({ flops: 8 * rows * channels, bytes: 8 * rows * channels }),
  cases: () =>
    normCases((plan, tensors) => {
      layerNorm(plan, { label: 'case', ...tensors });
    }),
});

/** Threads per row: about 4 channels each, a power of 2. */
export function lanesFor(channels: number): number {
  let lanes = 1;
  while (lanes < 64 && 4 * lanes < channels) lanes *= 2;
  return lanes;
}

/** The tensors of a layer norm case. */
export interface NormTensors {
  input: Tensor;
  weight: Tensor;
  bias: Tensor;
  output: Tensor;
  mean: Tensor;
  inverse: Tensor;
}

/** The same shapes for forward and backward. */
export function normCases(build: (plan: PlanBuilder, tensors: NormTensors) => void): KernelCase[] {
  const list: readonly [string, number, number, ((i: number, random: () => number) => number)?, number?][] = [
    ['7 rows of 37', 7, 37],
    ['130 rows of 5', 130, 5],
    ['one channel', 9, 1],
    ['one row of 300', 1, 300],
    ['offset of 1000', 5, 64, (_i, random) => 1000 + 8 * random(), 1000],
    ['tiny values', 5, 20, (_i, random) => 1e-6 * (random() - 0.5)],
    ['large values', 5, 20, (_i, random) => 1e9 * (random() - 0.5)],
  ];
  return list.map(([name, rows, channels, input, offset]) => ({
    name,
    ...normCase(build, 3, rows, channels, input, offset),
  }));
}

export function normCase(
  build: (plan: PlanBuilder, tensors: NormTensors) => void,
  replicas: number,
  rows: number,
  channels: number,
  input?: (i: number, random: () => number) => number,
  offset = 0, // mean of the input, in units of its spread
): Omit<KernelCase, 'name'> {
  return {
    replicas,
    fill: input && { input },
    // Means of C terms in f32, relative to the row's spread; a row of nearly equal channels magnifies their error. An offset
    // gives the mean an error of half an ulp of it; parameter gradients sum all rows.
    rtol: 2 ** -12,
    atol: 2 ** -14 + rows * (2 ** -20 + offset * 2 ** -23),
    build(plan) {
      const p = plan.program;
      build(plan, {
        input: p.persistent('input', [rows, channels]),
        weight: p.persistent('weight', [channels]),
        bias: p.persistent('bias', [channels]),
        output: p.persistent('output', [rows, channels]),
        mean: p.persistent('mean', [rows]),
        inverse: p.persistent('inverse', [rows]),
      });
    },
  };
}
