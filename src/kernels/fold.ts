import source from '../../shaders/fold.wgsl';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/fold.js';
import type { KernelSpec } from './types.js';
import {
  type WindowOptions,
  type WindowParams,
  windowCases,
  windowCommand,
  windowParams,
  windowUniforms,
} from './windows.js';

export interface FoldOptions extends WindowOptions {
  label: string;
  input: Tensor; // [R, B, T', filter * C]
  output: Tensor; // [R, B, T, C], overwritten unless `accumulate`
  accumulate?: boolean;
}

/** Adds the transpose of unfold, its gradient: every window's columns are added where they came from. @throws ShapeError. */
export function fold(plan: PlanBuilder, o: FoldOptions): void {
  const params = windowParams('fold', o.label, o, ['output', o.output], ['input', o.input]);
  const { input, output } = o;
  plan.call({
    op: 'fold',
    label: o.label,
    inputs: { input },
    outputs: { output },
    params: { ...params, accumulate: o.accumulate ?? false },
  });
}

export const foldKernel: KernelSpec = {
  op: 'fold',
  reference(call, views) {
    const s = call.params as WindowParams;
    for (let r = 0; r < call.inputs.input.shape[0]; r++)
      reference.fold(
        s,
        Boolean(call.params.accumulate),
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
        shader: 'fold',
        source,
        uniforms: [
          ...windowUniforms(call.params as WindowParams, replicas),
          ...[input.replicaStride, output.replicaStride, Number(call.params.accumulate)],
        ],
        bindings: [read(input), write(output)],
        workgroups: linearGrid(Math.ceil((replicas * elementsPerReplica(output)) / 64)),
      },
    ];
  },
  wasm(call) {
    const { accumulate } = call.params;
    const { output } = call.outputs;
    return [windowCommand('fold', call.params as WindowParams, output, call.inputs.input, Boolean(accumulate))];
  },
  cost(call) {
    const { input } = call.inputs;
    const elements = input.shape[0] * (elementsPerReplica(input) + elementsPerReplica(call.outputs.output));
    return { flops: 0, bytes: 4 * elements };
  },
  cases: [false, true].flatMap((accumulate) =>
    windowCases((plan, output, input, options) =>
      fold(plan, { label: 'case', input, output, accumulate, ...options }),
    ).map((item) => (accumulate ? { ...item, name: `${item.name}, accumulated` } : item)),
  ),
};
