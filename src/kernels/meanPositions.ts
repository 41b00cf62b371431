import source from '../../shaders/meanPositions.wgsl';
import { ShapeError } from '../core/errors.js';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/meanPositions.js';
import { at, partsFor, stride } from '../wasm/command.js';
import type { KernelSpec } from './types.js';

/** Adds output [R, B, C] = mean over T of input [R, B, T, C]; overwrites. @throws ShapeError. */
export function meanPositions(plan: PlanBuilder, o: { label: string; input: Tensor; output: Tensor }): void {
  const [, batch, positions, channels] = o.input.shape;
  if (o.input.shape.length !== 4 || elementsPerReplica(o.output) !== batch * channels)
    throw new ShapeError(
      `meanPositions (${o.label}): input [${o.input.shape}], output [${o.output.shape}]; pass [R, B, T, C] and [R, B, C]`,
    );
  plan.call({
    op: 'meanPositions',
    label: o.label,
    inputs: { input: o.input },
    outputs: { output: o.output },
    params: { batch, positions, channels },
  });
}

export const meanPositionsKernel: KernelSpec = {
  op: 'meanPositions',
  reference(call, views) {
    const { batch, positions, channels } = call.params as Record<string, number>;
    for (let r = 0; r < call.inputs.input.shape[0]; r++)
      reference.meanPositions(
        batch,
        positions,
        channels,
        views.input.data.subarray(r * views.input.stride) as Float64Array,
        views.output.data.subarray(r * views.output.stride) as Float64Array,
      );
  },
  webgpu(call) {
    const { batch, positions, channels } = call.params as Record<string, number>;
    const { input } = call.inputs;
    const { output } = call.outputs;
    const [x, y] = linearGrid(Math.ceil((batch * channels) / 64));
    return [
      {
        shader: 'meanPositions',
        source,
        uniforms: [batch, positions, channels, input.replicaStride, output.replicaStride],
        bindings: [read(input), write(output)],
        workgroups: [x, y, input.shape[0]],
      },
    ];
  },
  wasm(call) {
    const { batch, positions, channels } = call.params as Record<string, number>;
    const { input } = call.inputs;
    const { output } = call.outputs;
    const tensors = [input, output];
    const replicas = output.shape[0];
    return [
      {
        kernel: 'meanPositions',
        words: [...tensors.map(at), ...tensors.map(stride), replicas, batch, positions, channels],
        parts: partsFor((replicas * batch * positions * channels) / 2),
      },
    ];
  },
  cost(call) {
    const elements = call.inputs.input.shape[0] * elementsPerReplica(call.inputs.input);
    return { flops: elements, bytes: 4 * elements };
  },
  cases: [[5, 4, 37] as const, [1, 1, 3] as const, [70, 3, 1] as const].map(([batch, positions, channels]) => ({
    name: `${batch} x ${positions} x ${channels}`,
    replicas: 2,
    rtol: 2 ** -22,
    atol: 4 * positions * 2 ** -24,
    build(plan: PlanBuilder) {
      const p = plan.program;
      meanPositions(plan, {
        label: 'case',
        input: p.persistent('input', [batch, positions, channels]),
        output: p.persistent('output', [batch, channels]),
      });
    },
  })),
};
