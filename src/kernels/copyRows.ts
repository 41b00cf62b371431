import source from '../../shaders/copyRows.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/copyRows.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { bool, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/** output[b, outputFirst + i] = (output +) input[b, inputFirst + i] for i below `rows`: concatenates parts of sentences. */
export const copyRows = defineOperation({
  name: 'copyRows',
  inputs: { input: 'R batch inputRows columns' },
  outputs: { output: 'R batch outputRows columns' },
  params: {
    inputFirst: u32({ default: 0 }),
    outputFirst: u32({ default: 0 }),
    rows: u32({ least: 1 }),
    accumulate: bool(),
  },
  check({ input, output, inputRows, outputRows, inputFirst, outputFirst, rows }, refuse) {
    if (inputFirst + rows > inputRows) refuse(`input [${input.shape}] has no ${rows} rows from ${inputFirst} on`);
    if (outputFirst + rows > outputRows) refuse(`output [${output.shape}] has no ${rows} rows from ${outputFirst} on`);
  },
  reference: ({ input, output }, params) => reference.copyRows(params, input, output),
  webgpu: ({ params: { batch, rows, columns }, replicas, launch }) => [
    launch({ source, workgroups: linearGrid(Math.ceil((replicas * batch * rows * columns) / 64)) }),
  ],
  wasm: {
    launch: ({ params: { batch, rows, columns }, replicas }) => [
      { parts: partsFor(replicas * batch * rows * columns) },
    ],
  },
  cost: ({ batch, rows, columns }) => ({ flops: 0, bytes: 8 * batch * rows * columns }),
  gradient({ label, inputs: { input }, outputs: { output }, params }, pass) {
    const { batch, inputRows, columns, inputFirst, outputFirst, rows } = params;
    const part = {
      offset: inputFirst * columns,
      row: columns,
      group: inputRows * columns,
      rows,
      columns,
      groups: batch,
    };
    pass.add({
      input,
      accumulates: true,
      region: rows < inputRows ? part : undefined,
      write: ({ tensor, accumulate }) =>
        copyRows(pass.plan, {
          ...{ label: `${label} gradient`, input: pass.of(output), output: tensor, accumulate, rows },
          ...{ inputFirst: outputFirst, outputFirst: inputFirst },
        }),
    });
  },
  cases: () => [
    copyCase('into the middle', [3, 2, 5], 7, { outputFirst: 4, rows: 2 }),
    copyCase('out of the middle, added', [5, 6, 37], 3, { inputFirst: 2, outputFirst: 1, rows: 2, accumulate: true }),
    copyCase('one row of many sentences', [70, 1, 4], 1, { rows: 1 }),
  ],
});

interface CaseOptions {
  inputFirst?: number;
  outputFirst?: number;
  rows: number;
  accumulate?: boolean;
}

function copyCase(name: string, input: [number, number, number], outputRows: number, options: CaseOptions): KernelCase {
  const [batch, , columns] = input;
  return {
    name,
    replicas: 3,
    rtol: 2 ** -24, // for a sum; a copy rounds nothing
    atol: 0,
    build(plan) {
      const p = plan.program;
      copyRows(plan, {
        ...{ label: 'case', ...options, input: p.persistent('input', input) },
        output: p.persistent('output', [batch, outputRows, columns]),
      });
    },
  };
}
