import source from '../../shaders/meanPositionsBackward.wgsl';
import { ShapeError } from '../core/errors.js';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/meanPositions.js';
import { at, partsFor, stride } from '../wasm/command.js';
import type { KernelSpec } from './types.js';

export interface MeanPositionsBackwardOptions {
  label: string;
  dOutput: Tensor; // [R, B, C]
  mask?: Tensor; // [R, B, T, C]: the gradient passes where it is > 0
  dInput: Tensor; // [R, B, T, C], overwritten
}

/** Adds the gradient of meanPositions, through a ReLU when its output is given as mask. @throws ShapeError. */
export function meanPositionsBackward(plan: PlanBuilder, o: MeanPositionsBackwardOptions): void {
  const [, batch, positions, channels] = o.dInput.shape;
  const fits = elementsPerReplica(o.dOutput) === batch * channels;
  if (o.dInput.shape.length !== 4 || !fits || (o.mask && elementsPerReplica(o.mask) !== batch * positions * channels))
    throw new ShapeError(
      `meanPositionsBackward (${o.label}): dOutput [${o.dOutput.shape}], mask [${o.mask?.shape}], dInput [${o.dInput.shape}]; ` +
        'pass [R, B, C], [R, B, T, C], [R, B, T, C]',
    );
  plan.call({
    op: 'meanPositionsBackward',
    label: o.label,
    inputs: { dOutput: o.dOutput, ...(o.mask && { mask: o.mask }) },
    outputs: { dInput: o.dInput },
    params: { batch, positions, channels },
  });
}

export const meanPositionsBackwardKernel: KernelSpec = {
  op: 'meanPositionsBackward',
  reference(call, views) {
    const { batch, positions, channels } = call.params as Record<string, number>;
    for (let r = 0; r < call.outputs.dInput.shape[0]; r++)
      reference.meanPositionsBackward(
        batch,
        positions,
        channels,
        views.dOutput.data.subarray(r * views.dOutput.stride) as Float64Array,
        views.mask?.data.subarray(r * views.mask.stride) as Float64Array | undefined,
        views.dInput.data.subarray(r * views.dInput.stride) as Float64Array,
      );
  },
  webgpu(call) {
    const { batch, positions, channels } = call.params as Record<string, number>;
    const { dOutput, mask } = call.inputs;
    const { dInput } = call.outputs;
    const [x, y] = linearGrid(Math.ceil((batch * positions * channels) / 64));
    return [
      {
        shader: 'meanPositionsBackward',
        source,
        uniforms: [
          ...[batch, positions, channels, dOutput.replicaStride],
          ...[mask?.replicaStride ?? 0, dInput.replicaStride, Number(!!mask)],
        ],
        bindings: [read(dOutput), read(mask), write(dInput)],
        workgroups: [x, y, dInput.shape[0]],
      },
    ];
  },
  wasm(call) {
    const { batch, positions, channels } = call.params as Record<string, number>;
    const { dOutput, mask } = call.inputs;
    const { dInput } = call.outputs;
    const tensors = [dOutput, mask, dInput];
    const replicas = dInput.shape[0];
    return [
      {
        kernel: 'meanPositionsBackward',
        words: [...tensors.map(at), ...tensors.map(stride), replicas, batch, positions, channels],
        parts: partsFor((replicas * batch * positions * channels) / 2),
      },
    ];
  },
  cost(call) {
    const elements = call.outputs.dInput.shape[0] * elementsPerReplica(call.outputs.dInput);
    return { flops: elements, bytes: 4 * elements * (call.inputs.mask ? 2 : 1) };
  },
  cases: [[5, 4, 37, true] as const, [1, 1, 3, false] as const, [70, 3, 1, true] as const].map(
    ([batch, positions, channels, masked]) => ({
      name: `${batch} x ${positions} x ${channels}${masked ? ', masked' : ''}`,
      replicas: 2,
      rtol: 4 * 2 ** -24, // one division
      atol: 0,
      build(plan: PlanBuilder) {
        const p = plan.program;
        meanPositionsBackward(plan, {
          label: 'case',
          dOutput: p.persistent('dOutput', [batch, channels]),
          mask: masked ? p.persistent('mask', [batch, positions, channels]) : undefined,
          dInput: p.persistent('dInput', [batch, positions, channels]),
        });
      },
    }),
  ),
};
