import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { zipfOf } from '../../src/analysis/curves.js';
import type { Analysis } from '../../src/analysis/results.js';
import { makeRules } from '../../src/core/rules.js';
import { syntheticPowerLawStudy } from '../support/syntheticNeighbours.js';

const test = suite('power-law rules in data');
const quiet = { sample: null, cluster: null };
const shape = { v: 4, n: 4, m: 16, s: 3, L: 2 };

let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(syntheticPowerLawStudy(), quiet);
});

test('a is read from the rules of the last level only', () => {
  const of = (ruleProbabilities: Parameters<typeof makeRules>[2]) => zipfOf(makeRules(shape, 1, ruleProbabilities));
  for (const a of [0, 0.5, 1, 2.25]) assert.is(of({ ruleProbabilities: ['uniform', { zipf: a }] }), a);
  assert.is(of({}), undefined);
  assert.is(of({ ruleProbabilities: [{ zipf: 1 }, 'uniform'] }), undefined);
  const other = Array.from({ length: 16 }, (_, k) => (k < 8 ? 0.1 : 0.025));
  assert.is(of({ ruleProbabilities: ['uniform', other] }), undefined);
});

test('the exponent of planted errors is that of m rules, with its interval, beside a / (1 + a)', () => {
  assert.equal(
    analysis.zipfErrors.map((r) => [r.a, r.law]),
    [
      [0.5, 1 / 3],
      [1, 0.5],
      [2, 2 / 3],
    ],
  );
  for (const { a, law, exponent, finite } of analysis.zipfErrors) {
    if (a <= 1) assert.ok(finite! > law, `a = ${a}: 16 rules end sooner than many`);
    assert.ok(Math.abs(exponent.value - finite!) < 0.01, `a = ${a}: ${exponent.value}, planted ${finite}`);
    assert.is(exponent.units, 3);
  }
});

test('steps at the same distance as with uniform rules: ratio 1; at a larger one it is seen', async () => {
  assert.is(analysis.zipfSteps.length, 3);
  for (const { a, ell, ratio } of analysis.zipfSteps)
    assert.ok(ratio.low < 1 && ratio.high > 1 && Math.abs(ratio.value - 1) < 0.2, `a = ${a}, ${ell}: ${ratio.value}`);
  const { zipfSteps, findings } = await analyze(syntheticPowerLawStudy({ stretched: 2, scatter: 0.02 }), quiet);
  const third = zipfSteps.filter((r) => r.ell === 3);
  for (const { ratio } of third) assert.ok(Math.abs(ratio.value / 2 - 1) < 0.15, String(ratio.value));
  const verdicts = findings.filter((f) => f.quantity.startsWith('P_3 / P_2')).map((f) => f.verdict);
  assert.equal(verdicts, ['disagrees', 'disagrees', 'disagrees']);
});

test('weighted curves in data are kept out of the figures of the paper; those with uniform rules stay', () => {
  assert.ok(analysis.curves.every((c) => zipfOf(c.rules) === undefined));
  assert.is(analysis.curves.length, 3);
  assert.is(analysis.studies.powerLaw.length, 18);
  assert.equal(analysis.studies.classes, []);
});

test.run();
