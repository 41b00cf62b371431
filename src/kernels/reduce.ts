import source from '../../shaders/reduce.wgsl';
import finishSource from '../../shaders/reduce_finish.wgsl';
import { read, write } from '../gpu/dispatch.js';
import { opaqueBounds, unroll } from '../gpu/unroll.js';
import * as reference from '../reference/reduce.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import type { KernelCase } from './shared/types.js';

/** Sum and sum of squares of every replica's elements, and how many are infinite or NaN; overwrites. */
export const reduce = defineOperation({
  name: 'reduce',
  inputs: { input: 'R ...elements' }, // a whole block too
  outputs: { sums: 'R 2', nonFinite: 'u32 R 1' },
  reference({ input, sums, nonFinite }, { elements }) {
    [sums[0], sums[1], nonFinite[0]] = reference.reduce(elements, input);
  },
  webgpu({ inputs: { input }, outputs: { sums, nonFinite }, params: { elements }, replicas, launch }, traits, scratch) {
    // Depends only on one replica's shape, so that its bits do not depend on its neighbours.
    const perRange = Math.max(4096, Math.ceil(elements / 2048 / 256) * 256);
    const ranges = Math.ceil(elements / perRange);
    const part = scratch(0, [replicas, ranges, 4]);
    return [
      launch({
        source: opaqueBounds(traits.software, 'p.elements') + unroll(source, {}),
        words: { perRange, ranges },
        bind: { input: read(input, 'u32'), part: write(part, 'vec4f') },
        workgroups: [ranges, replicas, 1],
      }),
      launch({
        shader: 'reduce_finish',
        source: opaqueBounds(traits.software, 'p.ranges') + finishSource,
        words: { ranges },
        bind: { part: read(part, 'vec4f'), sums, nonFinite },
        workgroups: [replicas, 1, 1],
      }),
    ];
  },
  wasm: {
    kernels: ['reduce', 'reduceFinish'],
    words: { partial: 'address' },
    launch({ params: { elements }, replicas }, scratch) {
      const words = { partial: scratch(24 * replicas * Math.ceil(elements / 4096)) };
      return [
        { words, parts: partsFor(3 * replicas * elements) },
        { kernel: 'reduceFinish', words, parts: 1 },
      ];
    },
  },
  cost: ({ elements }) => ({ flops: 3 * elements, bytes: 4 * elements }),
  cases: () => [
    { name: '5 x 77 elements', ...reduceCase(3, [5, 77]) },
    { name: 'many ranges', ...reduceCase(2, [20011]) },
    { name: 'one element', ...reduceCase(2, [1]) },
    { name: 'tiny values', ...reduceCase(2, [300], (_i, random) => 1e-15 * (random() - 0.5)) },
    { name: 'large values', ...reduceCase(2, [300], (_i, random) => 1e15 * (random() - 0.5)) },
  ],
});

export function reduceCase(
  replicas: number,
  shape: number[],
  input?: (i: number, random: () => number) => number,
): Omit<KernelCase, 'name'> {
  const elements = shape.reduce((a, b) => a * b, 1);
  // Each addition rounds a partial sum that is at most the sum of absolute values: chains of at most 128 + 8 + 8 + 8 additions in
  // f32. The largest value scales the bound of `sum`, whose terms may cancel; squares do not cancel.
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
