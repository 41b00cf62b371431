import source from '../../shaders/adamw.wgsl';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/optimisers.js';
import { addUpdate, caseFill, lowerUpdate, type OptimiserOptions, paceOf, row, wasmUpdate } from './optimisers.js';
import type { KernelSpec } from './types.js';

/** Adds AdamW over the flat block. moment1, moment2 [R, P]: start at zero, updated in place. */
export function adamw(plan: PlanBuilder, o: OptimiserOptions & { moment1: Tensor; moment2: Tensor }): void {
  addUpdate(plan, 'adamw', o, { moment1: o.moment1, moment2: o.moment2 });
}

export const adamwKernel: KernelSpec = {
  op: 'adamw',
  reference(call, views) {
    const { params } = call.outputs;
    for (let r = 0; r < params.shape[0]; r++)
      reference.adamw(
        paceOf(views, r),
        row(views, 'params', r),
        row(views, 'grads', r),
        row(views, 'moment1', r),
        row(views, 'moment2', r),
        elementsPerReplica(params),
      );
  },
  webgpu: (call) => lowerUpdate(call, 'adamw', source),
  wasm: (call) => wasmUpdate(call, 'adamw'),
  cost(call) {
    const elements = call.outputs.params.shape[0] * elementsPerReplica(call.outputs.params);
    return { flops: 14 * elements, bytes: 28 * elements };
  },
  cases: [
    {
      name: 'second step with decay',
      replicas: 3,
      fill: { ...caseFill, moment2: (_i, random) => random() },
      // Division and root are correctly rounded within 2.5 ulp on WebGPU; the update is of order rate / sqrt(correction).
      rtol: 16 * 2 ** -24,
      atol: 64 * 2 ** -24,
      build(plan) {
        const p = plan.program;
        adamw(plan, {
          label: 'case',
          params: p.persistent('params', [1348]),
          grads: p.persistent('grads', [1348]),
          moment1: p.persistent('moment1', [1348]),
          moment2: p.persistent('moment2', [1348]),
          hyper: p.persistent('hyper', [16]),
          pace: p.persistent('pace', [4]),
        });
      },
    },
  ],
};
