import source from '../../shaders/lion.wgsl';
import * as reference from '../reference/optimisers.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { caseFill, checkBlock, launchUpdate, paceOf, updateInputs } from './shared/optimisers.js';

/** Lion over the flat block. params and moment, which starts at zero, are updated in place. */
export const lion = defineOperation({
  name: 'lion',
  inputs: updateInputs,
  outputs: { params: 'R ...elements', moment: 'R ...elements' },
  check: checkBlock,
  reference: ({ hyper, pace, params, grads, moment }, { elements }) =>
    reference.lion(paceOf(hyper, pace), params, grads, moment, elements),
  webgpu: (call) => [launchUpdate(call, source, { moment: call.outputs.moment })],
  wasm: { launch: ({ params: { elements }, replicas }) => [{ parts: partsFor(2 * replicas * elements) }] },
  cost: ({ elements }) => ({ flops: 9 * elements, bytes: 20 * elements }),
  cases: () => [
    {
      name: 'decay, gradients of both signs',
      replicas: 3,
      fill: caseFill,
      // A few rounded operations on values of order 1; no direction of these numbers is so near 0 that rounding turns its sign.
      rtol: 8 * 2 ** -24,
      atol: 8 * 2 ** -24,
      build(plan) {
        const p = plan.program;
        lion(plan, {
          label: 'case',
          params: p.persistent('params', [1348]),
          grads: p.persistent('grads', [1348]),
          moment: p.persistent('moment', [1348]),
          hyper: p.persistent('hyper', [16]),
          pace: p.persistent('pace', [4]),
        });
      },
    },
  ],
});
