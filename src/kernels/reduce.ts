import source from '../../shaders/reduce.wgsl';
import finishSource from '../../shaders/reduce_finish.wgsl';
import { type AdapterTraits, type Dispatch, read, type Scratch, write } from '../gpu/dispatch.js';
import { opaqueBounds, unroll } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/reduce.js';
import { at, partsFor, stride } from '../wasm/command.js';
import { expectShape } from './shapes.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface ReduceOptions {
  label: string;
  input: Tensor; // [R, ...], a whole block too
  sums: Tensor; // [R, 2]: sum, sum of squares
  nonFinite: Tensor; // u32 [R, 1]: how many values are infinite or no numbers
}

/** Adds sum, sum of squares and finite check of every replica's elements; overwrites. @throws ShapeError. */
export function reduce(plan: PlanBuilder, o: ReduceOptions): void {
  const { input, sums, nonFinite } = o;
  expectShape('reduce', o.label, 'input', input, input.shape);
  expectShape('reduce', o.label, 'sums', sums, [input.shape[0], 2]);
  expectShape('reduce', o.label, 'nonFinite', nonFinite, [input.shape[0], 1], 'u32');
  plan.call({ op: 'reduce', label: o.label, inputs: { input }, outputs: { sums, nonFinite }, params: {} });
}

export const reduceKernel: KernelSpec = {
  op: 'reduce',
  reference(call, views) {
    const { input, sums, nonFinite } = views;
    for (let r = 0; r < call.inputs.input.shape[0]; r++) {
      const row = input.data.subarray(r * input.stride) as Float64Array;
      const [sum, squares, bad] = reference.reduce(elementsPerReplica(call.inputs.input), row);
      sums.data[r * sums.stride] = sum;
      sums.data[r * sums.stride + 1] = squares;
      nonFinite.data[r * nonFinite.stride] = bad;
    }
  },
  webgpu: lower,
  wasm(call, scratch) {
    const { input } = call.inputs;
    const { sums, nonFinite } = call.outputs;
    const elements = elementsPerReplica(input);
    const replicas = input.shape[0];
    const tensors = [input, sums, nonFinite];
    const partial = scratch(24 * replicas * Math.ceil(elements / 4096));
    const words = [...tensors.map(at), partial, ...tensors.map(stride), replicas, elements];
    return [
      { kernel: 'reduce', words, parts: partsFor(3 * replicas * elements) },
      { kernel: 'reduceFinish', words, parts: 1 },
    ];
  },
  cost(call) {
    const elements = call.inputs.input.shape[0] * elementsPerReplica(call.inputs.input);
    return { flops: 3 * elements, bytes: 4 * elements };
  },
  cases: [
    { name: '5 x 77 elements', ...reduceCase(3, [5, 77]) },
    { name: 'many ranges', ...reduceCase(2, [20011]) },
    { name: 'one element', ...reduceCase(2, [1]) },
    { name: 'tiny values', ...reduceCase(2, [300], (_i, random) => 1e-15 * (random() - 0.5)) },
    { name: 'large values', ...reduceCase(2, [300], (_i, random) => 1e15 * (random() - 0.5)) },
  ],
};

function lower(call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const { input } = call.inputs;
  const { sums, nonFinite } = call.outputs;
  const elements = elementsPerReplica(input);
  const replicas = input.shape[0];
  // Depends on one replica's shape only, so that its bits do not depend on its neighbours.
  const perRange = Math.max(4096, Math.ceil(elements / 2048 / 256) * 256);
  const ranges = Math.ceil(elements / perRange);
  const part = scratch(0, [replicas, ranges, 4]);
  return [
    {
      shader: 'reduce',
      source: opaqueBounds(traits.software, 'p.elements') + unroll(source, {}),
      uniforms: [elements, perRange, ranges, input.replicaStride],
      bindings: [read(input), write(part)],
      workgroups: [ranges, replicas, 1],
    },
    {
      shader: 'reduce_finish',
      source: opaqueBounds(traits.software, 'p.ranges') + finishSource,
      uniforms: [ranges, sums.replicaStride, nonFinite.replicaStride],
      bindings: [read(part), write(sums), write(nonFinite)],
      workgroups: [replicas, 1, 1],
    },
  ];
}

export function reduceCase(
  replicas: number,
  shape: number[],
  input?: (i: number, random: () => number) => number,
): Omit<KernelCase, 'name'> {
  const elements = shape.reduce((a, b) => a * b, 1);
  // Each addition rounds a partial sum that is at most the sum of absolute values: chains of at most 128 + 8 + 8 + 8 additions
  // in f32. The largest value scales the bound of `sum`, whose terms cancel; squares do not.
  const largest = input ? Math.abs(input(0, () => 0)) * 2 : 4;
  return {
    replicas,
    fill: input && { input },
    rtol: 280 * 2 ** -24,
    atol: 24 * 2 ** -24 * elements * Math.min(largest, largest ** 2),
    build(plan) {
      const p = plan.program;
      reduce(plan, {
        label: 'case',
        input: p.persistent('input', shape),
        sums: p.persistent('sums', [2]),
        nonFinite: p.persistent('nonFinite', [1], 'u32'),
      });
    },
  };
}
