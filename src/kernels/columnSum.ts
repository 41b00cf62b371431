import source from '../../shaders/columnSum.wgsl';
import { read, write } from '../gpu/dispatch.js';
import { unroll } from '../gpu/unroll.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/columnSum.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { bool, f32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/** output = (output +) scale * sum over the rows of input: gradients of biases and position tables. */
export const columnSum = defineOperation({
  name: 'columnSum',
  inputs: { input: 'R rows columns' },
  outputs: { output: 'R columns' },
  params: { scale: f32({ default: 1 }), accumulate: bool() },
  reference: ({ input, output }, { rows, columns, scale, accumulate }) =>
    reference.columnSum(rows, columns, scale, accumulate, input, output),
  webgpu({ inputs: { input }, outputs: { output }, params: { rows, columns }, replicas, launch }, _traits, scratch) {
    // Depends only on one replica's shape, so that its bits do not depend on its neighbours.
    const splits = Math.max(1, Math.min(64, Math.floor(rows / 32)));
    const sum = (
      from: Tensor,
      to: Tensor,
      words: { rows: number; inputRow: number; inputReplica: number },
      count: number,
    ) =>
      launch({
        source: unroll(source, {}),
        words: { ...words, splits: count, rowsPerSplit: Math.ceil(words.rows / count) },
        bind: { input: read(from), output: write(to) },
        workgroups: [Math.ceil(columns / 64), count, replicas],
      });
    const whole = { rows, inputRow: columns, inputReplica: input.replicaStride };
    if (splits === 1) return [sum(input, output, whole, 1)];
    const partial = scratch(0, [splits, replicas * columns]);
    return [
      sum(input, partial, whole, splits),
      sum(partial, output, { rows: splits, inputRow: replicas * columns, inputReplica: columns }, 1),
    ];
  },
  wasm: { launch: ({ params: { rows, columns }, replicas }) => [{ parts: partsFor((replicas * rows * columns) / 2) }] },
  cost: ({ rows, columns }) => ({ flops: rows * columns, bytes: 4 * rows * columns }),
  cases: () => [
    sumCase('few rows', 7, 37, false),
    sumCase('many rows, accumulated', 1000, 5, true),
    sumCase('one row', 1, 3, false),
    sumCase('one column', 9, 1, true),
  ],
});

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
