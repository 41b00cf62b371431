import coreSource from '../../shaders/layerNorm_core.wgsl';
import source from '../../shaders/layerNormBackward.wgsl';
import paramsSource from '../../shaders/layerNormBackward_params.wgsl';
import { type AdapterTraits, type Dispatch, linearGrid, read, type Scratch, write } from '../gpu/dispatch.js';
import { unrolledLoads } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/layerNorm.js';
import { at, partsFor, stride } from '../wasm/command.js';
import { lanesFor, layerNorm, normCases, normSizes, replicaOf } from './layerNorm.js';
import { sumSplits } from './splits.js';
import type { KernelSpec } from './types.js';

export interface LayerNormBackwardOptions {
  label: string;
  input: Tensor; // [R, ..., C], the forward call's
  weight: Tensor; // [R, C]
  mean: Tensor; // [R, rows]
  inverse: Tensor; // [R, rows]
  dOutput: Tensor; // as input
  dInput: Tensor; // as input; overwritten, or added to with `accumulate` (a residual's gradient)
  dWeight: Tensor; // [R, C], overwritten
  dBias: Tensor; // [R, C], overwritten
  accumulate?: boolean;
}

/** Adds the gradients of layerNorm. @throws ShapeError naming the tensor that does not fit. */
export function layerNormBackward(plan: PlanBuilder, o: LayerNormBackwardOptions): void {
  const { input, weight, mean, inverse, dOutput, dInput, dWeight, dBias, accumulate = false } = o;
  const channels = { weight, dWeight, dBias };
  const sizes = normSizes('layerNormBackward', o.label, input, channels, { mean, inverse }, { dOutput, dInput });
  plan.call({
    op: 'layerNormBackward',
    label: o.label,
    inputs: { input, weight, mean, inverse, dOutput },
    outputs: { dInput, dWeight, dBias },
    params: { ...sizes, accumulate },
  });
}

export const layerNormBackwardKernel: KernelSpec = {
  op: 'layerNormBackward',
  reference(call, views) {
    const { rows, channels, accumulate } = call.params;
    for (let r = 0; r < call.inputs.input.shape[0]; r++) {
      const of = replicaOf(views, r);
      reference.layerNormBackward(
        ...([Number(rows), Number(channels), Boolean(accumulate)] as const),
        ...([of('input'), of('weight'), of('mean'), of('inverse'), of('dOutput')] as const),
        ...([of('dInput'), of('dWeight'), of('dBias')] as const),
      );
    }
  },
  webgpu: lower,
  wasm(call) {
    const { rows, channels, accumulate } = call.params;
    const { input, weight, mean, inverse, dOutput } = call.inputs;
    const { dInput, dWeight, dBias } = call.outputs;
    const tensors = [input, weight, mean, inverse, dOutput, dInput, dWeight, dBias];
    const replicas = input.shape[0];
    const sizes = [replicas, Number(rows), Number(channels), Number(accumulate)];
    const words = [...tensors.map(at), ...tensors.map(stride), ...sizes];
    const parts = partsFor(2 * replicas * Number(rows) * Number(channels));
    return [
      { kernel: 'layerNormBackward', words, parts },
      { kernel: 'layerNormBackwardParams', words, parts },
    ];
  },
  cost(call) {
    const elements = call.inputs.input.shape[0] * elementsPerReplica(call.inputs.input);
    return { flops: 16 * elements, bytes: 12 * elements };
  },
  cases: [false, true].flatMap((accumulate) =>
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
};

function lower(call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const rows = Number(call.params.rows);
  const channels = Number(call.params.channels);
  const { input, weight, mean, inverse, dOutput } = call.inputs;
  const { dInput, dWeight, dBias } = call.outputs;
  const replicas = input.shape[0];
  const lanes = lanesFor(channels);
  // Depends on one replica's shape only, so that its bits do not depend on its neighbours.
  const rowsPerSplit = Math.max(32, Math.ceil(rows / 128));
  const splits = Math.ceil(rows / rowsPerSplit);
  const partialWeight = scratch(0, [splits, replicas * channels]);
  const partialBias = scratch(1, [splits, replicas * channels]);
  return [
    {
      shader: 'layerNormBackward',
      source: coreSource + source,
      uniforms: [
        ...[rows, channels, lanes, replicas],
        ...[input, weight, mean, inverse, dOutput, dInput].map((t) => t.replicaStride),
        Number(call.params.accumulate),
      ],
      bindings: [read(input), read(weight), read(mean), read(inverse), read(dOutput), write(dInput)],
      workgroups: linearGrid(Math.ceil((rows * replicas) / (64 / lanes))),
    },
    {
      shader: 'layerNormBackward_params',
      source: unrolledLoads(paramsSource, traits.software),
      uniforms: [
        ...[rows, channels, rowsPerSplit, replicas],
        ...[input, mean, inverse, dOutput].map((t) => t.replicaStride),
      ],
      bindings: [read(input), read(mean), read(inverse), read(dOutput), write(partialWeight), write(partialBias)],
      workgroups: [Math.ceil(channels / 64), splits, replicas],
    },
    sumSplits(partialWeight, dWeight, channels, splits),
    sumSplits(partialBias, dBias, channels, splits),
  ];
}
