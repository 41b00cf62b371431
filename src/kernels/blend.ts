import source from '../../shaders/blend.wgsl';
import { ShapeError } from '../core/errors.js';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/blend.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { bool, f32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/** The same a and b for all replicas, or a tensor f32 [R, 2] with both. */
export interface BlendOptions extends Pick<Parameters<typeof blendOperation>[1], 'label' | 'x' | 'out' | 'relu'> {
  weights: { a: number; b: number } | Tensor;
}

/**
 * Adds out = a out + b x over flat blocks, optionally through a ReLU: for accumulated gradients and saved copies. A term with weight 0 is
 * not read.
 */
export function blend(plan: PlanBuilder, { weights, ...o }: BlendOptions): void {
  blendOperation(plan, 'buffer' in weights ? { ...o, weights } : { ...o, ...weights });
}

export const blendOperation = defineOperation({
  name: 'blend',
  inputs: { x: 'R ...elements', weights: 'R 2 ?' },
  outputs: { out: 'R ...elements' }, // updated in place
  params: { a: f32({ default: 0 }), b: f32({ default: 0 }), relu: bool() },
  check({ elements }, refuse) {
    if (elements % 4 !== 0) refuse(`elements = ${elements}; pass rows a multiple of 4 long`);
  },
  reference: ({ x, weights, out }, { a, b, elements, relu }) =>
    reference.blend(weights?.[0] ?? a, weights?.[1] ?? b, x, out, elements, relu),
  webgpu({ inputs: { x, weights }, outputs: { out }, params, replicas, launch }) {
    const quads = params.elements / 4;
    return [
      launch({
        source,
        words: { quads, useWeights: Number(!!weights) },
        bind: { x: read(x, 'vec4f'), weights: read(weights, 'vec2f'), out: write(out, 'vec4f') },
        workgroups: linearGrid(Math.ceil((quads * replicas) / 256)),
      }),
    ];
  },
  wasm: { launch: ({ params: { elements }, replicas }) => [{ parts: partsFor(replicas * elements) }] },
  cost: ({ elements }) => ({ flops: 2 * elements, bytes: 12 * elements }),
  gradient({ label, inputs: { x, weights }, outputs: { out }, params: { a, b } }, pass) {
    if (weights || (a !== 0 && a !== 1) || b !== 1)
      throw new ShapeError(`${label}: blend has a gradient only as out = x and as out = out + x; scale by multiply`);
    pass.pass(x, out);
  },
  cases: () => [
    blendCase('accumulate', { a: 1, b: 0.25 }),
    blendCase('overwrite', { a: 0, b: 0.25 }),
    blendCase('by replica', undefined),
    blendCase('through a ReLU', { a: 0, b: 1 }, true),
    blendCase('a sum through a ReLU', { a: 1, b: 1 }, true),
    blendCase('in place through a ReLU', { a: 1, b: 0 }, true),
  ],
});

function blendCase(name: string, weights: { a: number; b: number } | undefined, relu = false): KernelCase {
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
        relu,
      });
    },
  };
}
