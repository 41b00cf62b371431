import source from '../../shaders/meanPositions.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/meanPositions.js';
import { partsFor } from '../wasm/command.js';
import { meanPositionsBackward } from './meanPositionsBackward.js';
import { defineOperation } from './shared/operation.js';

/** output = mean over the positions of input; overwrites. */
export const meanPositions = defineOperation({
  name: 'meanPositions',
  inputs: { input: 'R batch positions channels' },
  outputs: { output: 'R batch channels' },
  reference: ({ input, output }, { batch, positions, channels }) =>
    reference.meanPositions(batch, positions, channels, input, output),
  webgpu({ params: { batch, channels }, replicas, launch }) {
    const [x, y] = linearGrid(Math.ceil((batch * channels) / 64));
    return [launch({ source, workgroups: [x, y, replicas] })];
  },
  wasm: {
    launch: ({ params: { batch, positions, channels }, replicas }) => [
      { parts: partsFor((replicas * batch * positions * channels) / 2) },
    ],
  },
  cost({ batch, positions, channels }) {
    const elements = batch * positions * channels;
    return { flops: elements, bytes: 4 * elements };
  },
  gradient: ({ label, inputs: { input }, outputs: { output } }, pass) =>
    pass.add({
      input,
      masks: true,
      write: ({ tensor: dInput, mask }) =>
        meanPositionsBackward(pass.plan, { label: `${label} gradient`, dOutput: pass.of(output), dInput, mask }),
    }),
  cases: () =>
    [[5, 4, 37] as const, [1, 1, 3] as const, [70, 3, 1] as const].map(([batch, positions, channels]) => ({
      name: `${batch} x ${positions} x ${channels}`,
      replicas: 2,
      rtol: 2 ** -22,
      atol: 4 * positions * 2 ** -24,
      build(plan) {
        const p = plan.program;
        const input = p.persistent('input', [batch, positions, channels]);
        meanPositions(plan, { label: 'case', input, output: p.persistent('output', [batch, channels]) });
      },
    })),
});
