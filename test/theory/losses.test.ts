import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRules } from '../../src/core/parseRules.js';
import { makeRules } from '../../src/core/rules.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { close, enumeratePlateaus } from './enumerate.js';

const test = suite('exact losses');
const golden = JSON.parse(readFileSync('test/data/grammars.json', 'utf8')).grammars;

test('published grammars: message passing and enumeration give H and H_unif to 1e-10', () => {
  for (const grammar of golden) {
    const { v, n, m, s, L, rules } = grammar;
    const parsed = parseRules({ v, n, m, s, L, rules });
    const got = lossPlateaus(parsed);
    const all = enumeratePlateaus(parsed);
    for (const name of ['H', 'H_unif'] as const)
      for (let ell = 0; ell <= L; ell++) {
        // The file has 12 decimals.
        close(got[name][ell], grammar[name][ell], 1e-10, `${grammar.name} ${name}(${ell})`);
        close(all[name][ell], grammar[name][ell], 1e-10, `${grammar.name} enumerated ${name}(${ell})`);
      }
  }
});

test('weighted rules and roots: message passing equals enumeration', () => {
  const cases = [
    makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 5, { ruleProbabilities: { zipf: 0.7 }, rootPrior: [0.5, 0.2, 0.3] }),
    makeRules({ v: 5, n: 5, m: 3, s: 2, L: 2 }, 6, { ruleProbabilities: [null, [0.7, 0.3, 0]] }),
    makeRules({ v: 3, n: 2, m: 3, s: 3, L: 2 }, 7, {
      rootPrior: { zipf: 1 },
      ruleProbabilities: ['uniform', { zipf: 0 }],
    }),
    makeRules({ v: 4, n: 4, m: 4, s: 2, L: 2 }, 8),
    makeRules({ v: 3, n: 3, m: 1, s: 2, L: 3 }, 9, { rootPrior: [0.9, 0.1, 0] }),
  ];
  for (const rules of cases) {
    const got = lossPlateaus(rules);
    const all = enumeratePlateaus(rules);
    for (const name of ['H', 'H_unif'] as const)
      for (let ell = 0; ell <= rules.L; ell++) close(got[name][ell], all[name][ell], 1e-10, `${name}(${ell})`);
  }
});

test('sampled contexts agree with the exact value', () => {
  const rules = makeRules({ v: 8, n: 8, m: 3, s: 2, L: 4 }, 11, { ruleProbabilities: { zipf: 0.5 } });
  const exact = lossPlateaus(rules);
  const sampled = lossPlateaus(rules, { stateLimit: 0, samples: 20_000 });
  for (let ell = 2; ell <= 4; ell++) {
    assert.is(exact.H_error[ell], 0);
    assert.ok(sampled.H_error[ell] > 0);
    close(sampled.H[ell], exact.H[ell], 4 * sampled.H_error[ell], `H(${ell})`);
    close(sampled.H_unif[ell], exact.H_unif[ell], 4 * sampled.H_unif_error[ell], `H_unif(${ell})`);
  }
});

test('the limit on posteriors is a limit: one more is sampled, with its standard error', () => {
  const rules = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, { ruleProbabilities: { zipf: 0.7 } });
  const errors = (stateLimit: number) => lossPlateaus(rules, { stateLimit, samples: 1000 }).H_error;
  let most = 0;
  while (errors(most).some((error) => error > 0)) most++;
  assert.ok(most >= 1);
  // H(1) is computed first and needs the posterior from which it starts.
  assert.ok(errors(0)[1] > 0);
  assert.is(errors(1)[1], 0);
});

test.run();
