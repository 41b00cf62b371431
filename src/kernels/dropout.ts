import source from '../../shaders/dropout.wgsl';
import threefrySource from '../../shaders/threefry.wgsl';
import { clockWords } from '../core/clock.js';
import { ShapeError } from '../core/errors.js';
import { f32, linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/dropout.js';
import { at, partsFor, stride } from '../wasm/command.js';
import { expectShape, expectWhole } from './shapes.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface DropoutOptions {
  label: string;
  input: Tensor; // [R, ...]
  output: Tensor; // as input, another tensor
  keys: Tensor; // u32 [R, 2], of the stream `dropout`
  clock: Tensor; // u32 [R, words]
  clockWord?: number; // where the step is in clock; default clockWords.step
  layer: number; // tells the dropouts of one step apart
  probability: number; // of an element to be dropped, 0 <= p < 1
}

/**
 * Adds output = input / (1 - p) where the mask keeps, else 0; overwrites. The mask is a function of (key, step, layer,
 * element): the backward pass calls this again with dOutput as input and dInput as output. @throws ShapeError.
 */
export function dropout(plan: PlanBuilder, o: DropoutOptions): void {
  const { input, output, keys, clock, layer, probability, clockWord = clockWords.step } = o;
  const replicas = input.shape[0];
  expectShape('dropout', o.label, 'output', output, input.shape);
  expectShape('dropout', o.label, 'keys', keys, [replicas, 2], 'u32');
  expectShape('dropout', o.label, 'clock', clock, [replicas, ...clock.shape.slice(1)], 'u32');
  expectWhole('dropout', o.label, { layer, clockWord }, 0);
  if (clockWord >= elementsPerReplica(clock))
    throw new ShapeError(`dropout (${o.label}): clock [${clock.shape}] has no word ${clockWord}`);
  if (!(probability >= 0 && probability < 1))
    throw new ShapeError(`dropout (${o.label}): probability = ${probability}; pass 0 <= p < 1`);
  plan.call({
    op: 'dropout',
    label: o.label,
    inputs: { input, keys, clock },
    outputs: { output },
    params: { layer, probability, clockWord },
  });
}

export const dropoutKernel: KernelSpec = {
  op: 'dropout',
  reference(call, views) {
    const { layer, probability, clockWord } = call.params as Record<string, number>;
    for (let r = 0; r < call.inputs.input.shape[0]; r++)
      reference.dropout(
        elementsPerReplica(call.inputs.input),
        probability,
        views.keys.data.subarray(r * views.keys.stride),
        views.clock.data[r * views.clock.stride + clockWord],
        layer,
        views.input.data.subarray(r * views.input.stride) as Float64Array,
        views.output.data.subarray(r * views.output.stride) as Float64Array,
      );
  },
  webgpu(call) {
    const { layer, probability, clockWord } = call.params as Record<string, number>;
    const { input, keys, clock } = call.inputs;
    const { output } = call.outputs;
    const elements = elementsPerReplica(input);
    const replicas = input.shape[0];
    return [
      {
        shader: 'dropout',
        source: threefrySource + source,
        uniforms: [
          ...[elements, replicas],
          ...[input, output, keys, clock].map((t) => t.replicaStride),
          ...[clockWord, layer, reference.dropThreshold(probability), f32(1 / (1 - probability))],
        ],
        bindings: [read(input), read(keys), read(clock), write(output)],
        workgroups: linearGrid(Math.ceil((Math.ceil(elements / 2) * replicas) / 64)),
      },
    ];
  },
  wasm(call) {
    const { layer, probability, clockWord } = call.params as Record<string, number>;
    const { input, keys, clock } = call.inputs;
    const tensors = [input, call.outputs.output, keys, clock];
    const elements = elementsPerReplica(input);
    const replicas = input.shape[0];
    return [
      {
        kernel: 'dropout',
        words: [
          ...[...tensors.map(at), ...tensors.map(stride), replicas, elements, clockWord, layer],
          ...[reference.dropThreshold(probability), { f32: 1 / (1 - probability) }],
        ],
        parts: partsFor(16 * replicas * elements),
      },
    ];
  },
  cost(call) {
    const elements = call.inputs.input.shape[0] * elementsPerReplica(call.inputs.input);
    return { flops: elements, bytes: 8 * elements };
  },
  cases: [
    ['odd number of elements', [3, 37], 0.1, 0],
    ['half dropped, layer 5', [4, 3, 8], 0.5, 5],
    ['nothing dropped', [9], 0, 1],
    ['one element', [1], 0.75, 2],
  ].map(([name, shape, probability, layer]) => ({
    name: name as string,
    ...dropoutCase(3, shape as number[], probability as number, layer as number),
  })),
};

export function dropoutCase(
  replicas: number,
  shape: number[],
  probability: number,
  layer: number,
): Omit<KernelCase, 'name'> {
  const word = (_i: number, random: () => number) => Math.floor(random() * 2 ** 32);
  return {
    replicas,
    fill: { keys: word, clock: word },
    rtol: 2 ** -22, // one product with a rounded 1 / (1 - p); the mask must be exact
    atol: 0,
    build(plan) {
      const p = plan.program;
      dropout(plan, {
        label: 'case',
        input: p.persistent('input', shape),
        output: p.persistent('output', shape),
        keys: p.persistent('keys', [2], 'u32'),
        clock: p.persistent('clock', [8], 'u32'),
        layer,
        probability,
      });
    },
  };
}
