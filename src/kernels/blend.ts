import source from '../../shaders/blend.wgsl';
import { ShapeError } from '../core/errors.js';
import { f32, linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/blend.js';
import { at, partsFor, stride } from '../wasm/command.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface BlendOptions {
  label: string;
  x: Tensor; // [R, P]
  out: Tensor; // [R, P], updated in place
  /** The same a and b for all replicas, or a tensor f32 [R, 2] with both. */
  weights: { a: number; b: number } | Tensor;
}

/** Adds out = a out + b x over flat blocks: accumulated gradients, kept copies. A term with weight 0 is not read. */
export function blend(plan: PlanBuilder, o: BlendOptions): void {
  const elements = elementsPerReplica(o.out);
  if (elementsPerReplica(o.x) !== elements || elements % 4 !== 0)
    throw new ShapeError(
      `blend (${o.label}): x [${o.x.shape}], out [${o.out.shape}]; pass equal rows, a multiple of 4 long`,
    );
  const inputs: Record<string, Tensor> = { x: o.x };
  let params = { a: 0, b: 0 };
  if ('buffer' in o.weights) inputs.weights = o.weights;
  else params = o.weights;
  plan.call({ op: 'blend', label: o.label, inputs, outputs: { out: o.out }, params });
}

export const blendKernel: KernelSpec = {
  op: 'blend',
  reference(call, views) {
    const elements = elementsPerReplica(call.outputs.out);
    for (let r = 0; r < call.outputs.out.shape[0]; r++) {
      const w = views.weights?.data.subarray(r * views.weights.stride);
      reference.blend(
        w ? w[0] : Number(call.params.a),
        w ? w[1] : Number(call.params.b),
        views.x.data.subarray(r * views.x.stride) as Float64Array,
        views.out.data.subarray(r * views.out.stride) as Float64Array,
        elements,
      );
    }
  },
  webgpu(call) {
    const { out } = call.outputs;
    const { x, weights } = call.inputs;
    const quads = elementsPerReplica(out) / 4;
    const replicas = out.shape[0];
    return [
      {
        shader: 'blend',
        source,
        uniforms: [quads, replicas, Number(!!weights), f32(Number(call.params.a)), f32(Number(call.params.b))],
        bindings: [read(x), read(weights), write(out)],
        workgroups: linearGrid(Math.ceil((quads * replicas) / 256)),
      },
    ];
  },
  wasm(call) {
    const { out } = call.outputs;
    const { x, weights } = call.inputs;
    const elements = elementsPerReplica(out);
    const factors = [call.params.a, call.params.b].map((f) => ({ f32: Number(f) }));
    const tensors = [x, out, weights];
    return [
      {
        kernel: 'blend',
        words: [...tensors.map(at), ...tensors.map(stride), out.shape[0], elements / 4, ...factors],
        parts: partsFor(out.shape[0] * elements),
      },
    ];
  },
  cost(call) {
    const elements = call.outputs.out.shape[0] * elementsPerReplica(call.outputs.out);
    return { flops: 2 * elements, bytes: 12 * elements };
  },
  cases: [
    blendCase('accumulate', { a: 1, b: 0.25 }),
    blendCase('overwrite', { a: 0, b: 0.25 }),
    blendCase('by replica', undefined),
  ],
};

function blendCase(name: string, weights: { a: number; b: number } | undefined): KernelCase {
  let replica = 0;
  return {
    name,
    replicas: 3,
    fill: { weights: (i) => (i === 0 ? [0, 1, 1][replica] : [1, 0, 0.5][replica++ % 3]) },
    rtol: 2 * 2 ** -24, // two rounded operations
    atol: 2 * 2 ** -24,
    build(plan) {
      const p = plan.program;
      replica = 0;
      blend(plan, {
        label: 'case',
        x: p.persistent('x', [1092]),
        out: p.persistent('out', [1092]),
        weights: weights ?? p.persistent('weights', [2]),
      });
    },
  };
}
