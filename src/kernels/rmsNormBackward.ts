import coreSource from '../../shaders/layerNorm_core.wgsl';
import source from '../../shaders/rmsNormBackward.wgsl';
import paramsSource from '../../shaders/rmsNormBackward_params.wgsl';
import { linearGrid, write } from '../gpu/dispatch.js';
import { unrolledLoads } from '../gpu/unroll.js';
import * as reference from '../reference/rmsNorm.js';
import { partsFor } from '../wasm/command.js';
import { lanesFor } from './layerNorm.js';
import { rmsCases, rmsNorm } from './rmsNorm.js';
import { defineOperation, gradientOf } from './shared/operation.js';
import { bool } from './shared/params.js';
import { rowSplits, sumSplits } from './shared/splits.js';

/** Gradients of rmsNorm. dInput is overwritten, or added to with `accumulate`; dWeight is overwritten. */
export const rmsNormBackward = defineOperation({
  name: 'rmsNormBackward',
  inputs: { input: 'R ...rows channels', weight: 'R channels', inverse: 'R rows', dOutput: 'R ...rows channels' },
  outputs: { dInput: 'R ...rows channels', dWeight: 'R channels' },
  params: { accumulate: bool() },
  reference: (t, { rows, channels, accumulate }) =>
    reference.rmsNormBackward(
      ...([rows, channels, accumulate, t.input, t.weight, t.inverse, t.dOutput, t.dInput, t.dWeight] as const),
    ),
  webgpu({ inputs, outputs: { dInput, dWeight }, params: { rows, channels }, replicas, launch }, traits, scratch) {
    const { input, inverse, dOutput } = inputs;
    const lanes = lanesFor(channels);
    const { rowsPerSplit, splits } = rowSplits(rows);
    const partial = scratch(0, [splits, replicas * channels]);
    return [
      launch({
        source: coreSource + source,
        words: { lanes },
        bind: { ...inputs, dInput },
        workgroups: linearGrid(Math.ceil((rows * replicas) / (64 / lanes))),
      }),
      launch({
        shader: 'rmsNormBackward_params',
        source: unrolledLoads(paramsSource, traits.software),
        words: { rowsPerSplit },
        bind: { input, inverse, dOutput, dWeight: write(partial) },
        workgroups: [Math.ceil(channels / 64), splits, replicas],
      }),
      sumSplits(partial, dWeight, channels, splits),
    ];
  },
  wasm: {
    kernels: ['rmsNormBackward', 'rmsNormBackwardParams'],
    launch({ params: { rows, channels }, replicas }) {
      const parts = partsFor(2 * replicas * rows * channels);
      return [{ parts }, { kernel: 'rmsNormBackwardParams', parts }];
    },
  },
  cost: ({ rows, channels }) => ({ flops: 10 * rows * channels, bytes: 12 * rows * channels }),
  cases: () =>
    [false, true].flatMap((accumulate) =>
      rmsCases((plan, { output, ...t }) => {
        rmsNorm(plan, { label: 'case', output, ...t }); // the inverse must belong to the input
        const p = plan.program;
        const dOutput = p.persistent('dOutput', t.input.shape.slice(1));
        const dInput = p.persistent('dInput', t.input.shape.slice(1));
        const dWeight = p.persistent('dWeight', t.weight.shape.slice(1));
        rmsNormBackward(plan, { label: 'case', ...t, dOutput, dInput, dWeight, accumulate });
      }).map((item) => (accumulate ? { ...item, name: `${item.name}, accumulated` } : item)),
    ),
});

gradientOf(rmsNorm, ({ label, inputs: { input, weight }, outputs: { output, inverse } }, pass) =>
  pass.addTogether([{ input, accumulates: true }, { input: weight }], ([dInput, dWeight]) =>
    rmsNormBackward(pass.plan, {
      ...{ label: `${label} gradient`, input, weight, inverse, dOutput: pass.of(output) },
      ...{ dInput: dInput.tensor, dWeight: dWeight.tensor, accumulate: dInput.accumulate },
    }),
  ),
);
