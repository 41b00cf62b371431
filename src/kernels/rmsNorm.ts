import coreSource from '../../shaders/layerNorm_core.wgsl';
import source from '../../shaders/rmsNorm.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/rmsNorm.js';
import { partsFor } from '../wasm/command.js';
import { lanesFor, normCases } from './layerNorm.js';
import { defineOperation } from './shared/operation.js';
import { f32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/**
 * output = input / sqrt(mean of squares + eps) * weight over the last dimension; overwrites. inverse, the factor of each row, is
 * needed by the backward call. Source: Zhang and Sennrich, arXiv:1910.07467.
 */
export const rmsNorm = defineOperation({
  name: 'rmsNorm',
  inputs: { input: 'R ...rows channels', weight: 'R channels' },
  outputs: { output: 'R ...rows channels', inverse: 'R rows' },
  params: { eps: f32({ default: 1e-5, above: 0 }) },
  reference: (t, { rows, channels, eps }) =>
    reference.rmsNorm(rows, channels, eps, t.input, t.weight, t.output, t.inverse),
  webgpu({ params: { rows, channels }, replicas, launch }) {
    const lanes = lanesFor(channels);
    const workgroups = linearGrid(Math.ceil((rows * replicas) / (64 / lanes)));
    return [launch({ source: coreSource + source, words: { lanes }, workgroups })];
  },
  wasm: {
    launch: ({ params: { rows, channels }, replicas }) => [{ parts: partsFor(2 * replicas * rows * channels) }],
  },
  cost: ({ rows, channels }) => ({ flops: 4 * rows * channels, bytes: 8 * rows * channels }),
  cases: () => rmsCases((plan, tensors) => rmsNorm(plan, { label: 'case', ...tensors })),
});

type RmsTensors = Record<'input' | 'weight' | 'output' | 'inverse', Tensor>;

/** The shapes of layerNorm's cases, forward and backward. */
export const rmsCases = (build: (plan: PlanBuilder, tensors: RmsTensors) => void): KernelCase[] =>
  normCases((plan, { input, weight, output, inverse }) => build(plan, { input, weight, output, inverse }));
