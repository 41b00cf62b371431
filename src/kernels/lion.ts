import source from '../../shaders/lion.wgsl';
import * as reference from '../reference/optimisers.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import {
  caseFill,
  checkBlock,
  launchUpdate,
  paceOf,
  scaledToo,
  updateInputs,
  updateParams,
} from './shared/optimisers.js';

/** Lion over the flat block. params and moment, which starts at zero, are updated in place. */
export const lion = defineOperation({
  name: 'lion',
  inputs: updateInputs,
  outputs: { params: 'R ...elements', moment: 'R ...elements' },
  params: updateParams,
  check: checkBlock,
  reference: ({ hyper, pace, params, grads, moment }, { elements, scaled }) =>
    reference.lion(paceOf(hyper, pace, scaled), params, grads, moment, elements),
  webgpu: (call) => [launchUpdate(call, source, { moment: call.outputs.moment })],
  wasm: { launch: ({ params: { elements }, replicas }) => [{ parts: partsFor(2 * replicas * elements) }] },
  cost: ({ elements }) => ({ flops: 9 * elements, bytes: 20 * elements }),
  cases: () =>
    scaledToo({
      name: 'decay, gradients of both signs',
      replicas: 3,
      fill: caseFill,
      // A few rounded operations on values of order 1; none of the directions of these numbers is so near 0 that rounding changes
      // its sign.
      rtol: 8 * 2 ** -24,
      atol: 8 * 2 ** -24,
      build: (plan, scaled) => {
        const p = plan.program;
        lion(plan, {
          label: 'case',
          scaled,
          params: p.persistent('params', [1348]),
          grads: p.persistent('grads', [1348]),
          moment: p.persistent('moment', [1348]),
          hyper: p.persistent('hyper', [16]),
          pace: p.persistent('pace', [4]),
        });
      },
    }),
});
