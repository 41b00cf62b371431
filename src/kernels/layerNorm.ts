import source from '../../shaders/layerNorm.wgsl';
import coreSource from '../../shaders/layerNorm_core.wgsl';
import { ShapeError } from '../core/errors.js';
import { f32, linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/layerNorm.js';
import { at, partsFor, stride } from '../wasm/command.js';
import type { HostViews, KernelCase, KernelSpec } from './types.js';

export interface LayerNormOptions {
  label: string;
  input: Tensor; // [R, ..., C]
  weight: Tensor; // [R, C]
  bias: Tensor; // [R, C]
  output: Tensor; // as input
  mean: Tensor; // [R, rows], for the backward call
  inverse: Tensor; // [R, rows], 1 / standard deviation
  eps?: number; // default 1e-5
}

/** Adds output = (input - mean) / sqrt(variance + eps) * weight + bias over the last dimension; overwrites. @throws ShapeError. */
export function layerNorm(plan: PlanBuilder, o: LayerNormOptions): void {
  const { input, weight, bias, output, mean, inverse, eps = 1e-5 } = o;
  const sizes = normSizes('layerNorm', o.label, input, { weight, bias }, { mean, inverse }, { output });
  if (!(eps > 0)) throw new ShapeError(`layerNorm (${o.label}): eps = ${eps}; pass a number > 0`);
  plan.call({
    op: 'layerNorm',
    label: o.label,
    inputs: { input, weight, bias },
    outputs: { output, mean, inverse },
    params: { ...sizes, eps },
  });
}

export const layerNormKernel: KernelSpec = {
  op: 'layerNorm',
  reference(call, views) {
    const { rows, channels, eps } = call.params as Record<string, number>;
    for (let r = 0; r < call.inputs.input.shape[0]; r++) {
      const of = replicaOf(views, r);
      reference.layerNorm(
        ...([rows, channels, eps] as const),
        ...([of('input'), of('weight'), of('bias'), of('output'), of('mean'), of('inverse')] as const),
      );
    }
  },
  webgpu(call) {
    const { rows, channels, eps } = call.params as Record<string, number>;
    const { input, weight, bias } = call.inputs;
    const { output, mean, inverse } = call.outputs;
    const lanes = lanesFor(channels);
    return [
      {
        shader: 'layerNorm',
        source: coreSource + source,
        uniforms: [
          ...[rows, channels, lanes, input.shape[0]],
          ...[input, weight, bias, output, mean, inverse].map((t) => t.replicaStride),
          f32(eps),
        ],
        bindings: [read(input), read(weight), read(bias), write(output), write(mean), write(inverse)],
        workgroups: linearGrid(Math.ceil((rows * input.shape[0]) / (64 / lanes))),
      },
    ];
  },
  wasm(call) {
    const { rows, channels, eps } = call.params as Record<string, number>;
    const { input, weight, bias } = call.inputs;
    const { output, mean, inverse } = call.outputs;
    const tensors = [input, weight, bias, output, mean, inverse];
    const replicas = input.shape[0];
    return [
      {
        kernel: 'layerNorm',
        words: [...tensors.map(at), ...tensors.map(stride), replicas, rows, channels, { f32: eps }],
        parts: partsFor(2 * replicas * rows * channels),
      },
    ];
  },
  cost(call) {
    const elements = call.inputs.input.shape[0] * elementsPerReplica(call.inputs.input);
    return { flops: 8 * elements, bytes: 8 * elements };
  },
  cases: normCases((plan, t) => layerNorm(plan, { label: 'case', ...t })),
};

/** Threads that walk one row: about 4 channels each, a power of 2. */
export function lanesFor(channels: number): number {
  let lanes = 1;
  while (lanes < 64 && 4 * lanes < channels) lanes *= 2;
  return lanes;
}

/** One replica's elements of a view, first element first. */
export function replicaOf(views: HostViews, r: number): (slot: string) => Float64Array {
  return (slot) => views[slot].data.subarray(r * views[slot].stride) as Float64Array;
}

/** Rows and channels of input [R, ..., C], with everything else checked against them. */
export function normSizes(
  op: string,
  label: string,
  input: Tensor,
  perChannel: Readonly<Record<string, Tensor>>,
  perRow: Readonly<Record<string, Tensor>>,
  perElement: Readonly<Record<string, Tensor>>,
): { rows: number; channels: number } {
  const channels = input.shape[input.shape.length - 1];
  const elements = elementsPerReplica(input);
  const rows = elements / channels;
  const check = (tensors: Readonly<Record<string, Tensor>>, wanted: number, pass: string) => {
    for (const [name, t] of Object.entries(tensors))
      if (elementsPerReplica(t) !== wanted || t.shape[0] !== input.shape[0] || t.dtype !== 'f32')
        throw new ShapeError(`${op} (${label}): ${name} is [${t.shape}], input [${input.shape}]; pass ${pass}`);
  };
  check(perChannel, channels, `[${input.shape[0]},${channels}]`);
  check(perRow, rows, `[${input.shape[0]},${rows}]`);
  check(perElement, elements, `[${input.shape}]`);
  return { rows, channels };
}

/** The tensors of a layer norm case. */
export interface NormTensors {
  input: Tensor;
  weight: Tensor;
  bias: Tensor;
  output: Tensor;
  mean: Tensor;
  inverse: Tensor;
}

/** The same shapes for forward and backward. */
export function normCases(build: (plan: PlanBuilder, tensors: NormTensors) => void): KernelCase[] {
  const list: readonly [string, number, number, ((i: number, random: () => number) => number)?, number?][] = [
    ['7 rows of 37', 7, 37],
    ['130 rows of 5', 130, 5],
    ['one channel', 9, 1],
    ['one row of 300', 1, 300],
    ['offset of 1000', 5, 64, (_i, random) => 1000 + 8 * random(), 1000],
    ['tiny values', 5, 20, (_i, random) => 1e-6 * (random() - 0.5)],
    ['large values', 5, 20, (_i, random) => 1e9 * (random() - 0.5)],
  ];
  return list.map(([name, rows, channels, input, offset]) => ({
    name,
    ...normCase(build, 3, rows, channels, input, offset),
  }));
}

export function normCase(
  build: (plan: PlanBuilder, tensors: NormTensors) => void,
  replicas: number,
  rows: number,
  channels: number,
  input?: (i: number, random: () => number) => number,
  offset = 0, // of the input, in units of its spread
): Omit<KernelCase, 'name'> {
  return {
    replicas,
    fill: input && { input },
    // Means of C terms in f32, relative to the row's spread; a row of nearly equal channels magnifies that. An offset makes
    // the mean wrong by half an ulp of it; parameter gradients sum all rows.
    rtol: 2 ** -12,
    atol: 2 ** -14 + rows * (2 ** -20 + offset * 2 ** -23),
    build(plan) {
      const p = plan.program;
      build(plan, {
        input: p.persistent('input', [rows, channels]),
        weight: p.persistent('weight', [channels]),
        bias: p.persistent('bias', [channels]),
        output: p.persistent('output', [rows, channels]),
        mean: p.persistent('mean', [rows]),
        inverse: p.persistent('inverse', [rows]),
      });
    },
  };
}
