import source from '../../shaders/clip.wgsl';
import { ShapeError } from '../core/errors.js';
import { f32, linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/clip.js';
import { at, partsFor, stride } from '../wasm/command.js';
import { expectShape } from './shapes.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface ClipOptions {
  label: string;
  block: Tensor; // [R, ...], gradients, scaled in place
  sums: Tensor; // [R, 2] from reduce over the same block
  maxNorm: number; // > 0
}

/** Adds block = block * min(1, maxNorm / norm) with each replica's own norm. @throws ShapeError. */
export function clip(plan: PlanBuilder, o: ClipOptions): void {
  const { block, sums, maxNorm } = o;
  expectShape('clip', o.label, 'block', block, block.shape);
  expectShape('clip', o.label, 'sums', sums, [block.shape[0], 2]);
  if (!(maxNorm > 0)) throw new ShapeError(`clip (${o.label}): maxNorm = ${maxNorm}; pass a number > 0`);
  plan.call({ op: 'clip', label: o.label, inputs: { sums }, outputs: { block }, params: { maxNorm } });
}

export const clipKernel: KernelSpec = {
  op: 'clip',
  reference(call, { sums, block }) {
    const elements = elementsPerReplica(call.outputs.block);
    for (let r = 0; r < call.outputs.block.shape[0]; r++)
      reference.clip(
        elements,
        Number(call.params.maxNorm),
        sums.data[r * sums.stride + 1],
        block.data.subarray(r * block.stride) as Float64Array,
      );
  },
  webgpu(call) {
    const { sums } = call.inputs;
    const { block } = call.outputs;
    const elements = elementsPerReplica(block);
    const replicas = block.shape[0];
    return [
      {
        shader: 'clip',
        source,
        uniforms: [elements, replicas, block.replicaStride, sums.replicaStride, f32(Number(call.params.maxNorm))],
        bindings: [read(sums), write(block)],
        workgroups: linearGrid(Math.ceil((elements * replicas) / 64)),
      },
    ];
  },
  wasm(call) {
    const { sums } = call.inputs;
    const { block } = call.outputs;
    const elements = elementsPerReplica(block);
    const replicas = block.shape[0];
    const limit = { f32: Number(call.params.maxNorm) };
    return [
      {
        kernel: 'clip',
        words: [at(block), at(sums), stride(block), stride(sums), replicas, elements, limit],
        parts: partsFor(replicas * elements),
      },
    ];
  },
  cost(call) {
    const elements = call.outputs.block.shape[0] * elementsPerReplica(call.outputs.block);
    return { flops: elements, bytes: 8 * elements };
  },
  cases: [
    { name: 'over the bound', ...clipCase(3, [7, 13], 1.5, 40) },
    { name: 'under the bound', ...clipCase(2, [9], 10, 99) },
    { name: 'infinite norm', ...clipCase(2, [9], 1, Number.POSITIVE_INFINITY) },
    { name: 'one element', ...clipCase(2, [1], 0.01, 1e-3) },
  ],
};

export function clipCase(
  replicas: number,
  shape: number[],
  maxNorm: number,
  squares: number,
): Omit<KernelCase, 'name'> {
  return {
    replicas,
    fill: { sums: (i) => (i === 1 ? squares : 0) },
    rtol: 2 ** -21, // a square root, a division (2.5 ulp in WGSL) and a product
    atol: 0,
    build(plan) {
      const p = plan.program;
      clip(plan, { label: 'case', block: p.persistent('block', shape), sums: p.persistent('sums', [2]), maxNorm });
    },
  };
}
