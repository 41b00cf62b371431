import { rmsNormBackward } from '../../src/kernels/rmsNormBackward.js';
import * as reference from '../../src/reference/rmsNorm.js';
import { checkGradient, dot, randoms } from './finiteDifferences.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(rmsNormBackward);

test('reference against central differences', () => {
  const [rows, channels] = [4, 5];
  const input = randoms(rows * channels, 1);
  const weight = randoms(channels, 2);
  const weights = randoms(rows * channels, 4);
  const output = new Float64Array(rows * channels);
  const inverse = new Float64Array(rows);
  const f = () => {
    reference.rmsNorm(rows, channels, 1e-2, input, weight, output, inverse);
    return dot(weights, output);
  };
  f();
  const dInput = new Float64Array(rows * channels);
  const dWeight = new Float64Array(channels);
  reference.rmsNormBackward(rows, channels, false, input, weight, inverse, weights, dInput, dWeight);
  checkGradient('dInput', input, dInput, f);
  checkGradient('dWeight', weight, dWeight, f);
});

test.run();
