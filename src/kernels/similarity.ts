import columnsSource from '../../shaders/similarity.wgsl';
import meanSource from '../../shaders/similarity_mean.wgsl';
import rowsSource from '../../shaders/similarity_rows.wgsl';
import { write } from '../gpu/dispatch.js';
import * as reference from '../reference/similarity.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/**
 * output[slot] = mean over the batch of the cosine between a's and b's rows, each unit standardised over its batch (mean
 * subtracted, divided by the standard deviation; constant units count as zero). a: activations of a batch; b: of the changed
 * batch. Source: arXiv:2505.07070.
 */
export const similarity = defineOperation({
  name: 'similarity',
  inputs: { a: 'R batch ...units', b: 'R batch ...units' },
  outputs: { output: 'R ...slots' },
  params: { slot: u32() },
  check({ slot, slots, output }, refuse) {
    if (slot >= slots) refuse(`slot ${slot} of output [${output.shape}]; pass a slot < ${slots}`);
  },
  reference({ a, b, output }, { batch, units, slot }) {
    output[slot] = reference.similarity(batch, units, a, b);
  },
  webgpu({ inputs: { a, b }, outputs: { output }, params: { batch, units }, replicas, launch }, _traits, scratch) {
    const stats = scratch(0, [replicas, 4 * units]);
    const rows = scratch(1, [replicas, batch]);
    return [
      launch({
        source: columnsSource,
        bind: { a, b, stats: write(stats) },
        workgroups: [Math.ceil(units / 32), 2, replicas],
      }),
      launch({
        shader: 'similarity_rows',
        source: rowsSource,
        bind: { a, b, stats, rows: write(rows) },
        workgroups: [batch, replicas, 1],
      }),
      launch({ shader: 'similarity_mean', source: meanSource, bind: { rows, output }, workgroups: [replicas, 1, 1] }),
    ];
  },
  wasm: {
    kernels: ['similarity', 'similarityRows', 'similarityMean'],
    words: { stats: 'address', rows: 'address' },
    launch({ params: { batch, units }, replicas }, scratch) {
      const words = { stats: scratch(16 * replicas * units), rows: scratch(4 * replicas * batch) };
      const work = replicas * batch * units;
      return [
        { words, parts: partsFor(work) },
        { kernel: 'similarityRows', words, parts: partsFor(2 * work) },
        { kernel: 'similarityMean', words, parts: 1 },
      ];
    },
  },
  cost: ({ batch, units }) => ({ flops: 20 * batch * units, bytes: 24 * batch * units }),
  cases: () => [
    similarityCase('few units', 37, [5], 0),
    similarityCase('many units and positions', 9, [3, 67], 2),
    similarityCase('constant units', 20, [7], 1, (i) => (i % 7 < 4 ? 3.3 : undefined)),
    similarityCase('nothing varies', 6, [4], 1, () => 0.1),
    similarityCase('one sentence', 1, [3], 0),
  ],
});

function similarityCase(
  name: string,
  batch: number,
  shape: number[],
  slot: number,
  constant: (i: number) => number | undefined = () => undefined,
): KernelCase {
  const units = shape.reduce((x, y) => x * y, 1);
  const normal = (random: () => number) => random() + random() + random() - 1.5;
  return {
    name,
    replicas: 3,
    fill: {
      a: (i, random) => constant(i) ?? normal(random),
      b: (i, random) => constant(i) ?? normal(random),
      output: () => 7,
    },
    // Standardised values of order 1 from sums over the batch, then a sum of `units` products divided by one of the same size.
    rtol: 0,
    atol: 16 * (Math.sqrt(batch) + Math.sqrt(units)) * 2 ** -24,
    build(plan) {
      const p = plan.program;
      similarity(plan, {
        label: 'case',
        a: p.persistent('a', [batch, ...shape]),
        b: p.persistent('b', [batch, ...shape]),
        output: p.persistent('output', [3]),
        slot,
      });
    },
  };
}
