import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { exactLosses } from '../../src/theory/predictor.js';
import { close, sentences } from './enumerate.js';

const test = suite('exact predictor on given sentences');

const grammars = [
  makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 5, { ruleProbabilities: { zipf: 0.7 }, rootPrior: [0.5, 0.2, 0.3] }),
  makeRules({ v: 3, n: 2, m: 3, s: 3, L: 2 }, 7, { rootPrior: { zipf: 1 } }),
  makeRules({ v: 5, n: 5, m: 2, s: 2, L: 3 }, 2),
];

test('averaged over every sentence by its probability it is H(ell)', () => {
  for (const rules of grammars) {
    const { H } = lossPlateaus(rules);
    const mean = new Array<number>(rules.L + 1).fill(0);
    for (const { tokens, probability } of sentences(rules))
      exactLosses(rules, tokens, 1).forEach((loss, ell) => {
        if (probability > 0) mean[ell] += probability * loss;
      });
    for (let ell = 0; ell <= rules.L; ell++) close(mean[ell], H[ell], 1e-12, `H(${ell})`);
  }
});

test('for several sentences the mean; a sentence of another grammar and too few tokens are refused', () => {
  const [rules] = grammars;
  const all = sentences(rules);
  const two = [...all[1].tokens, ...all[5].tokens];
  const [a, b] = [exactLosses(rules, all[1].tokens, 1), exactLosses(rules, all[5].tokens, 1)];
  exactLosses(rules, two, 2).forEach((loss, ell) => {
    close(loss, (a[ell] + b[ell]) / 2, 1e-14, `ell=${ell}`);
  });
  const legal = new Set(all.map(({ tokens }) => tokens.join()));
  let foreign = new Array<number>(8).fill(0);
  for (let x = 1; legal.has(foreign.join()); x++) foreign = Array.from({ length: 8 }, (_, i) => (x >> i) & 1);
  assert.throws(() => exactLosses(rules, foreign, 1), /sentence 0 is not of this grammar/);
  assert.throws(() => exactLosses(rules, all[0].tokens, 2), /16|tokens for 2 sentences/);
});

test.run();
