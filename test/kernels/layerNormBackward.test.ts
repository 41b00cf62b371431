import * as assert from 'uvu/assert';
import { layerNorm, normCase } from '../../src/kernels/layerNorm.js';
import { layerNormBackward } from '../../src/kernels/layerNormBackward.js';
import * as reference from '../../src/reference/layerNorm.js';
import { checkGradient, dot, randoms } from './finiteDifferences.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(layerNormBackward, {
  property: (draw) => {
    const accumulate = draw(0, 1) === 1;
    return normCase(
      (plan, { bias, output, ...t }) => {
        layerNorm(plan, { label: 'case', bias, output, ...t });
        const p = plan.program;
        layerNormBackward(plan, {
          label: 'case',
          ...t,
          dOutput: p.persistent('dOutput', t.input.shape.slice(1)),
          dInput: p.persistent('dInput', t.input.shape.slice(1)),
          dWeight: p.persistent('dWeight', t.weight.shape.slice(1)),
          dBias: p.persistent('dBias', t.weight.shape.slice(1)),
          accumulate,
        });
      },
      draw(1, 3),
      draw(1, 80),
      draw(3, 90),
    );
  },
});

test('reference against central differences', () => {
  const [rows, channels] = [4, 5];
  const input = randoms(rows * channels, 1);
  const weight = randoms(channels, 2);
  const bias = randoms(channels, 3);
  const weights = randoms(rows * channels, 4);
  const output = new Float64Array(rows * channels);
  const mean = new Float64Array(rows);
  const inverse = new Float64Array(rows);
  const f = () => {
    reference.layerNorm(rows, channels, 1e-2, input, weight, bias, output, mean, inverse);
    return dot(weights, output);
  };
  f();
  const dInput = new Float64Array(rows * channels);
  const dWeight = new Float64Array(channels);
  const dBias = new Float64Array(channels);
  reference.layerNormBackward(
    ...([rows, channels, false, input, weight, mean, inverse, weights, dInput, dWeight, dBias] as const),
  );
  checkGradient('dInput', input, dInput, f);
  checkGradient('dWeight', weight, dWeight, f);
  checkGradient('dBias', bias, dBias, f);
});

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    layerNormBackward(plan, {
      label: 'final',
      input: p.persistent('input', [4, 8]),
      weight: p.persistent('weight', [8]),
      mean: p.persistent('mean', [4]),
      inverse: p.persistent('inverse', [5]),
      dOutput: p.persistent('dOutput', [4, 8]),
      dInput: p.persistent('dInput', [4, 8]),
      dWeight: p.persistent('dWeight', [8]),
      dBias: p.persistent('dBias', [8]),
    });
  });
  assert.is(message, 'layerNormBackward (final): inverse is [2,5], rows = 4; pass [2,4]');
});

test.run();
