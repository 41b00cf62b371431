import * as assert from 'uvu/assert';
import { fold } from '../../src/kernels/fold.js';
import { windowCase } from '../../src/kernels/shared/windows.js';
import * as reference from '../../src/reference/unfold.js';
import { checkGradient, dot, randoms } from './finiteDifferences.js';
import { kernelSuite, refusal } from './harness.js';
import { randomWindows } from './windowShapes.js';

const test = kernelSuite(fold, {
  property: (draw) => {
    const accumulate = draw(0, 1) === 1;
    return windowCase(
      (plan, output, input, options) => fold(plan, { label: 'case', input, output, accumulate, ...options }),
      ...randomWindows(draw),
    );
  },
});

test('reference is the gradient of unfold, against central differences', () => {
  const shape = { batch: 2, tokens: 7, channels: 2, windows: 4, filter: 3, stride: 2, padding: 1 };
  const input = randoms(28, 1);
  const weights = randoms(48, 2);
  const output = new Float64Array(48);
  const gradient = randoms(28, 3);
  reference.fold(shape, false, weights, gradient);
  checkGradient('dInput', input, gradient, () => {
    reference.unfold(shape, input, output);
    return dot(weights, output);
  });
});

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    const input = p.persistent('input', [4, 2, 20]);
    fold(plan, { label: 'layer 1', input, output: p.persistent('output', [4, 6, 8]), filter: 3 });
  });
  assert.is(message, 'fold (layer 1): input is [2,4,2,20], filter*channels = 24; pass [2,4,2,24]');
});

test.run();
