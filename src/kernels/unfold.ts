import source from '../../shaders/unfold.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/unfold.js';
import { defineOperation } from './shared/operation.js';
import { checkWindows, windowCases, windowCost, windowParams, windowParts, windowSizes } from './shared/windows.js';

/** output[b, t, f C + c] = input[b, t stride + f - padding, c], zero outside: the left factor of a convolution's product. Overwrites. */
export const unfold = defineOperation({
  name: 'unfold',
  inputs: { input: 'R batch tokens channels' },
  outputs: { output: 'R batch windows filter*channels' },
  params: windowParams,
  sizes: windowSizes,
  check: checkWindows('input'),
  reference: ({ input, output }, params) => reference.unfold(params, input, output),
  webgpu: ({ params: { batch, windows, filter, channels }, replicas, launch }) => [
    launch({ source, workgroups: linearGrid(Math.ceil((replicas * batch * windows * filter * channels) / 64)) }),
  ],
  wasm: { launch: ({ params, replicas }) => [{ parts: windowParts(params, replicas) }] },
  cost: windowCost,
  cases: () =>
    windowCases((plan, input, output, options) => {
      unfold(plan, { label: 'case', input, output, ...options });
    }),
});
