import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import { contextDistributions, covarianceWithLast, marginals } from '../../src/theory/index.js';
import { failure } from '../support/gpu.js';
import { expandTree } from './enumerate.js';

const test = suite('distributions of contexts');

const cases = [
  { name: 'uniform', rules: makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 3) },
  {
    name: 'weighted rules and roots, three children',
    rules: makeRules({ v: 3, n: 2, m: 2, s: 3, L: 2 }, 5, {
      rootPrior: [0.3, 0.7],
      ruleProbabilities: [[0.9, 0.1], null],
    }),
  },
];

for (const { name, rules } of cases)
  test(`${name}: those of all trees, counted`, () => {
    const { v, s, L } = rules;
    const d = s ** L;
    const trees = expandTree(rules);
    for (let level = 0; level <= L; level++)
      for (let position = 0; position < s ** (L - level); position++) {
        const symbols = level === L ? rules.n : v;
        const joint = new Float64Array(symbols * d * v);
        const mass = new Float64Array(symbols);
        for (const { levels, probability } of trees) {
          const a = levels[L - level][position];
          mass[a] += probability;
          for (const [j, token] of levels[L].entries())
            if (Math.floor(j / s ** level) !== position) joint[(a * d + j) * v + token] += probability;
        }
        const got = contextDistributions(rules, level, position);
        assert.is(got.length, joint.length);
        for (const [i, p] of joint.entries()) {
          const a = Math.floor(i / (d * v));
          const want = mass[a] > 0 ? p / mass[a] : 0;
          assert.ok(Math.abs(got[i] - want) < 1e-12, `level ${level}, position ${position}: ${got[i]} and ${want}`);
        }
      }
  });

test('the last token of a context is that of the covariance', () => {
  const rules = makeRules({ v: 6, n: 6, m: 3, s: 2, L: 4 }, 1);
  for (const [level, position] of [
    [0, 14],
    [1, 3],
    [3, 0],
  ]) {
    const given = contextDistributions(rules, level, position);
    const prior = marginals(rules);
    const covariance = covarianceWithLast(rules, level, position);
    for (let a = 0; a < 6; a++)
      for (let c = 0; c < 6; c++) {
        const want = prior[4 - level][position][a] * (given[(a * 16 + 15) * 6 + c] - prior[4][15][c]);
        assert.ok(Math.abs(covariance[a * 6 + c] - want) < 1e-14);
      }
  }
});

test('places that do not exist are refused', async () => {
  const { rules } = cases[0];
  assert.match((await failure(async () => contextDistributions(rules, 4, 0))).message, /level/);
  assert.match((await failure(async () => contextDistributions(rules, 1, 4))).message, /position/);
});

test.run();
