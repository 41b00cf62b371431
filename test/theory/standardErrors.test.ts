/** Standard errors compared with the scatter of the estimates, which they predict. A factor of sqrt 2 would be noticed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import { streamKey } from '../../src/core/threefry.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { exactLosses } from '../../src/theory/predictor.js';

const test = suite('standard errors');

test('sampled plateaus: deviations from the exact values, in units of their errors, scatter by 1', () => {
  let squares = 0;
  let count = 0;
  for (let seed = 0; seed < 60; seed++) {
    const rules = makeRules({ v: 6, n: 6, m: 3, s: 2, L: 3 }, seed);
    const exact = lossPlateaus(rules);
    const sampled = lossPlateaus(rules, { stateLimit: 0, samples: 2000 });
    for (let ell = 1; ell <= 3; ell++)
      for (const [value, error, truth] of [
        [sampled.H[ell], sampled.H_error[ell], exact.H[ell]],
        [sampled.H_unif[ell], sampled.H_unif_error[ell], exact.H_unif[ell]],
      ])
        if (error > 0) {
          squares += ((value - truth) / error) ** 2;
          count++;
        }
  }
  assert.ok(count > 200);
  // Contexts of one ell have the same random words in all grammars: the scatter is known to about 10 %.
  const scatter = Math.sqrt(squares / count);
  assert.ok(scatter > 0.8 && scatter < 1.25, `${scatter} over ${count} values`);
});

test('the noise of a curve, 0.5 over the root of the test set, is the order of the scatter of a test loss', async () => {
  for (const [v, m] of [
    [8, 3],
    [16, 4],
  ]) {
    const rules = makeRules({ v, n: v, m, s: 2, L: 3 }, 1);
    const sampler = await createSampler(rules);
    const size = 256;
    const means = Array.from({ length: 64 }, (_, set) => {
      const tokens = new Uint32Array(size * 8);
      const source = { mode: 'stream', key: streamKey(set, 'test'), size: 0n, first: 0, length: 0 } as const;
      sampler.tokens(source, 0, size, tokens);
      return exactLosses(rules, tokens, size)[2]; // of a network that has learnt two levels
    });
    const mean = means.reduce((a, b) => a + b, 0) / means.length;
    const scatter = Math.sqrt(means.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (means.length - 1));
    const ratio = scatter / (0.5 / Math.sqrt(size));
    assert.ok(ratio > 0.6 && ratio < 2.2, `v=${v} m=${m}: the scatter is ${ratio} times the noise`);
  }
});

test.run();
