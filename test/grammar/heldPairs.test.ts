import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { heldLanguage } from '../../src/core/holdout.js';
import {
  type HeldLanguage,
  type HeldPairs,
  heldLanguages as languages,
  makeRules,
  type Rules,
} from '../../src/core/rules.js';
import { permute } from '../../src/core/sampleSource.js';
import { changeWords } from '../../src/core/treeChange.js';
import { canPermute, derivationSource, makeDataset } from '../../src/grammar/dataset.js';
import { countDerivations, logCoincidence, logDerivations } from '../../src/grammar/derivations.js';
import { createSampler, type Trees } from '../../src/grammar/sampler.js';
import { chiSquare } from './chi.js';
import { stream } from './stream.js';

const test = suite('held-out pairs');

/** Small enough to be enumerated: 3 * 2^7, 2 * 3^7 and 2 * 3^4 sentences. */
const small: [Rules, { level: number; fraction: number }][] = [
  [makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 1), { level: 2, fraction: 0.5 }],
  [makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 1), { level: 3, fraction: 0.5 }],
  [makeRules({ v: 5, n: 2, m: 3, s: 2, L: 3 }, 2), { level: 2, fraction: 0.6 }],
  [makeRules({ v: 4, n: 2, m: 3, s: 3, L: 2 }, 3), { level: 2, fraction: 0.3 }],
];

/**
 * Places of a tree, 0 .. K-1, whose rule is held out below the rule above. Written independently of the code it checks: from the
 * pairs alone.
 */
function heldOf(
  { m, s, rules }: Rules,
  { depth, held, order }: HeldPairs,
  symbols: ArrayLike<number>,
  chosen: ArrayLike<number>,
) {
  const first = (s ** depth - 1) / (s - 1);
  const above = (s ** (depth - 1) - 1) / (s - 1);
  const places: number[] = [];
  for (let p = 0; p < s ** depth; p++) {
    const parent = above + Math.floor(p / s);
    const row = (symbols[parent] * m + chosen[parent]) * s + (p % s);
    assert.is(rules[depth - 1][symbols[parent]][chosen[parent]][p % s], symbols[first + p]);
    if (order[row].subarray(m - held).includes(chosen[first + p])) places.push(p);
  }
  return places;
}

/** To which of the four languages a tree belongs. */
function languagesOf(places: readonly number[], K: number): HeldLanguage[] {
  if (!places.length) return ['without'];
  return ['with', places.includes(K - 1) ? 'last' : 'context'];
}

function row({ symbols, rules }: Trees, i: number, count: number): [Uint32Array, Uint32Array] {
  const part = (all: Uint32Array) => all.subarray((i * all.length) / count, ((i + 1) * all.length) / count);
  return [part(symbols), part(rules)];
}

test('below every rule of the parents equally many rules of each child are held out, each rule of a symbol equally often', () => {
  for (const [rules, holdout] of [
    ...small,
    [makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 5), { level: 2, fraction: 0.25 }] as const,
    [makeRules({ v: 8, n: 3, m: 7, s: 2, L: 3 }, 6), { level: 3, fraction: 0.4 }] as const,
  ]) {
    const { m, v, s, L } = rules;
    const { order, held, depth } = heldLanguage(rules, holdout, 'without').heldPairs!;
    assert.is(held, Math.round(holdout.fraction * m));
    assert.is(depth, L - holdout.level + 1);
    const children = rules.rules[depth - 1].flat(2);
    assert.is(order.length, children.length);
    assert.is(order.length % s, 0);
    const uses = Array.from({ length: v }, () => new Array<number>(m).fill(0));
    for (const [i, choice] of order.entries()) {
      assert.equal(
        [...choice].sort((a, b) => a - b),
        [...Array(m).keys()],
        'each rule once',
      );
      for (const k of choice.subarray(m - held)) uses[children[i]][k]++;
    }
    for (const counts of uses) assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, String(counts));
  }
});

test('pairs depend on their own seed, otherwise on that of the caller', () => {
  const [rules] = small[0];
  const orders = (seed?: number, other?: number) =>
    heldLanguage(rules, { level: 2, fraction: 0.5, seed }, 'without', other).heldPairs!.order.map(String);
  assert.equal(orders(4, 1), orders(undefined, 4));
  assert.not.equal(orders(4), orders(5));
});

test('sizes of all four languages by enumerating the whole grammar; numbers name each of their sentences once', async () => {
  for (const [rules, holdout] of small) {
    const whole = await createSampler(rules);
    const count = Number(countDerivations(rules));
    const trees = whole.trees(derivationSource(rules, 1), 0, count);
    const wanted = new Map<HeldLanguage, Set<string>>(languages.map((name) => [name, new Set()]));
    const pairs = heldLanguage(rules, holdout, 'without').heldPairs!;
    const K = rules.s ** pairs.depth;
    for (let i = 0; i < count; i++) {
      const [symbols, chosen] = row(trees, i, count);
      for (const name of languagesOf(heldOf(rules, pairs, symbols, chosen), K)) wanted.get(name)!.add(symbols.join());
    }
    for (const name of languages) {
      const language = heldLanguage(rules, holdout, name);
      const size = countDerivations(language);
      assert.is(size, BigInt(wanted.get(name)!.size), `${name} ${JSON.stringify(holdout)}`);
      assert.ok(Math.abs(logDerivations(language) - Math.log(Number(size))) < 1e-9, `logarithm, ${name}`);
      assert.is(logCoincidence(language), -logDerivations(language));
      const sampler = await createSampler(language);
      const got = sampler.trees(derivationSource(language, 3), 0, Number(size));
      const found = new Set(Array.from({ length: Number(size) }, (_, i) => row(got, i, Number(size))[0].join()));
      assert.equal([...found].sort(), [...wanted.get(name)!].sort(), name);
    }
  }
});

test('sizes of languages too large to enumerate: with and without add up', () => {
  const rules = makeRules({ v: 16, n: 16, m: 4, s: 2, L: 5 }, 1);
  const size = (name: HeldLanguage, level: number) =>
    countDerivations(heldLanguage(rules, { level, fraction: 0.25 }, name));
  for (const level of [2, 3, 4, 5]) {
    assert.is(size('without', level) + size('with', level), countDerivations(rules));
    assert.is(size('context', level) + size('last', level), size('with', level));
    assert.is(size('last', level) * 4n, countDerivations(rules), 'a quarter of all last places');
  }
  assert.is(size('without', 2), 16n * 4n ** 15n * 3n ** 16n);
  for (const name of languages) {
    const log = logDerivations(heldLanguage(rules, { level: 2, fraction: 0.25 }, name));
    assert.ok(Math.abs(log / Math.log(2) - Math.log2(Number(size(name, 2)))) < 1e-9, name);
  }
});

test('languages too large for numbers of 64 bits are drawn as streams', async () => {
  const rules = makeRules({ v: 16, n: 16, m: 4, s: 2, L: 9 }, 1);
  for (const name of languages) {
    const language = heldLanguage(rules, { level: 2, fraction: 0.25 }, name);
    assert.not.ok(canPermute(language));
    const { symbols, rules: chosen } = (await createSampler(language)).trees(stream(2), 0, 1);
    const places = heldOf(rules, language.heldPairs!, symbols, chosen);
    assert.ok(languagesOf(places, 256).includes(name), `${name}: ${places}`);
  }
});

test('streams draw every sentence of their language with equal frequency', async () => {
  for (const [rules, holdout] of small)
    for (const name of languages) {
      const language = heldLanguage(rules, holdout, name);
      const size = Number(countDerivations(language));
      const sampler = await createSampler(language);
      const counts = new Map<string, number>();
      const draws = 30 * size;
      const trees = sampler.trees(stream(5), 0, draws);
      for (let i = 0; i < draws; i++) {
        const key = row(trees, i, draws)[0].join();
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      assert.ok(counts.size <= size);
      const all = [...counts.values(), ...new Array(size - counts.size).fill(0)];
      chiSquare(all, new Array(size).fill(30), `${name} ${JSON.stringify(holdout)}`);
    }
});

/** Places with held-out pairs in rows of tokens, read from the tokens alone. */
function readerOf(rules: Rules, pairs: HeldPairs): (tokens: Uint32Array, at: number) => number {
  const { v, m, s, L } = rules;
  if (s !== 2) throw new Error('pairs of symbols alone');
  const tables = rules.rules.map((symbols) => {
    const table = new Int32Array(v * v).fill(-1);
    for (const [a, tuples] of symbols.entries())
      for (const [k, [x, y]] of tuples.entries()) table[x * v + y] = a * m + k;
    return table;
  });
  const isHeld = Uint8Array.from(
    pairs.order.flatMap((choice) =>
      Array.from({ length: m }, (_, k) => Number(choice.subarray(m - pairs.held).includes(k))),
    ),
  );
  const level = new Int32Array(s ** L);
  const names = new Int32Array(s ** L); // symbol * m + rule, of the restricted depth
  return (tokens, at) => {
    let found = 0;
    for (let p = 0; p < s ** L; p++) level[p] = tokens[at + p];
    for (let depth = L - 1; depth >= pairs.depth - 1; depth--) {
      const width = s ** depth;
      for (let p = 0; p < width; p++) {
        const name = tables[depth][level[2 * p] * v + level[2 * p + 1]];
        if (name < 0) throw new Error('not of the grammar');
        if (depth === pairs.depth - 1)
          for (let i = 0; i < 2; i++) found += isHeld[(2 * name + i) * m + (names[2 * p + i] % m)];
        level[p] = Math.floor(name / m);
        if (depth === pairs.depth) names[p] = name;
      }
    }
    return found;
  };
}

test('no held-out pair in 10^6 training sentences, numbered or of a stream, and one or more in each of those with pairs', async () => {
  const rules = makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 1);
  for (const [level, name, source, count] of [
    [2, 'without', 'numbers', 1_000_000],
    [3, 'without', 'stream', 1_000_000],
    [4, 'without', 'numbers', 100_000],
    [2, 'with', 'numbers', 100_000],
    [4, 'with', 'stream', 100_000],
  ] as const) {
    const language = heldLanguage(rules, { level, fraction: 0.25 }, name);
    const read = readerOf(rules, language.heldPairs!);
    const sampler = await createSampler(language);
    const from = source === 'stream' ? stream(1) : makeDataset(language, 1, { sentences: count, testSize: 5 }).train;
    const tokens = new Uint32Array(count * 16);
    sampler.tokens(from, 0, count, tokens);
    let least = Infinity;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const held = read(tokens, 16 * i);
      least = Math.min(least, held);
      most = Math.max(most, held);
    }
    if (name === 'without') assert.is(most, 0, `level ${level}`);
    else assert.ok(least >= 1 && most > 1, `level ${level}: ${least} to ${most}`);
  }
});

test('training, validation and test sentences are distinct and all of the training language', async () => {
  const language = heldLanguage(small[2][0], small[2][1], 'without');
  const size = Number(countDerivations(language));
  const {
    train,
    validation,
    test: held,
    distinct,
  } = makeDataset(language, 4, {
    sentences: size - 8,
    validationSize: 3,
    testSize: 5,
  });
  assert.ok(distinct && canPermute(language));
  const sampler = await createSampler(language);
  const seen = new Set<string>();
  for (const source of [train, validation, held]) {
    const { symbols } = sampler.trees(source, 0, source.length);
    for (let i = 0; i < source.length; i++)
      seen.add(
        symbols.subarray((i * symbols.length) / source.length, ((i + 1) * symbols.length) / source.length).join(),
      );
  }
  assert.is(seen.size, size);
  assert.is(train.size, BigInt(size));
  assert.ok(permute(train.key, train.size, 0n) < train.size);
  assert.throws(
    () => makeDataset(language, 4, { sentences: size, testSize: 5 }),
    /exceed the grammar's \d+ derivations/,
  );
});

test('pairs that cannot be held out are refused', () => {
  const [rules] = small[2]; // m = 3, L = 3
  const hold =
    (level: number, fraction: number, of: Rules = rules) =>
    () =>
      heldLanguage(of, { level, fraction }, 'without');
  assert.throws(hold(2, 1), /fraction: 1 of m = 3 rules leaves no sentence; pass at most 0\.667, 2 of them/);
  assert.throws(hold(2, 0.1), /fraction: 0\.1 of m = 3 rules holds none out; pass at least 0\.333, one of them/);
  assert.throws(hold(2, Number.NaN), /holds none out/);
  assert.throws(hold(1, 0.5), /level: got 1; pass the level of the parents, from 2/);
  assert.throws(hold(4, 0.5), /level: got 4; .* to L = 3/);
  assert.throws(hold(2.5, 0.5), /level: got 2\.5/);
  assert.throws(hold(2, 0.5, makeRules({ v: 4, n: 4, m: 1, s: 2, L: 3 }, 1)), /m = 1 rule per symbol/);
  assert.throws(hold(2, 0.5, makeRules({ v: 4, n: 4, m: 2, s: 2, L: 1 }, 1)), /depth L = 1 has no rule below another/);
  const zipf = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 1, { ruleProbabilities: { zipf: 1 } });
  assert.throws(hold(2, 0.5, zipf), /weighted/);
  assert.throws(
    hold(2, 0.5, makeRules({ v: 256, n: 256, m: 200, s: 2, L: 2 }, 1)),
    /256 symbols \* m \* s \* m = 20480000 pairs are over the limit/,
  );
  const change = { kind: 'rule', depth: 1, position: 0, different: true, key: [1, 2] } as const;
  assert.throws(
    () => changeWords(heldLanguage(rules, { level: 2, fraction: 0.5 }, 'with'), change),
    /drawn as a whole/,
  );
  const one = heldLanguage(rules, { level: 3, fraction: 0.6 }, 'without'); // one rule remains below each
  assert.throws(() => changeWords(one, change), /only one rule to choose from/);
});

test.run();
