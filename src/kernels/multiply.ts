import source from '../../shaders/multiply.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import { reshape } from '../plan/builder.js';
import { elementsPerReplica } from '../plan/types.js';
import * as reference from '../reference/multiply.js';
import { partsFor } from '../wasm/command.js';
import { columnSum } from './columnSum.js';
import { rowDot } from './rowDot.js';
import { defineOperation } from './shared/operation.js';
import { bool, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/**
 * output = (output +) a * b, where b has a factor for every element (bRow = columns, bColumn = 1), every row (bColumn = 0) or
 * every column (bRow = 0): the factor of element (i, j) is b[bOffset + i bRow + j bColumn].
 */
export const multiply = defineOperation({
  name: 'multiply',
  inputs: { a: 'R ...rows columns', b: 'R ...factors' },
  outputs: { output: 'R ...rows columns' },
  params: { bOffset: u32({ default: 0 }), bRow: u32(), bColumn: u32(), accumulate: bool() },
  check({ b, rows, columns, factors, bOffset, bRow, bColumn }, refuse) {
    const last = bOffset + (rows - 1) * bRow + (columns - 1) * bColumn;
    if (last >= factors)
      refuse(`b [${b.shape}] has no element ${last}; pass a factor for each of ${rows} x ${columns}`);
  },
  reference: ({ a, b, output }, params) => reference.multiply(params, a, b, output),
  webgpu: ({ params: { rows, columns }, replicas, launch }) => [
    launch({ source, workgroups: linearGrid(Math.ceil((rows * columns * replicas) / 64)) }),
  ],
  wasm: { launch: ({ params: { rows, columns }, replicas }) => [{ parts: partsFor(2 * replicas * rows * columns) }] },
  cost: ({ rows, columns }) => ({ flops: rows * columns, bytes: 12 * rows * columns }),
  gradient({ label, inputs: { a, b }, outputs: { output }, params: p }, pass) {
    const { rows, columns, bOffset, bRow, bColumn } = p;
    pass.add({
      input: a,
      accumulates: true,
      write: ({ tensor, accumulate }) =>
        multiply(pass.plan, {
          ...{ label: `${label} input gradient`, a: pass.of(output), b, output: tensor },
          ...{ bOffset, bRow, bColumn, accumulate },
        }),
    });
    if (!pass.wants(b)) return;
    const perRow = bColumn === 0;
    const perColumn = bRow === 0;
    const whole = bOffset === 0 && elementsPerReplica(b) === (perRow ? rows : perColumn ? columns : rows * columns);
    pass.add({
      input: b,
      accumulates: true,
      region: whole
        ? undefined
        : {
            offset: bOffset,
            row: bRow,
            group: 0,
            rows: perColumn ? 1 : rows,
            columns: perRow ? 1 : columns,
            groups: 1,
          },
      write({ tensor, accumulate }) {
        const [what, dOutput] = [`${label} factor gradient`, pass.of(output)];
        if (perRow) {
          rowDot(pass.plan, {
            label: what,
            a: dOutput,
            b: a,
            output: tensor,
            offset: bOffset,
            stride: bRow,
            accumulate,
          });
          return;
        }
        if (!perColumn) {
          multiply(pass.plan, { label: what, a: dOutput, b: a, output: tensor, bRow, bColumn, accumulate });
          return;
        }
        const product = pass.plan.activation(`${label} product`, [rows, columns]);
        multiply(pass.plan, {
          ...{ label: `${what}, products`, a: reshape(dOutput, [rows, columns]), b: a, output: product },
          ...{ bRow: columns, bColumn: 1 },
        });
        columnSum(pass.plan, { label: what, input: product, output: reshape(tensor, [columns]), accumulate });
      },
    });
  },
  cases: () => [
    multiplyCase('every element', [3, 5], 37, { factors: 555, bRow: 37, bColumn: 1 }),
    multiplyCase('every column, accumulated', [7], 13, { factors: 13, bRow: 0, bColumn: 1, accumulate: true }),
    multiplyCase('every row, of several', [9], 6, { factors: 36, bOffset: 2, bRow: 4, bColumn: 0 }),
    multiplyCase('one element', [1], 1, { factors: 1, bRow: 0, bColumn: 0 }),
  ],
});

interface CaseOptions {
  factors: number;
  bOffset?: number;
  bRow: number;
  bColumn: number;
  accumulate?: boolean;
}

function multiplyCase(name: string, rows: number[], columns: number, { factors, ...options }: CaseOptions): KernelCase {
  return {
    name,
    replicas: 3,
    rtol: 2 * 2 ** -24, // a product and a sum, each rounded once
    atol: 4 * 2 ** -24,
    build(plan) {
      const p = plan.program;
      multiply(plan, {
        ...{ label: 'case', ...options, a: p.persistent('a', [...rows, columns]) },
        ...{ b: p.persistent('b', [factors]), output: p.persistent('output', [...rows, columns]) },
      });
    },
  };
}
