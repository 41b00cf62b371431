import coreSource from '../../shaders/layerNorm_core.wgsl';
import source from '../../shaders/layerNormBackward.wgsl';
import paramsSource from '../../shaders/layerNormBackward_params.wgsl';
import { linearGrid, write } from '../gpu/dispatch.js';
import { unrolledLoads } from '../gpu/unroll.js';
import * as reference from '../reference/layerNorm.js';
import { partsFor } from '../wasm/command.js';
import { lanesFor, layerNorm, normCases } from './layerNorm.js';
import { defineOperation, gradientOf } from './shared/operation.js';
import { bool } from './shared/params.js';
import { rowSplits, sumSplits } from './shared/splits.js';

/**
 * Gradients of layerNorm. dInput is overwritten, or added to with `accumulate` (for the gradient of a residual); the others are
 * overwritten.
 */
export const layerNormBackward = defineOperation({
  name: 'layerNormBackward',
  inputs: {
    input: 'R ...rows channels',
    weight: 'R channels',
    mean: 'R rows',
    inverse: 'R rows',
    dOutput: 'R ...rows channels',
  },
  outputs: { dInput: 'R ...rows channels', dWeight: 'R channels', dBias: 'R channels' },
  params: { accumulate: bool() },
  reference: (t, { rows, channels, accumulate }) =>
    reference.layerNormBackward(
      ...([rows, channels, accumulate, t.input, t.weight, t.mean, t.inverse, t.dOutput] as const),
      ...([t.dInput, t.dWeight, t.dBias] as const),
    ),
  webgpu({ inputs, outputs, params: { rows, channels }, replicas, launch }, traits, scratch) {
    const { input, weight, mean, inverse, dOutput } = inputs;
    const { dInput, dWeight, dBias } = outputs;
    const lanes = lanesFor(channels);
    const { rowsPerSplit, splits } = rowSplits(rows);
    const partialWeight = scratch(0, [splits, replicas * channels]);
    const partialBias = scratch(1, [splits, replicas * channels]);
    return [
      launch({
        source: coreSource + source,
        words: { lanes },
        bind: { input, weight, mean, inverse, dOutput, dInput },
        workgroups: linearGrid(Math.ceil((rows * replicas) / (64 / lanes))),
      }),
      launch({
        shader: 'layerNormBackward_params',
        source: unrolledLoads(paramsSource, traits.software),
        words: { rowsPerSplit },
        bind: { input, mean, inverse, dOutput, dWeight: write(partialWeight), dBias: write(partialBias) },
        workgroups: [Math.ceil(channels / 64), splits, replicas],
      }),
      sumSplits(partialWeight, dWeight, channels, splits),
      sumSplits(partialBias, dBias, channels, splits),
    ];
  },
  wasm: {
    kernels: ['layerNormBackward', 'layerNormBackwardParams'],
    launch({ params: { rows, channels }, replicas }) {
      const parts = partsFor(2 * replicas * rows * channels);
      return [{ parts }, { kernel: 'layerNormBackwardParams', parts }];
    },
  },
  cost: ({ rows, channels }) => ({ flops: 16 * rows * channels, bytes: 12 * rows * channels }),
  cases: () =>
    [false, true].flatMap((accumulate) =>
      normCases((plan, { bias, output, ...t }) => {
        layerNorm(plan, { label: 'case', bias, output, ...t }); // mean and inverse must belong to the input
        const p = plan.program;
        const dOutput = p.persistent('dOutput', t.input.shape.slice(1));
        const dInput = p.persistent('dInput', t.input.shape.slice(1));
        const dWeight = p.persistent('dWeight', t.weight.shape.slice(1));
        const dBias = p.persistent('dBias', t.weight.shape.slice(1));
        layerNormBackward(plan, { label: 'case', ...t, dOutput, dInput, dWeight, dBias, accumulate });
      }).map((item) => (accumulate ? { ...item, name: `${item.name}, accumulated` } : item)),
    ),
});

gradientOf(layerNorm, ({ label, inputs: { input, weight, bias }, outputs: { output, mean, inverse } }, pass) =>
  pass.addTogether([{ input, accumulates: true }, { input: weight }, { input: bias }], ([dInput, dWeight, dBias]) =>
    layerNormBackward(pass.plan, {
      ...{ label: `${label} gradient`, input, weight, mean, inverse, dOutput: pass.of(output) },
      ...{ dInput: dInput.tensor, dWeight: dWeight.tensor, dBias: dBias.tensor, accumulate: dInput.accumulate },
    }),
  ),
);
