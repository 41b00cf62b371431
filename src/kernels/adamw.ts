import source from '../../shaders/adamw.wgsl';
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

/** AdamW over the flat block. params, moment1 and moment2, which start at zero, are updated in place. */
export const adamw = defineOperation({
  name: 'adamw',
  inputs: updateInputs,
  outputs: { params: 'R ...elements', moment1: 'R ...elements', moment2: 'R ...elements' },
  params: updateParams,
  check: checkBlock,
  reference: ({ hyper, pace, params, grads, moment1, moment2 }, { elements, scaled }) =>
    reference.adamw(paceOf(hyper, pace, scaled), params, grads, moment1, moment2, elements),
  webgpu(call) {
    const { moment1, moment2 } = call.outputs;
    return [launchUpdate(call, source, { moment1, moment2 })];
  },
  wasm: { launch: ({ params: { elements }, replicas }) => [{ parts: partsFor(2 * replicas * elements) }] },
  cost: ({ elements }) => ({ flops: 14 * elements, bytes: 28 * elements }),
  cases: () =>
    scaledToo({
      name: 'second step with decay',
      replicas: 3,
      fill: { ...caseFill, moment2: (_i, random) => random() },
      // Division and root are correctly rounded within 2.5 ulp on WebGPU; the update is of order rate / sqrt(correction).
      rtol: 16 * 2 ** -24,
      atol: 64 * 2 ** -24,
      build: (plan, scaled) => {
        const p = plan.program;
        adamw(plan, {
          label: 'case',
          scaled,
          params: p.persistent('params', [1348]),
          grads: p.persistent('grads', [1348]),
          moment1: p.persistent('moment1', [1348]),
          moment2: p.persistent('moment2', [1348]),
          hyper: p.persistent('hyper', [16]),
          pace: p.persistent('pace', [4]),
        });
      },
    }),
});
