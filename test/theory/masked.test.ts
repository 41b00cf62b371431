import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError, ShapeError } from '../../src/core/errors.js';
import { type MaskLaw, maskLaw } from '../../src/core/masking.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { floorsOf } from '../../src/theory/floors.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { marginals } from '../../src/theory/marginals.js';
import { maskedLosses, maskedPlateaus } from '../../src/theory/masked.js';
import { close, sentences } from './enumerate.js';

const test = suite('exact losses of masked tokens');

const weighted = makeRules({ v: 3, n: 2, m: 2, s: 2, L: 2 }, 1, {
  rootPrior: [0.3, 0.7],
  ruleProbabilities: [[0.8, 0.2], 'uniform'],
});
const grammars: Record<string, Rules> = {
  uniform: makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 3),
  weighted,
  'three levels': makeRules({ v: 3, n: 3, m: 2, s: 2, L: 3 }, 2),
  'three children': makeRules({ v: 3, n: 3, m: 3, s: 3, L: 1 }, 5),
};
const task = (rules: Rules, fields: { fraction?: number; positions?: number[]; context?: number } = {}) =>
  maskLaw({ task: { kind: 'mask', ...fields }, grammar: rules });

/** Every set of places of a law, with its probability. */
function masksOf({ least, most, places }: MaskLaw) {
  const all: { hidden: boolean[]; n: number }[] = [];
  for (let bits = 0; bits < 2 ** places.length; bits++) {
    const hidden = places.map((_, i) => ((bits >> i) & 1) === 1);
    const n = hidden.filter(Boolean).length;
    if (n >= least && n <= most && hidden.every((x, i) => !x || places[i])) all.push({ hidden, n });
  }
  return all.map(({ hidden, n }) => ({
    hidden,
    probability: 1 / (most - least + 1) / all.filter((one) => one.n === n).length,
  }));
}

/** H(ell) from conditional frequencies over the whole language, without messages. */
function enumerated(rules: Rules, law: MaskLaw, causal = false): number[] {
  const language = sentences(rules);
  const d = rules.s ** rules.L;
  const first = d - law.places.length;
  return Array.from({ length: rules.L + 1 }, (_, ell) => {
    const span = rules.s ** ell;
    let total = 0;
    for (const { hidden, probability } of masksOf(law)) {
      const places = [...hidden.keys()].filter((i) => hidden[i]).map((i) => first + i);
      for (const place of places) {
        const start = place - (place % span);
        const seen = (tokens: number[]) =>
          tokens
            .map((x, p) =>
              p >= Math.max(first, start) && p < (causal ? place : start + span) && !hidden[p - first] ? x : '.',
            )
            .join();
        const joint = new Map<string, number>();
        const context = new Map<string, number>();
        for (const { tokens, probability: p } of language) {
          const name = seen(tokens);
          context.set(name, (context.get(name) ?? 0) + p);
          joint.set(`${name}|${tokens[place]}`, (joint.get(`${name}|${tokens[place]}`) ?? 0) + p);
        }
        for (const [name, p] of joint)
          total -= ((probability * p) / places.length) * Math.log(p / context.get(name.split('|')[0])!);
      }
    }
    return total;
  });
}

const closeAll = (got: readonly number[], want: readonly number[], what: string, tolerance = 1e-9) => {
  assert.is(got.length, want.length);
  for (const [ell, x] of got.entries()) close(x, want[ell], tolerance, `${what}, level ${ell}`);
};

const laws: Record<string, Parameters<typeof task>[1]> = {
  'any number': {},
  half: { fraction: 0.5 },
  'two places': { positions: [0, 2] },
  'part of the context': { context: 2, fraction: 0.5 },
};
for (const [name, rules] of Object.entries(grammars))
  for (const [which, fields] of Object.entries(laws)) {
    if (name === 'three levels' && which === 'any number') continue; // 255 masks of 384 sentences by brute force
    test(`${name}, ${which}: as by counting the whole language`, () => {
      const law = task(rules, fields);
      for (const causal of [false, true]) {
        const { H, H_error } = maskedPlateaus(rules, law, { causal, exactUpTo: 1e6 });
        closeAll(H, enumerated(rules, law, causal), causal ? 'causal' : 'both sides');
        assert.ok(H_error.every((error) => error === 0));
      }
    });
  }

test('with the last token masked alone the floor is H(ell), exactly', () => {
  for (const rules of Object.values(grammars)) {
    const last = task(rules, { positions: [rules.s ** rules.L - 1] });
    const { H } = lossPlateaus(rules);
    for (const causal of [false, true]) closeAll(maskedPlateaus(rules, last, { causal, exactUpTo: 1e6 }).H, H, 'H');
    assert.equal(floorsOf({ kind: 'mask', positions: [rules.s ** rules.L - 1] }, rules), H);
  }
  // At the size of the paper from drawn sentences, within their own error.
  const rules = makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 7);
  const { H: drawn, H_error } = maskedPlateaus(rules, task(rules, { positions: [15] }), { samples: 1024 });
  const { H } = lossPlateaus(rules);
  for (const [ell, x] of drawn.entries()) {
    assert.ok(ell < 2 || H_error[ell] > 0.001, 'drawn sentences have an error');
    close(x, H[ell], 5 * H_error[ell] + 1e-9, `level ${ell}`);
  }
});

test('drawn sentences and masks agree with all of them', () => {
  for (const rules of Object.values(grammars)) {
    const law = task(rules, { fraction: 0.5 });
    const exact = maskedPlateaus(rules, law, { exactUpTo: 1e6 });
    const drawn = maskedPlateaus(rules, law, { exactUpTo: 0, samples: 3000 });
    for (const [ell, x] of drawn.H.entries()) {
      assert.ok(drawn.H_error[ell] < 0.05);
      close(x, exact.H[ell], 5 * drawn.H_error[ell] + 1e-9, `level ${ell}`);
    }
  }
});

test('everything masked: the entropy of a token at its place, at any level', () => {
  const rules = grammars.weighted;
  const entropies = marginals(rules)[rules.L].map((p) => p.reduce((sum, x) => sum - (x > 0 ? x * Math.log(x) : 0), 0));
  const mean = entropies.reduce((a, b) => a + b) / entropies.length;
  closeAll(maskedPlateaus(rules, task(rules, { fraction: 1 })).H, [mean, mean, mean], 'H', 1e-12);
});

test('losses on given sentences average to H; impossible sentences are refused', () => {
  const rules = grammars.uniform; // all sentences are equally probable
  const language = sentences(rules).map(({ tokens }) => tokens);
  const law = task(rules, { fraction: 0.5 });
  const { v } = rules;
  const rows = language.flatMap((tokens) => masksOf(law).map(({ hidden }) => ({ tokens, hidden })));
  const tokens = rows.flatMap((row) => row.tokens);
  const seen = rows.flatMap((row) => row.tokens.map((x, i) => (row.hidden[i] ? v : x)));
  closeAll(maskedLosses(rules, tokens, seen, rows.length), maskedPlateaus(rules, law).H, 'losses');
  const known = new Set(language.map((row) => row.slice(0, 2).join()));
  const [a, b] = Array.from({ length: v * v }, (_, i) => [Math.floor(i / v), i % v]).find(
    (pair) => !known.has(pair.join()),
  )!;
  assert.throws(
    () => maskedLosses(rules, [a, b, 0, 0], [a, b, v, 0], 1),
    (error: Error) => error instanceof ShapeError && /not of this grammar/.test(error.message),
  );
  assert.throws(() => maskedLosses(rules, [0, 1], [0, 1], 1), /2 tokens and 2 seen for 1 sentences of s\^L = 4/);
});

test('laws that mask nothing, or places that do not exist, are refused', () => {
  const grammar = { s: 2, L: 2 };
  const refused = (fields: object, says: RegExp) =>
    assert.throws(
      () => maskLaw({ task: { kind: 'mask', ...fields }, grammar }),
      (error: Error) => error instanceof InputError && says.test(error.message),
    );
  refused({ positions: [] }, /task.positions: got no place, so that nothing would be predicted; pass some of 0 to 3/);
  refused({ positions: [4] }, /task.positions: got 4; pass places from 0 to 3/);
  refused({ positions: [1], context: 2 }, /task.positions: got 1; pass places from 2 to 3/);
  refused({ positions: [2, 2] }, /task.positions: 2 is named twice/);
  refused({ fraction: 0.1 }, /task.fraction: 0.1 of 4 tokens is none, .*; pass at least 0.125/);
  refused({ fraction: 0.5, positions: [1] }, /task.fraction: task.positions already says/);
  assert.equal(maskLaw({ task: { kind: 'mask', fraction: 0.125 }, grammar }).least, 1); // the value named above
  assert.throws(() => maskedPlateaus(grammars.uniform, task(grammars.uniform), { samples: 1 }), /samples/);
});

test.run();
