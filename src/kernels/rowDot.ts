import coreSource from '../../shaders/layerNorm_core.wgsl';
import source from '../../shaders/rowDot.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/rowDot.js';
import { partsFor } from '../wasm/command.js';
import { lanesFor } from './layerNorm.js';
import { defineOperation } from './shared/operation.js';
import { bool, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/** output[offset + i stride] = (output +) sum over the columns of a * b in row i: the gradient of a factor for every row. */
export const rowDot = defineOperation({
  name: 'rowDot',
  inputs: { a: 'R ...rows columns', b: 'R ...rows columns' },
  outputs: { output: 'R ...results' },
  params: { offset: u32({ default: 0 }), stride: u32({ least: 1 }), accumulate: bool() },
  check({ output, rows, results, offset, stride }, refuse) {
    const last = offset + (rows - 1) * stride;
    if (last >= results) refuse(`output [${output.shape}] has no element ${last}; pass one for each of ${rows} rows`);
  },
  reference: ({ a, b, output }, params) => reference.rowDot(params, a, b, output),
  webgpu({ params: { rows, columns }, replicas, launch }) {
    const lanes = lanesFor(columns);
    const workgroups = linearGrid(Math.ceil((rows * replicas) / (64 / lanes)));
    return [launch({ source: coreSource + source, words: { lanes }, workgroups })];
  },
  wasm: { launch: ({ params: { rows, columns }, replicas }) => [{ parts: partsFor(replicas * rows * columns) }] },
  cost: ({ rows, columns }) => ({ flops: 2 * rows * columns, bytes: 8 * rows * columns }),
  cases: () => [
    dotCase('many rows', [5, 14], 37, 70, {}),
    dotCase('every third, accumulated', [9], 300, 27, { offset: 2, stride: 3, accumulate: true }),
    dotCase('one column', [6], 1, 6, {}),
  ],
});

function dotCase(
  name: string,
  rows: number[],
  columns: number,
  results: number,
  { offset = 0, stride = 1, accumulate = false },
): KernelCase {
  return {
    name,
    replicas: 3,
    rtol: 2 ** -20,
    atol: 8 * columns * 2 ** -24, // f32 sum of products of normal numbers
    build(plan) {
      const p = plan.program;
      rowDot(plan, {
        ...{ label: 'case', a: p.persistent('a', [...rows, columns]), b: p.persistent('b', [...rows, columns]) },
        ...{ output: p.persistent('output', [results]), offset, stride, accumulate },
      });
    },
  };
}
