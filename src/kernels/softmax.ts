import source from '../../shaders/softmax.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/softmax.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import type { KernelCase } from './shared/types.js';
import { softmaxBackward } from './softmaxBackward.js';

/** output = softmax over the last dimension of input; overwrites. For short rows: attention has a separate softmax. */
export const softmax = defineOperation({
  name: 'softmax',
  inputs: { input: 'R ...rows columns' },
  outputs: { output: 'R ...rows columns' },
  reference: ({ input, output }, { rows, columns }) => reference.softmax(rows, columns, input, output),
  webgpu: ({ params: { rows }, replicas, launch }) => [
    launch({ source, workgroups: linearGrid(Math.ceil((rows * replicas) / 64)) }),
  ],
  wasm: { launch: ({ params: { rows, columns }, replicas }) => [{ parts: partsFor(8 * replicas * rows * columns) }] },
  cost: ({ rows, columns }) => ({ flops: 4 * rows * columns, bytes: 8 * rows * columns }),
  gradient: ({ label, inputs: { input }, outputs: { output } }, pass) =>
    pass.add({
      input,
      write: ({ tensor: dInput }) =>
        softmaxBackward(pass.plan, { label: `${label} gradient`, output, dOutput: pass.of(output), dInput }),
    }),
  cases: () => softmaxCases((plan, input, output) => softmax(plan, { label: 'case', input, output })),
});

const softmaxCases = (build: (plan: PlanBuilder, input: Tensor, output: Tensor) => void): KernelCase[] =>
  (
    [
      ['rows of 5', [4, 9], 5, (_i: number, random: () => number) => 8 * random() - 4],
      ['rows of 37', [70], 37, (_i: number, random: () => number) => 8 * random() - 4],
      ['large numbers', [3], 7, (_i: number, random: () => number) => 1000 * random() - 300],
      ['one column', [6], 1, undefined],
    ] as const
  ).map(([name, rows, columns, input]) => ({
    name,
    replicas: 3,
    fill: input && { input },
    // exp is exact to 3 + 2 |x| ulp in WGSL, with |x| up to 8 where the result matters; sums of `columns` positive numbers.
    rtol: (40 + columns) * 2 ** -24,
    atol: 2 ** -24,
    build(plan) {
      const p = plan.program;
      build(plan, p.persistent('input', [...rows, columns]), p.persistent('output', [...rows, columns]));
    },
  }));
