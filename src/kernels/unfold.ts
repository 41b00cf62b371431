import source from '../../shaders/unfold.wgsl';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/unfold.js';
import type { KernelSpec } from './types.js';
import {
  type WindowOptions,
  type WindowParams,
  windowCases,
  windowCommand,
  windowParams,
  windowUniforms,
} from './windows.js';

export interface UnfoldOptions extends WindowOptions {
  label: string;
  input: Tensor; // [R, B, T, C]
  output: Tensor; // [R, B, T', filter * C], overwritten
}

/** Adds output[b, t, f C + c] = input[b, t stride + f - padding, c], zero outside: the left factor of a convolution's product. @throws ShapeError. */
export function unfold(plan: PlanBuilder, o: UnfoldOptions): void {
  const params = windowParams('unfold', o.label, o, ['input', o.input], ['output', o.output]);
  const { input, output } = o;
  plan.call({ op: 'unfold', label: o.label, inputs: { input }, outputs: { output }, params });
}

export const unfoldKernel: KernelSpec = {
  op: 'unfold',
  reference(call, views) {
    const s = call.params as WindowParams;
    for (let r = 0; r < call.inputs.input.shape[0]; r++)
      reference.unfold(
        s,
        views.input.data.subarray(r * views.input.stride) as Float64Array,
        views.output.data.subarray(r * views.output.stride) as Float64Array,
      );
  },
  webgpu(call) {
    const { input } = call.inputs;
    const { output } = call.outputs;
    const replicas = input.shape[0];
    return [
      {
        shader: 'unfold',
        source,
        uniforms: [
          ...windowUniforms(call.params as WindowParams, replicas),
          ...[input.replicaStride, output.replicaStride],
        ],
        bindings: [read(input), write(output)],
        workgroups: linearGrid(Math.ceil((replicas * elementsPerReplica(output)) / 64)),
      },
    ];
  },
  wasm: (call) => [windowCommand('unfold', call.params as WindowParams, call.inputs.input, call.outputs.output)],
  cost(call) {
    const { input } = call.inputs;
    const elements = input.shape[0] * (elementsPerReplica(input) + elementsPerReplica(call.outputs.output));
    return { flops: 0, bytes: 4 * elements };
  },
  cases: windowCases((plan, input, output, options) => unfold(plan, { label: 'case', input, output, ...options })),
};
