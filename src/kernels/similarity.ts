import columnsSource from '../../shaders/similarity.wgsl';
import meanSource from '../../shaders/similarity_mean.wgsl';
import rowsSource from '../../shaders/similarity_rows.wgsl';
import { ShapeError } from '../core/errors.js';
import { read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/similarity.js';
import { at, partsFor, stride } from '../wasm/command.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface SimilarityOptions {
  label: string;
  a: Tensor; // [R, B, ...], activations of a batch
  b: Tensor; // as a, of the changed batch
  output: Tensor; // [R, slots]
  slot: number; // element of output that is written
}

/**
 * Adds output[slot] = mean over the batch of the cosine between a's and b's rows, each unit standardised over its batch
 * (mean subtracted, divided by the standard deviation; constant units count as zero). Source: arXiv:2505.07070. @throws ShapeError
 */
export function similarity(plan: PlanBuilder, { label, a, b, output, slot }: SimilarityOptions): void {
  const batch = a.shape[1];
  const units = elementsPerReplica(a) / batch;
  if (a.shape.join() !== b.shape.join())
    throw new ShapeError(`similarity (${label}): a [${a.shape}], b [${b.shape}]; pass equal shapes`);
  if (!(Number.isInteger(slot) && slot >= 0 && slot < elementsPerReplica(output)))
    throw new ShapeError(`similarity (${label}): slot ${slot} of output [${output.shape}]`);
  plan.call({ op: 'similarity', label, inputs: { a, b }, outputs: { output }, params: { batch, units, slot } });
}

export const similarityKernel: KernelSpec = {
  op: 'similarity',
  reference(call, { a, b, output }) {
    const { batch, units, slot } = call.params as Record<string, number>;
    for (let r = 0; r < call.outputs.output.shape[0]; r++)
      output.data[r * output.stride + slot] = reference.similarity(
        batch,
        units,
        a.data.subarray(r * a.stride) as Float64Array,
        b.data.subarray(r * b.stride) as Float64Array,
      );
  },
  webgpu(call, _traits, scratch) {
    const { batch, units, slot } = call.params as Record<string, number>;
    const { a, b } = call.inputs;
    const { output } = call.outputs;
    const replicas = output.shape[0];
    const stats = scratch(0, [replicas, 4 * units]);
    const rows = scratch(1, [replicas, batch]);
    const sizes = [batch, units, a.replicaStride, b.replicaStride];
    return [
      {
        shader: 'similarity',
        source: columnsSource,
        uniforms: sizes,
        bindings: [read(a), read(b), write(stats)],
        workgroups: [Math.ceil(units / 32), 2, replicas],
      },
      {
        shader: 'similarity_rows',
        source: rowsSource,
        uniforms: sizes,
        bindings: [read(a), read(b), read(stats), write(rows)],
        workgroups: [batch, replicas, 1],
      },
      {
        shader: 'similarity_mean',
        source: meanSource,
        uniforms: [batch, slot, output.replicaStride],
        bindings: [read(rows), write(output)],
        workgroups: [replicas, 1, 1],
      },
    ];
  },
  wasm(call, scratch) {
    const { batch, units, slot } = call.params as Record<string, number>;
    const { a, b } = call.inputs;
    const { output } = call.outputs;
    const replicas = output.shape[0];
    const words = [
      ...[a, b, output].map(at),
      ...[a, b, output].map(stride),
      ...[scratch(16 * replicas * units), scratch(4 * replicas * batch)],
      ...[replicas, batch, units, slot],
    ];
    const work = replicas * batch * units;
    return [
      { kernel: 'similarity', words, parts: partsFor(work) },
      { kernel: 'similarityRows', words, parts: partsFor(2 * work) },
      { kernel: 'similarityMean', words, parts: 1 },
    ];
  },
  cost(call) {
    const elements = call.inputs.a.shape[0] * elementsPerReplica(call.inputs.a);
    return { flops: 20 * elements, bytes: 24 * elements };
  },
  cases: [
    similarityCase('few units', 37, [5], 0),
    similarityCase('many units and positions', 9, [3, 67], 2),
    similarityCase('constant units', 20, [7], 1, (i) => (i % 7 < 4 ? 3.3 : undefined)),
    similarityCase('nothing varies', 6, [4], 1, () => 0.1),
    similarityCase('one sentence', 1, [3], 0),
  ],
};

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
    // Standardised values of order 1 from sums over the batch, then a sum of `units` products over one as large.
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
