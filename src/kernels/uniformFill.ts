import threefrySource from '../../shaders/threefry.wgsl';
import source from '../../shaders/uniformFill.wgsl';
import { linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type DType, elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/uniformFill.js';
import { at, partsFor, stride } from '../wasm/command.js';
import { expectShape, expectWhole } from './shapes.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface UniformFillOptions {
  label: string;
  keys: Tensor; // u32 [R, 2]
  output: Tensor; // [R, ...], u32: whole words; f32: multiples of 2^-24 in [0, 1)
  stream?: number; // u32, tells the fills of one key apart; default 0
}

/** Adds a fill with uniform numbers, a function of (key, stream, element) alone; overwrites. @throws ShapeError. */
export function uniformFill(plan: PlanBuilder, o: UniformFillOptions): void {
  const { keys, output, stream = 0 } = o;
  expectShape('uniformFill', o.label, 'keys', keys, [output.shape[0], 2], 'u32');
  expectWhole('uniformFill', o.label, { stream }, 0);
  plan.call({ op: 'uniformFill', label: o.label, inputs: { keys }, outputs: { output }, params: { stream } });
}

export const uniformFillKernel: KernelSpec = {
  op: 'uniformFill',
  reference(call, { keys, output }) {
    const tensor = call.outputs.output;
    for (let r = 0; r < tensor.shape[0]; r++)
      for (let i = 0; i < elementsPerReplica(tensor); i++)
        output.data[r * output.stride + i] = reference.uniformElement(
          keys.data.subarray(r * keys.stride),
          Number(call.params.stream),
          i,
          tensor.dtype === 'f32',
        );
  },
  webgpu(call) {
    const { keys } = call.inputs;
    const { output } = call.outputs;
    const elements = elementsPerReplica(output);
    const replicas = output.shape[0];
    return [
      {
        shader: 'uniformFill',
        source: threefrySource + source,
        constants: { FLOAT: Number(output.dtype === 'f32') },
        uniforms: [elements, replicas, keys.replicaStride, output.replicaStride, Number(call.params.stream)],
        bindings: [read(keys), write(output)],
        workgroups: linearGrid(Math.ceil((Math.ceil(elements / 2) * replicas) / 64)),
      },
    ];
  },
  wasm(call) {
    const { keys } = call.inputs;
    const { output } = call.outputs;
    const elements = elementsPerReplica(output);
    const replicas = output.shape[0];
    const flags = [Number(call.params.stream), Number(output.dtype === 'f32')];
    return [
      {
        kernel: 'uniformFill',
        words: [at(keys), at(output), stride(keys), stride(output), replicas, elements, ...flags],
        parts: partsFor(16 * replicas * elements),
      },
    ];
  },
  cost(call) {
    const elements = call.outputs.output.shape[0] * elementsPerReplica(call.outputs.output);
    return { flops: 0, bytes: 4 * elements };
  },
  cases: [
    { name: 'words', ...fillCase(3, [5, 7], 'u32', 0) },
    { name: 'floats', ...fillCase(3, [5, 7], 'f32', 9) },
    { name: 'one word', ...fillCase(2, [1], 'u32', 2 ** 32 - 1) },
  ],
};

export function fillCase(replicas: number, shape: number[], dtype: DType, stream: number): Omit<KernelCase, 'name'> {
  return {
    replicas,
    fill: { keys: (_i, random) => Math.floor(random() * 2 ** 32) },
    rtol: 0, // exact
    atol: 0,
    build(plan) {
      const p = plan.program;
      const keys = p.persistent('keys', [2], 'u32');
      uniformFill(plan, { label: 'case', keys, output: p.persistent('output', shape, dtype), stream });
    },
  };
}
