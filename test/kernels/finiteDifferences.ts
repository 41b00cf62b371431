import * as assert from 'uvu/assert';
import { threefry } from '../../src/core/threefry.js';

/** Uniform numbers in [-1, 1) from a fixed seed. */
export function randoms(length: number, seed: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => threefry([seed, 99], i, 0)[0] / 2 ** 31 - 1);
}

/**
 * Checks a gradient against central differences of a scalar function, element by element. Truncation h^2 f''' / 6 and
 * cancellation 2^-53 |f| / h are both about 1e-9 at h = 1e-4 for values of order 1 (extrapolated once: h and 2h).
 * @throws an assertion naming the worst element when one differs by more than 1e-6 (1 + |numeric|).
 */
export function checkGradient(name: string, x: Float64Array, gradient: Float64Array, f: () => number): void {
  assert.is(gradient.length, x.length, `${name}: ${gradient.length} gradients for ${x.length} values`);
  const h = 1e-4;
  const slope = (i: number, step: number) => {
    const kept = x[i];
    x[i] = kept + step;
    const above = f();
    x[i] = kept - step;
    const below = f();
    x[i] = kept;
    return (above - below) / (2 * step);
  };
  for (let i = 0; i < x.length; i++) {
    const numeric = (4 * slope(i, h) - slope(i, 2 * h)) / 3;
    if (!(Math.abs(numeric - gradient[i]) <= 1e-6 * (1 + Math.abs(numeric))))
      assert.unreachable(`${name}[${i}]: gradient ${gradient[i]}, central difference ${numeric}`);
  }
}

/** sum of weights * values: turns an array into the scalar that checkGradient differentiates. */
export function dot(weights: Float64Array, values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i] * values[i];
  return sum;
}
