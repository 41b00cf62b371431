import source from '../../shaders/columnSum.wgsl';
import { ShapeError } from '../core/errors.js';
import { type Dispatch, f32, read, type Scratch, write } from '../gpu/dispatch.js';
import { unroll } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/columnSum.js';
import { at, partsFor, stride } from '../wasm/command.js';
import type { HostViews, KernelCase, KernelSpec } from './types.js';

export interface ColumnSumOptions {
  label: string;
  input: Tensor; // [R, A, N]
  output: Tensor; // [R, N]
  scale?: number;
  accumulate?: boolean;
}

/** Adds output = (output +) scale * sum over A of input: gradients of biases and position tables. @throws ShapeError. */
export function columnSum(plan: PlanBuilder, o: ColumnSumOptions): void {
  const [, rows, columns] = o.input.shape;
  if (o.input.shape.length !== 3 || elementsPerReplica(o.output) !== columns)
    throw new ShapeError(
      `columnSum (${o.label}): input [${o.input.shape}], output [${o.output.shape}]; pass [R, A, N] and [R, N]`,
    );
  plan.call({
    op: 'columnSum',
    label: o.label,
    inputs: { input: o.input },
    outputs: { output: o.output },
    params: { rows, columns, scale: o.scale ?? 1, accumulate: o.accumulate ?? false },
  });
}

interface Params {
  rows: number;
  columns: number;
  scale: number;
  accumulate: boolean;
}

export const columnSumKernel: KernelSpec = {
  op: 'columnSum',
  reference(call: Call, views: HostViews) {
    const p = call.params as unknown as Params;
    for (let r = 0; r < call.inputs.input.shape[0]; r++)
      reference.columnSum(
        p.rows,
        p.columns,
        p.scale,
        p.accumulate,
        views.input.data.subarray(r * views.input.stride) as Float64Array,
        views.output.data.subarray(r * views.output.stride) as Float64Array,
      );
  },
  webgpu: lower,
  wasm(call) {
    const p = call.params as unknown as Params;
    const { input } = call.inputs;
    const { output } = call.outputs;
    const replicas = input.shape[0];
    return [
      {
        kernel: 'columnSum',
        words: [
          ...[at(input), at(output), stride(input), stride(output)],
          ...[replicas, p.rows, p.columns, { f32: p.scale }, Number(p.accumulate)],
        ],
        parts: partsFor((replicas * p.rows * p.columns) / 2),
      },
    ];
  },
  cost(call) {
    const elements = call.inputs.input.shape[0] * elementsPerReplica(call.inputs.input);
    return { flops: elements, bytes: 4 * elements };
  },
  cases: [
    sumCase('few rows', 7, 37, false),
    sumCase('many rows, accumulated', 1000, 5, true),
    sumCase('one row', 1, 3, false),
    sumCase('one column', 9, 1, true),
  ],
};

function lower(call: Call, _traits: unknown, scratch: Scratch): Dispatch[] {
  const p = call.params as unknown as Params;
  const { input } = call.inputs;
  const { output } = call.outputs;
  const replicas = input.shape[0];
  // Depends on one replica's shape only, so that its bits do not depend on its neighbours.
  const splits = Math.max(1, Math.min(64, Math.floor(p.rows / 32)));
  const sum = (from: Tensor, to: Tensor, rows: number, row: number, stride: number, count: number): Dispatch => ({
    shader: 'columnSum',
    source: unroll(source, {}),
    uniforms: [
      ...[rows, p.columns, count, Math.ceil(rows / count)],
      ...[stride, row, count > 1 ? 0 : to.replicaStride, replicas],
      ...[Number(p.accumulate), f32(p.scale)],
    ],
    bindings: [read(from), write(to)],
    workgroups: [Math.ceil(p.columns / 64), count, replicas],
  });
  if (splits === 1) return [sum(input, output, p.rows, p.columns, input.replicaStride, 1)];
  const partial = scratch(0, [splits, replicas * p.columns]);
  return [
    sum(input, partial, p.rows, p.columns, input.replicaStride, splits),
    sum(partial, output, splits, replicas * p.columns, p.columns, 1),
  ];
}

function sumCase(name: string, rows: number, columns: number, accumulate: boolean): KernelCase {
  return {
    name,
    replicas: 3,
    rtol: 2 ** -20,
    atol: 4 * rows * 2 ** -24, // f32 sum of `rows` normal numbers
    build(plan) {
      const p = plan.program;
      columnSum(plan, {
        label: 'case',
        input: p.persistent('input', [rows, columns]),
        output: p.persistent('output', [columns]),
        scale: 0.5,
        accumulate,
      });
    },
  };
}
