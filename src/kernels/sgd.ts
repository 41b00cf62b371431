import source from '../../shaders/sgd.wgsl';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/optimisers.js';
import { addUpdate, caseFill, lowerUpdate, type OptimiserOptions, paceOf, row, wasmUpdate } from './optimisers.js';
import type { KernelSpec } from './types.js';

export interface SgdOptions extends OptimiserOptions {
  velocity: Tensor; // [R, P]; starts at zero, updated in place
  /** Promises that no replica has momentum or decay, so that a GPU may update inside the products (fuseUpdate.ts). */
  plain?: boolean;
}

/** Adds SGD with momentum over the flat block. */
export function sgd(plan: PlanBuilder, o: SgdOptions): void {
  addUpdate(plan, 'sgd', o, { velocity: o.velocity }, { plain: o.plain ?? false });
}

export const sgdKernel: KernelSpec = {
  op: 'sgd',
  reference(call, views) {
    const { params } = call.outputs;
    for (let r = 0; r < params.shape[0]; r++)
      reference.sgd(
        paceOf(views, r),
        row(views, 'params', r),
        row(views, 'grads', r),
        row(views, 'velocity', r),
        elementsPerReplica(params),
      );
  },
  webgpu: (call) => lowerUpdate(call, 'sgd', source),
  wasm: (call) => wasmUpdate(call, 'sgd'),
  cost(call) {
    const elements = call.outputs.params.shape[0] * elementsPerReplica(call.outputs.params);
    return { flops: 6 * elements, bytes: 20 * elements };
  },
  cases: [
    {
      name: 'momentum and decay',
      replicas: 3,
      fill: caseFill,
      rtol: 8 * 2 ** -24, // a few rounded operations on values of order 1
      atol: 8 * 2 ** -24,
      build(plan) {
        const p = plan.program;
        sgd(plan, {
          label: 'case',
          params: p.persistent('params', [1348]),
          grads: p.persistent('grads', [1348]),
          velocity: p.persistent('velocity', [1348]),
          hyper: p.persistent('hyper', [16]),
          pace: p.persistent('pace', [4]),
        });
      },
    },
  ],
};
