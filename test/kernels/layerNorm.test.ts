import * as assert from 'uvu/assert';
import { layerNorm, normCase } from '../../src/kernels/layerNorm.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(layerNorm, {
  property: (draw) =>
    normCase((plan, t) => layerNorm(plan, { label: 'case', ...t }), draw(1, 3), draw(1, 40), draw(3, 90)),
});

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    layerNorm(plan, {
      label: 'final',
      input: p.persistent('input', [4, 5, 8]),
      weight: p.persistent('weight', [7]),
      bias: p.persistent('bias', [8]),
      output: p.persistent('output', [4, 5, 8]),
      mean: p.persistent('mean', [20]),
      inverse: p.persistent('inverse', [20]),
    });
  });
  assert.is(message, 'layerNorm (final): weight is [2,7], channels = 8; pass [2,8]');
});

test.run();
