import source from '../../shaders/meanPositionsBackward.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/meanPositions.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';

/** Gradient of meanPositions, through a ReLU if its output is given as mask: it passes where that is > 0. dInput is overwritten. */
export const meanPositionsBackward = defineOperation({
  name: 'meanPositionsBackward',
  inputs: { dOutput: 'R batch channels', mask: 'R batch positions channels ?' },
  outputs: { dInput: 'R batch positions channels' },
  reference: ({ dOutput, mask, dInput }, { batch, positions, channels }) =>
    reference.meanPositionsBackward(batch, positions, channels, dOutput, mask, dInput),
  webgpu({ inputs: { mask }, params: { batch, positions, channels }, replicas, launch }) {
    const [x, y] = linearGrid(Math.ceil((batch * positions * channels) / 64));
    return [launch({ source, words: { masked: Number(!!mask) }, workgroups: [x, y, replicas] })];
  },
  wasm: {
    launch: ({ params: { batch, positions, channels }, replicas }) => [
      { parts: partsFor((replicas * batch * positions * channels) / 2) },
    ],
  },
  cost({ batch, positions, channels }, { inputs: { mask } }) {
    const elements = batch * positions * channels;
    return { flops: elements, bytes: 4 * elements * (mask ? 2 : 1) };
  },
  cases: () =>
    [[5, 4, 37, true] as const, [1, 1, 3, false] as const, [70, 3, 1, true] as const].map(
      ([batch, positions, channels, masked]) => ({
        name: `${batch} x ${positions} x ${channels}${masked ? ', masked' : ''}`,
        replicas: 2,
        rtol: 4 * 2 ** -24, // one division
        atol: 0,
        build(plan) {
          const p = plan.program;
          meanPositionsBackward(plan, {
            label: 'case',
            dOutput: p.persistent('dOutput', [batch, channels]),
            mask: masked ? p.persistent('mask', [batch, positions, channels]) : undefined,
            dInput: p.persistent('dInput', [batch, positions, channels]),
          });
        },
      }),
    ),
});
