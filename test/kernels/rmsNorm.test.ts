import * as assert from 'uvu/assert';
import { rmsNorm } from '../../src/kernels/rmsNorm.js';
import * as reference from '../../src/reference/rmsNorm.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(rmsNorm);

test('a row of squares with mean m becomes one with mean 1, at any scale', () => {
  for (const scale of [1e-3, 1, 1e3]) {
    const input = Float64Array.of(3, -4, 0, 12).map((x) => x * scale);
    const [output, inverse] = [new Float64Array(4), new Float64Array(1)];
    reference.rmsNorm(1, 4, 1e-30, input, Float64Array.of(1, 1, 1, 2), output, inverse);
    const rms = 6.5; // sqrt((9 + 16 + 144) / 4)
    for (const [c, x] of [3, -4, 0, 24].entries()) assert.ok(Math.abs(output[c] - x / rms) < 1e-14);
    assert.ok(Math.abs(inverse[0] * rms * scale - 1) < 1e-14);
  }
});

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    rmsNorm(plan, {
      label: 'final',
      input: p.persistent('input', [4, 5, 8]),
      weight: p.persistent('weight', [7]),
      output: p.persistent('output', [4, 5, 8]),
      inverse: p.persistent('inverse', [20]),
    });
  });
  assert.is(message, 'rmsNorm (final): weight is [2,7], channels = 8; pass [2,8]');
});

test.run();
