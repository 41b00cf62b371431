import source from '../../shaders/softmaxBackward.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/softmax.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';

/** Gradient of softmax from its result and dOutput; overwrites dInput. */
export const softmaxBackward = defineOperation({
  name: 'softmaxBackward',
  inputs: { output: 'R ...rows columns', dOutput: 'R ...rows columns' },
  outputs: { dInput: 'R ...rows columns' },
  reference: ({ output, dOutput, dInput }, { rows, columns }) =>
    reference.softmaxBackward(rows, columns, output, dOutput, dInput),
  webgpu: ({ params: { rows }, replicas, launch }) => [
    launch({ source, workgroups: linearGrid(Math.ceil((rows * replicas) / 64)) }),
  ],
  wasm: { launch: ({ params: { rows, columns }, replicas }) => [{ parts: partsFor(4 * replicas * rows * columns) }] },
  cost: ({ rows, columns }) => ({ flops: 4 * rows * columns, bytes: 12 * rows * columns }),
  cases: () =>
    [[[4, 9], 5] as const, [[70], 37] as const, [[6], 1] as const].map(([rows, columns]) => ({
      name: `rows of ${columns}`,
      replicas: 3,
      rtol: 2 ** -20,
      atol: 16 * columns * 2 ** -24,
      build(plan) {
        const p = plan.program;
        softmaxBackward(plan, {
          ...{ label: 'case', output: p.persistent('output', [...rows, columns]) },
          ...{
            dOutput: p.persistent('dOutput', [...rows, columns]),
            dInput: p.persistent('dInput', [...rows, columns]),
          },
        });
      },
    })),
});
