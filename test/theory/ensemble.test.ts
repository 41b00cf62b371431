import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import {
  classificationComplexity,
  sampleComplexities,
  sampleComplexity,
  scalingExponent,
} from '../../src/theory/complexity.js';
import { annealedPlateaus, ensemblePlateaus, hypergeometric } from '../../src/theory/ensemble.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { close } from './enumerate.js';

const test = suite('ensemble means and laws');

test('hypergeometric probabilities against exact fractions', () => {
  // Population 10, 4 successes, 3 draws: C(4,k) C(6,3-k) / C(10,3).
  for (const [k, p] of [20 / 120, 60 / 120, 36 / 120, 4 / 120, 0].entries())
    close(hypergeometric(10, 4, 3)[k], p, 1e-15, `k=${k}`);
  // More draws than failures: at least 5 - 3 = 2 successes.
  for (const [k, p] of [0, 0, 6 / 21, 12 / 21, 3 / 21].entries()) close(hypergeometric(7, 4, 5)[k], p, 1e-15, `k=${k}`);
  assert.equal([...hypergeometric(8, 3, 8)], [0, 0, 0, 1]);
  // Far beyond 2^53 it is Poisson with mean successes * draws / population; corrections are of order 1e-4.
  const tail = hypergeometric(1e30, 1000, 1e27);
  close(tail[0], Math.exp(-1), 1e-3, 'Poisson limit');
});

test('values derived for v=16, m=4, s=2', () => {
  // SCIENCE: 1.4809, 0.5950, 0.2673, 0.1806, rounded to four decimals.
  const mean = ensemblePlateaus({ v: 16, n: 16, m: 4, s: 2, L: 4 });
  close(mean[0], Math.log(16), 1e-12, 'ell=0');
  for (const [i, want] of [1.4809, 0.595, 0.2673, 0.1806].entries()) close(mean[i + 1], want, 5.1e-5, `ell=${i + 1}`);
  const bound = annealedPlateaus({ v: 16, n: 16, m: 4, s: 2, L: 4 });
  for (let ell = 1; ell <= 4; ell++) assert.ok(bound[ell] > mean[ell]);
});

const sets = [
  { v: 16, n: 16, m: 4, s: 2, L: 4 },
  { v: 8, n: 8, m: 3, s: 2, L: 3 },
  { v: 6, n: 4, m: 6, s: 2, L: 3 },
  { v: 5, n: 5, m: 4, s: 3, L: 3 },
  { v: 10, n: 3, m: 2, s: 2, L: 5 },
];

test('mean H_unif over grammars agrees with the chain, five parameter sets', () => {
  for (const shape of sets) {
    const grammars = 60;
    const want = ensemblePlateaus(shape);
    const got = Array.from({ length: grammars }, (_, seed) => lossPlateaus(makeRules(shape, seed)).H_unif);
    for (let ell = 0; ell <= shape.L; ell++) {
      const values = got.map((h) => h[ell]);
      const mean = values.reduce((a, b) => a + b) / grammars;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (grammars - 1);
      close(mean, want[ell], 4 * Math.sqrt(variance / grammars) + 1e-12, `v=${shape.v} m=${shape.m} ell=${ell}`);
    }
  }
});

test('the tables printed for 64 grammars: within 4 of their standard errors', () => {
  // Averages over other random grammars: both the table and the mean of 64 have a scatter of sigma / 8.
  for (const [shape, table] of [
    [{ v: 16, n: 16, m: 4, s: 2, L: 4 }, [Math.log(16), 1.4926, 0.5973, 0.2686, 0.1758]],
    [{ v: 32, n: 32, m: 8, s: 2, L: 8 }, [Math.log(32), 2.1266, 1.006, 0.43, 0.2491, 0.2025, 0.1911, 0.1883, 0.1876]],
  ] as const) {
    const want = ensemblePlateaus(shape);
    const spread = Array.from({ length: 8 }, (_, seed) => lossPlateaus(makeRules(shape, 50 + seed)).H_unif);
    for (let ell = 1; ell <= shape.L; ell++) {
      const values = spread.map((h) => h[ell]);
      const mean = values.reduce((a, b) => a + b) / values.length;
      const sigma = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1));
      close(table[ell], want[ell], (4 * sigma) / 8 + 5e-5, `v=${shape.v} ell=${ell}`);
    }
  }
});

test('sample complexities and exponents', () => {
  const shape = { v: 16, n: 16, m: 4, s: 2, L: 4 };
  // f = 1/4: P_ell = 4/3 * 16 * 4^(2 ell - 1), and 4/3 * 16 * 4^(ell+1) with 4^1 at ell = 1.
  assert.equal(
    sampleComplexities(shape, 'transformer').map((p) => (p * 3) / 4 / 16),
    [4, 64, 1024, 16384],
  );
  assert.equal(
    sampleComplexities(shape, 'cnn').map((p) => (p * 3) / 4 / 16),
    [4, 64, 256, 1024],
  );
  assert.is(classificationComplexity(shape), 16 * 256);
  close(scalingExponent(shape, 'transformer'), 1 / 2, 1e-15, 'alpha');
  close(scalingExponent(shape, 'cnn'), 1, 1e-15, 'alpha');
  close(scalingExponent({ ...shape, v: 32, m: 8 }, 'transformer'), 1 / 3, 1e-15, 'alpha');
  close(scalingExponent({ ...shape, v: 32, m: 8 }, 'cnn'), 2 / 3, 1e-15, 'alpha');
  assert.is(sampleComplexity({ ...shape, v: 4, n: 4 }, 'cnn', 2), Number.POSITIVE_INFINITY);
  assert.throws(() => scalingExponent({ ...shape, v: 4, n: 4 }, 'cnn'), /f = /);
  assert.throws(() => sampleComplexity(shape, 'cnn', 5), /ell/);
});

test.run();
