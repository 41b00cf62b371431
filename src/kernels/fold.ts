import source from '../../shaders/fold.wgsl';
import { linearGrid } from '../gpu/dispatch.js';
import * as reference from '../reference/fold.js';
import { defineOperation, gradientOf } from './shared/operation.js';
import { bool } from './shared/params.js';
import { checkWindows, windowCases, windowCost, windowParams, windowParts, windowSizes } from './shared/windows.js';
import { unfold } from './unfold.js';

/**
 * The transpose of unfold, its gradient: every window's columns are added to the places they came from. Overwrites unless
 * `accumulate`.
 */
export const fold = defineOperation({
  name: 'fold',
  inputs: { input: 'R batch windows filter*channels' },
  outputs: { output: 'R batch tokens channels' },
  params: { ...windowParams, accumulate: bool() },
  sizes: windowSizes,
  check: checkWindows('output'),
  reference: ({ input, output }, params) => reference.fold(params, params.accumulate, input, output),
  webgpu: ({ params: { batch, tokens, channels }, replicas, launch }) => [
    launch({ source, workgroups: linearGrid(Math.ceil((replicas * batch * tokens * channels) / 64)) }),
  ],
  wasm: { launch: ({ params, replicas }) => [{ parts: windowParts(params, replicas) }] },
  cost: windowCost,
  cases: () =>
    [false, true].flatMap((accumulate) =>
      windowCases((plan, output, input, options) => {
        fold(plan, { label: 'case', input, output, accumulate, ...options });
      }).map((item) => (accumulate ? { ...item, name: `${item.name}, accumulated` } : item)),
    ),
});

gradientOf(fold, ({ label, inputs: { input }, outputs, params: { filter, stride, padding } }, pass) =>
  pass.add({
    input,
    write: ({ tensor: output }) =>
      unfold(pass.plan, {
        label: `${label} gradient`,
        input: pass.of(outputs.output),
        output,
        filter,
        stride,
        padding,
      }),
  }),
);

gradientOf(unfold, ({ label, inputs: { input }, outputs, params: { filter, stride, padding } }, pass) =>
  pass.add({
    input,
    accumulates: true,
    write: ({ tensor: output, accumulate }) =>
      fold(pass.plan, {
        ...{ label: `${label} gradient`, input: pass.of(outputs.output), output },
        ...{ filter, stride, padding, accumulate },
      }),
  }),
);
