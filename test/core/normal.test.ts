// biome-ignore-all lint/correctness/noPrecisionLoss: quantiles with the digits of their source
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fillNormal, inverseNormal, log, normalAt } from '../../src/core/normal.js';
import { streamKey } from '../../src/core/threefry.js';
import { newMemory } from '../../src/core/wasmModule.js';
import { normalFiller } from '../../src/grammar/normals.js';
import { instantiate } from '../../src/grammar/wasm.js';

const test = suite('normal numbers');

test('quantiles of the normal distribution as tabulated', () => {
  // Values of the standard tables (Abramowitz & Stegun 26.2; 0.975 and 1e-10 to 15 digits from AS 241's paper and mpmath).
  const known: [number, number][] = [
    [0.5, 0],
    [0.25, -0.6744897501960817],
    [0.975, 1.959963984540054],
    [0.001, -3.090232306167813],
    [1e-10, -6.361340902404056],
    [1e-20, -9.262340089798408],
  ];
  for (const [p, x] of known) assert.ok(Math.abs(inverseNormal(p) - x) <= 1e-14 * Math.max(1, Math.abs(x)), `${p}`);
});

test('the logarithm agrees with Math.log within 2 ulp', () => {
  for (let i = 1; i < 20000; i++) {
    const x = (i / 7919) ** 5 * 1e-3 + 1e-300;
    const want = Math.log(x);
    assert.ok(Math.abs(log(x) - want) <= 2 * 2 ** -52 * Math.max(Math.abs(want), 2 ** -30), `${x}: ${log(x)} ${want}`);
  }
});

test('moments and distribution of 200,000 numbers', () => {
  const n = 200_000;
  const key = streamKey(12, 'init');
  const values = Float64Array.from({ length: n }, (_, i) => normalAt(key, i)).sort();
  const moment = (k: number) => values.reduce((sum, x) => sum + x ** k, 0) / n;
  // Standard errors of the first four moments: 1, sqrt 2, sqrt 15, sqrt 96 over sqrt n; four of them allowed.
  [0, 1, 0, 3].forEach((want, k) => {
    const error = Math.sqrt([1, 2, 15, 96][k] / n);
    assert.ok(Math.abs(moment(k + 1) - want) <= 4 * error, `moment ${k + 1}: ${moment(k + 1)}`);
  });
  // Kolmogorov-Smirnov at the probability points themselves: D sqrt(n) < 1.95 has p-value 0.001.
  let worst = 0;
  for (let j = 1; j < 400; j++) {
    const x = inverseNormal(j / 400);
    let low = 0;
    let high = n;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (values[mid] <= x) low = mid + 1;
      else high = mid;
    }
    worst = Math.max(worst, Math.abs(low / n - j / 400));
  }
  assert.ok(worst * Math.sqrt(n) < 1.95, `D sqrt(n) = ${worst * Math.sqrt(n)}`);
});

test('WebAssembly gives the same bits, in any number', async () => {
  const fill = await normalFiller();
  assert.is.not(fill, fillNormal);
  // Beyond a chunk of 2^16; some 300,000 numbers of the tails (15% of all), a few beyond |x| = 5.
  for (const [seed, count] of [
    [1, 2_000_001],
    [2, 65_536],
    [3, 5],
    [4, 1],
  ]) {
    const key = streamKey(seed, 'init', seed);
    const want = new Float32Array(count);
    const got = new Float32Array(count);
    fillNormal(key, want);
    fill(key, got);
    const other = want.findIndex((x, i) => !Object.is(x, got[i]));
    assert.is(other, -1, `number ${other}: ${want[other]} and ${got[other]}`);
  }
});

test('WebAssembly gives the same bits in the far tails, which no number above reaches', async () => {
  const { normalTail } = await instantiate(newMemory(65536));
  for (let p = 0.0749; p > 2 ** -53; p *= 0.9)
    for (const x of [p, 1 - p])
      if (x < 1) assert.ok(Object.is(normalTail(x), inverseNormal(x)), `${x}: ${normalTail(x)}, ${inverseNormal(x)}`);
});

test.run();
