import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { resolveWeights } from '../../src/core/rules.js';
import { zipfError, zipfExponent, zipfPlace } from '../../src/theory/index.js';

const test = suite('power-law rules');
const zipf = (a: number, m: number) =>
  resolveWeights({ v: m, n: 1, m, s: 2, L: 1 }, { ruleProbabilities: { zipf: a } }).ruleProbabilities![0]!;

test('a / (1 + a), its limits, and invalid a', () => {
  assert.equal([0, 0.5, 1, 3, Infinity].map(zipfExponent), [0, 1 / 3, 1 / 2, 3 / 4, 1]);
  for (const a of [-0.1, Number.NaN, -Infinity])
    assert.throws(() => zipfExponent(a), /a: expected a number of at least 0, for p_k ~ k\^-\(1\+a\), got/);
});

test('the error by hand: two rules, one tuple and two', () => {
  const p = [0.75, 0.25];
  const unknown = 0.75 * Math.exp(-1.5) + 0.25 * Math.exp(-0.5);
  assert.ok(Math.abs(zipfError(p, 1, 4, 2) - 0.75 * unknown) < 1e-15);
  assert.ok(Math.abs(zipfError(p, 2, 4, 2) - 0.75 * (1 - (1 - unknown) ** 2)) < 1e-15);
  assert.is(zipfError(p, 3, 4, 0), 0.75); // nothing learnt: chance
  assert.is(zipfError(p, 3, 4, 1e6), 0);
});

test('the place of an error is where the error is; none above chance or at 0', () => {
  const p = zipf(1, 36);
  for (const error of [0.6, 0.2, 0.01]) {
    const x = zipfPlace(p, 3, 6, error)!;
    assert.ok(Math.abs(zipfError(p, 3, 6, Math.exp(x)) - error) < 1e-12);
  }
  assert.equal([zipfPlace(p, 3, 6, 0.9), zipfPlace(p, 3, 6, 0)], [undefined, undefined]);
});

test('with many rules the slope is a / (1 + a); with 36 it is steeper', () => {
  const slope = (a: number, m: number, from: number, to: number) =>
    -Math.log(to / from) / (zipfPlace(zipf(a, m), 1, 1e9, to)! - zipfPlace(zipf(a, m), 1, 1e9, from)!);
  for (const a of [0.5, 1, 2]) {
    const [from, to] = a === 0.5 ? [0.2, 0.1] : [0.02, 0.01];
    assert.ok(Math.abs(slope(a, 2 ** 15, from, to) - zipfExponent(a)) < 0.02, `${a}: ${slope(a, 2 ** 15, from, to)}`);
  }
  assert.ok(slope(1, 36, 0.2, 0.1) > 0.55);
});

test.run();
