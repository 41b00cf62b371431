import threefrySource from '../../shaders/threefry.wgsl';
import source from '../../shaders/uniformFill.wgsl';
import { linearGrid, write } from '../gpu/dispatch.js';
import type { DType } from '../plan/types.js';
import * as reference from '../reference/uniformFill.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/**
 * Fills with uniform numbers, a function of (key, stream, element) alone; overwrites. output u32: whole words; f32: multiples of
 * 2^-24 in [0, 1). stream distinguishes the fills of one key.
 */
export const uniformFill = defineOperation({
  name: 'uniformFill',
  inputs: { keys: 'u32 R 2' },
  outputs: { output: 'any R ...elements' },
  params: { stream: u32({ default: 0 }) },
  reference({ keys, output }, { elements, stream }) {
    const float = output instanceof Float64Array;
    for (let i = 0; i < elements; i++) output[i] = reference.uniformElement(keys, stream, i, float);
  },
  webgpu: ({ inputs: { keys }, outputs: { output }, params: { elements }, replicas, launch }) => [
    launch({
      source: threefrySource + source,
      constants: { FLOAT: Number(output.dtype === 'f32') },
      bind: { keys, output: write(output, 'u32') },
      workgroups: linearGrid(Math.ceil((Math.ceil(elements / 2) * replicas) / 64)),
    }),
  ],
  wasm: {
    words: { float: 'u32' },
    launch: ({ outputs: { output }, params: { elements }, replicas }) => [
      { words: { float: Number(output.dtype === 'f32') }, parts: partsFor(16 * replicas * elements) },
    ],
  },
  cost: ({ elements }) => ({ flops: 0, bytes: 4 * elements }),
  cases: () => [
    { name: 'words', ...fillCase(3, [5, 7], 'u32', 0) },
    { name: 'floats', ...fillCase(3, [5, 7], 'f32', 9) },
    { name: 'one word', ...fillCase(2, [1], 'u32', 2 ** 32 - 1) },
  ],
});

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
