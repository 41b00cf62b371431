import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { parseRules } from '../../src/core/parseRules.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { beliefMap, denoisingCurve, denoisingThreshold, meanFieldThreshold } from '../../src/theory/denoising.js';
import { close } from './enumerate.js';

const test = suite('noise on the leaves and denoising');

/** Two symbols; rules[symbol][rule] are the same at every level. */
const binary = (L: number, tuples: number[][][]): Rules =>
  parseRules({ v: 2, n: 2, m: tuples[0].length, s: 2, L, rules: Array.from({ length: L }, () => tuples) });

/** 0 -> 00 | 11, 1 -> 01 | 10: a symbol is the parity of the tokens under it. */
const parity = (L: number) =>
  binary(L, [
    [
      [0, 0],
      [1, 1],
    ],
    [
      [0, 1],
      [1, 0],
    ],
  ]);
/** 0 -> 00, 1 -> 11: every token repeats the root. */
const repetition = (L: number) => binary(L, [[[0, 0]], [[1, 1]]]);

test('parity: level l changes with (1 - (1 - t)^(2 s^l)) / 2, so that its middle is at 1 - 2^(-1 / (2 s^l))', () => {
  // The information in two seen tokens on their parity is the product of that in each, and tokens outside say nothing of it.
  const exact = (t: number, level: number) => (1 - (1 - t) ** (2 * 2 ** level)) / 2;
  const L = 4;
  const rates = [0, 0.05, 0.2, 0.5, 1, ...[0, 1, 2, 3, 4].map((level) => 1 - 2 ** (-1 / (2 * 2 ** level)))];
  for (const noise of ['replace', 'belief'] as const)
    for (const { rate, changed, error } of denoisingCurve(parity(L), { rates, noise, sentences: 400 }))
      for (const [level, got] of changed.entries()) {
        // With `belief` the leaf's own token has likelihood (2 - t) / 2: its posterior is that of the true one, not of a draw.
        const want = noise === 'replace' ? exact(rate, level) : (1 - (1 - rate) ** (2 ** level)) / 2;
        close(
          got,
          want,
          noise === 'belief' ? 1e-12 : 5 * error[level] + 1e-12,
          `${noise}, rate ${rate}, level ${level}`,
        );
      }
  // At the last rates, one level after another reaches half of its largest change, 1/4.
  for (const level of [0, 1, 2, 3, 4]) close(exact(rates[5 + level], level), 0.25, 1e-12, `middle of level ${level}`);
});

test('repetition: all levels change together, as follows from the flips of 2^L tokens', () => {
  for (const L of [1, 3]) {
    const d = 2 ** L;
    for (const { rate, changed, error } of denoisingCurve(repetition(L), { rates: [0.4, 0.7, 0.9], sentences: 4000 })) {
      const q = rate / 2;
      let want = 0;
      let ways = 1;
      for (let k = 0; k <= d; k++) {
        const seen = (flips: number) => q ** flips * (1 - q) ** (d - flips);
        want += ways * seen(k) * (seen(d - k) / (seen(k) + seen(d - k)));
        ways = (ways * (d - k)) / (k + 1);
      }
      for (const [level, got] of changed.entries())
        close(got, want, 5 * error[level] + 1e-12, `L=${L}, rate ${rate}, level ${level}`);
    }
  }
});

test('no noise changes nothing; nothing seen leaves chance', () => {
  const rules = makeRules({ v: 6, n: 6, m: 2, s: 2, L: 3 }, 4);
  for (const noise of ['replace', 'mask', 'belief'] as const) {
    const [none, all] = denoisingCurve(rules, { rates: [0, 1], noise, sentences: 300 });
    assert.ok(none.changed.every((x) => x < 1e-12));
    close(all.changed[3], 5 / 6, 1e-9, `${noise}: the root is drawn anew from its six`);
  }
});

test('the map of beliefs has the fixed points 1 and chance; the mean-field threshold is where leaves meet the one between', () => {
  for (const shape of [
    { v: 16, m: 4, s: 2 },
    { v: 32, m: 8, s: 2 },
    { v: 8, m: 3, s: 2 },
  ]) {
    close(beliefMap(shape, 1), 1, 1e-12, 'certain');
    const rate = meanFieldThreshold(shape)!;
    const p = 1 - rate + rate / shape.v;
    close(beliefMap(shape, p), p, 1e-9, 'a fixed point');
    assert.ok(beliefMap(shape, p + 0.01) > p + 0.01 && beliefMap(shape, p - 0.01) < p - 0.01, 'unstable');
    const deep = denoisingThreshold(shape, 'belief')!;
    assert.ok(Math.abs(deep - rate) < 0.03, `beliefs of one size: ${deep} and ${rate}`);
  }
  assert.is(meanFieldThreshold({ v: 2, m: 2, s: 2 }), undefined, 'of parities it lies above p nowhere');
});

test('parities lose any noise; with one rule a symbol nearly any is undone', () => {
  assert.is(denoisingThreshold({ v: 2, m: 2, s: 2 }, 'replace'), undefined);
  for (const noise of ['replace', 'mask', 'belief'] as const)
    assert.ok(denoisingThreshold({ v: 8, m: 1, s: 2 }, noise)! > 0.9, noise);
});

test('deep trees lose their root at the threshold, the more sharply the deeper', () => {
  const shape = { v: 16, m: 3, s: 2 };
  for (const noise of ['replace', 'mask', 'belief'] as const) {
    const threshold = denoisingThreshold(shape, noise)!;
    const width = 0.12;
    const [shallow, deep] = [2, 6].map((L) => {
      const grammars = [1, 2].map((seed) =>
        denoisingCurve(makeRules({ ...shape, n: 16, L }, seed), {
          ...{ rates: [threshold - width, Math.min(1, threshold + width)], noise, sentences: L === 2 ? 300 : 40 },
        }),
      );
      const root = (k: number) => (grammars[0][k].changed[L] + grammars[1][k].changed[L]) / 2;
      return { below: root(0), above: root(1) };
    });
    const middle = (1 - 1 / 16) / 2;
    assert.ok(deep.below < middle && deep.above > middle, `${noise} at ${threshold}: ${deep.below}, ${deep.above}`);
    assert.ok(deep.above - deep.below > shallow.above - shallow.below, `${noise}: sharper with depth`);
  }
});

test('invalid rates and noise are refused', () => {
  const refused = (options: object, says: RegExp) =>
    assert.throws(
      () => denoisingCurve(parity(1), { rates: [0.1], ...options }),
      (error: Error) => error instanceof InputError && says.test(error.message),
    );
  refused({ rates: [1.2] }, /rates: got 1.2; pass numbers from 0 to 1/);
  refused({ noise: 'blur' }, /noise: got "blur"; pass replace, mask, belief/);
  refused({ sentences: 1 }, /sentences/);
});

test.run();
