import source from '../../shaders/sgd.wgsl';
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
import { bool } from './shared/params.js';

/**
 * SGD with momentum over the flat block. params and velocity, which starts at zero, are updated in place. plain: no replica has
 * momentum or decay, so that a GPU may update inside the products (shared/fuseUpdate.ts).
 */
export const sgd = defineOperation({
  name: 'sgd',
  inputs: updateInputs,
  outputs: { params: 'R ...elements', velocity: 'R ...elements' },
  params: { plain: bool(), ...updateParams },
  check: checkBlock,
  reference: ({ hyper, pace, params, grads, velocity }, { elements, scaled }) =>
    reference.sgd(paceOf(hyper, pace, scaled), params, grads, velocity, elements),
  webgpu: (call) => [launchUpdate(call, source, { velocity: call.outputs.velocity })],
  wasm: { launch: ({ params: { elements }, replicas }) => [{ parts: partsFor(2 * replicas * elements) }] },
  cost: ({ elements }) => ({ flops: 6 * elements, bytes: 20 * elements }),
  cases: () =>
    scaledToo({
      name: 'momentum and decay',
      replicas: 3,
      fill: caseFill,
      rtol: 8 * 2 ** -24, // a few rounded operations on values of order 1
      atol: 8 * 2 ** -24,
      build: (plan, scaled) => {
        const p = plan.program;
        sgd(plan, {
          label: 'case',
          scaled,
          params: p.persistent('params', [1348]),
          grads: p.persistent('grads', [1348]),
          velocity: p.persistent('velocity', [1348]),
          hyper: p.persistent('hyper', [16]),
          pace: p.persistent('pace', [4]),
        });
      },
    }),
});
