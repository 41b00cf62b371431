import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { heldLanguage } from '../../src/core/holdout.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { streamKey } from '../../src/core/threefry.js';
import { derivationSource } from '../../src/grammar/dataset.js';
import { countDerivations } from '../../src/grammar/derivations.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { exactLosses, lastTokens } from '../../src/theory/index.js';
import { close, sentences } from './enumerate.js';

const test = suite('the last token given those before it');

/** Every sentence of a language with uniform weights. */
async function allOf(language: Rules): Promise<Uint32Array[]> {
  const count = Number(countDerivations(language));
  const sampler = await createSampler(language);
  const d = sampler.tokensPerSentence;
  const tokens = new Uint32Array(count * d);
  sampler.tokens(derivationSource(language, 1), 0, count, tokens);
  return Array.from({ length: count }, (_, i) => tokens.subarray(i * d, (i + 1) * d));
}

/** p(last | longest ending of the context that some sentence has), by counting. */
function byCounting(
  all: readonly { tokens: ArrayLike<number>; probability: number }[],
  row: ArrayLike<number>,
  v: number,
) {
  const d = row.length;
  for (let k = d - 1; ; k--) {
    const counts = new Array<number>(v).fill(0);
    for (const { tokens, probability } of all) {
      let same = true;
      for (let p = d - 1 - k; same && p < d - 1; p++) same = tokens[p] === row[p];
      if (same) counts[tokens[d - 1]] += probability;
    }
    const sum = counts.reduce((x, y) => x + y, 0);
    if (sum > 0) return { seen: k, p: counts.map((x) => x / sum) };
  }
}

const grammars: [string, Rules, { level: number; fraction: number }][] = [
  ['level 2 of 3', makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 1), { level: 2, fraction: 0.5 }],
  ['the root', makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 2), { level: 3, fraction: 0.5 }],
  ['one of three rules', makeRules({ v: 5, n: 2, m: 3, s: 2, L: 3 }, 3), { level: 2, fraction: 0.3 }],
  ['two of three rules', makeRules({ v: 5, n: 4, m: 3, s: 2, L: 3 }, 4), { level: 3, fraction: 0.7 }],
  ['three symbols a rule', makeRules({ v: 4, n: 2, m: 3, s: 3, L: 2 }, 5), { level: 2, fraction: 0.3 }],
];

test('for the training language, by enumeration: for its own sentences and for those with held-out pairs', async () => {
  for (const [name, rules, holdout] of grammars) {
    const language = heldLanguage(rules, holdout, 'without');
    const all = (await allOf(language)).map((tokens) => ({ tokens, probability: 1 }));
    const d = rules.s ** rules.L;
    const seen: number[] = [];
    for (const kind of ['without', 'context', 'last'] as const) {
      const rows = (await allOf(heldLanguage(rules, holdout, kind))).slice(0, 60);
      const flat = Uint32Array.from(rows.flatMap((row) => [...row]));
      const got = lastTokens(language, flat, rows.length);
      for (const [i, row] of rows.entries()) {
        const want = byCounting(all, row, rules.v);
        assert.is(got.seen[i], want.seen, `${name}, ${kind}, sentence ${i}`);
        for (const [x, p] of want.p.entries())
          close(got.probabilities[i * rules.v + x], p, 1e-12, `${name}, ${kind}, sentence ${i}, token ${x}`);
        if (kind === 'without') assert.is(got.seen[i], d - 1);
        else seen.push(got.seen[i]);
      }
    }
    assert.ok(new Set(seen).size > 2, `${name}: ends of several lengths, got ${[...new Set(seen)]}`);
  }
});

test('for a whole grammar, weighted or not: its exact predictor, and a shorter ending if a context does not occur in it', () => {
  for (const rules of [
    makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 1),
    makeRules({ v: 4, n: 3, m: 3, s: 2, L: 2 }, 2, { ruleProbabilities: { zipf: 0.7 }, rootPrior: [0.5, 0.3, 0.2] }),
  ]) {
    const all = sentences(rules);
    const own = all.slice(0, 40).map(({ tokens }) => tokens);
    const d = rules.s ** rules.L;
    const foreign = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: d }, (_, p) => (i * 7 + p * p * 3 + i * p) % rules.v),
    );
    const rows = [...own, ...foreign];
    const { probabilities, seen } = lastTokens(rules, rows.flat(), rows.length);
    for (const [i, row] of rows.entries()) {
      const want = byCounting(all, row, rules.v);
      assert.is(seen[i], want.seen);
      for (const [x, p] of want.p.entries()) close(probabilities[i * rules.v + x], p, 1e-12, `row ${i}`);
    }
    const loss = own.reduce((sum, row, i) => sum - Math.log(probabilities[i * rules.v + row[d - 1]]) / own.length, 0);
    close(loss, exactLosses(rules, own.flat(), own.length)[rules.L], 1e-12, 'loss');
    assert.ok(
      seen.some((k) => k < d - 1),
      'some contexts are none of the grammar',
    );
  }
});

test('long sentences do not underflow', async () => {
  const rules = makeRules({ v: 16, n: 16, m: 4, s: 2, L: 9 }, 1);
  const language = heldLanguage(rules, { level: 2, fraction: 0.25 }, 'without');
  const draw = async (of: Rules) => {
    const tokens = new Uint32Array(4 * 512);
    (await createSampler(of)).tokens(
      { mode: 'stream', key: streamKey(1, 'data'), size: 0n, first: 0, length: 0 },
      0,
      4,
      tokens,
    );
    return tokens;
  };
  const own = lastTokens(language, await draw(language), 4);
  assert.equal([...own.seen], [511, 511, 511, 511]);
  const other = lastTokens(language, await draw(heldLanguage(rules, { level: 2, fraction: 0.25 }, 'context')), 4);
  assert.ok(other.seen.every((k) => k < 511));
  for (const { probabilities } of [own, other])
    for (let i = 0; i < 4; i++)
      close(
        probabilities.subarray(16 * i, 16 * i + 16).reduce((a, b) => a + b, 0),
        1,
        1e-12,
        'sum',
      );
});

test('bad input is refused', () => {
  const [[, rules]] = grammars;
  assert.throws(() => lastTokens(rules, [0, 1], 1), /2 tokens for 1 sentences of s\^L = 8/);
  assert.throws(() => lastTokens(rules, [0, 1, 2, 3, 4, 0, 0, 0], 1), /sentence 0 has a token that is not below v = 4/);
});

test.run();
