import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import type { Source } from '../../src/core/sampleSource.js';
import { canPermute, derivationSource, makeDataset } from '../../src/grammar/dataset.js';
import { collisionProbability, countDerivations, logCoincidence } from '../../src/grammar/derivations.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { rootWeights, ruleWeights } from '../../src/theory/marginals.js';
import { sentences } from '../theory/enumerate.js';
import { chiSquare } from './chi.js';
import { stream } from './stream.js';

const test = suite('what the sampler draws');

const grammars: [string, Rules][] = [
  ['powers of two', makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 1)],
  ['odd sizes', makeRules({ v: 10, n: 7, m: 5, s: 3, L: 3 }, 2)],
  [
    'Zipf',
    makeRules({ v: 8, n: 5, m: 6, s: 2, L: 3 }, 3, { ruleProbabilities: { zipf: 0.4 }, rootPrior: { zipf: 0 } }),
  ],
  [
    'a single rule with weight',
    makeRules({ v: 8, n: 2, m: 6, s: 2, L: 2 }, 4, { ruleProbabilities: { zipf: Infinity } }),
  ],
];

test('roots, rules at every node, pairs of draws, and token tuples have the right frequencies', async () => {
  for (const [name, rules] of grammars) {
    const { n, m, s, L, v } = rules;
    const count = 60_000;
    const sampler = await createSampler(rules);
    const { symbols, rules: chosen } = sampler.trees(stream(7), 0, count);
    const { symbolsPerTree, rulesPerTree } = sampler;
    const roots = new Float64Array(n);
    for (let i = 0; i < count; i++) roots[symbols[i * symbolsPerTree]]++;
    chiSquare(
      roots,
      rootWeights(rules).map((p) => p * count),
      `${name}: roots`,
    );
    let node = 0;
    for (let l = 0; l < L; l++)
      for (let p = 0; p < s ** l; p++, node++) {
        const counts = new Float64Array(m);
        for (let i = 0; i < count; i++) counts[chosen[i * rulesPerTree + node]]++;
        chiSquare(
          counts,
          ruleWeights(rules, l).map((w) => w * count),
          `${name}: rules at level ${l}, position ${p}`,
        );
      }
    // Successive draws use the same word: their joint distribution must be the product.
    for (let k = 0; k + 1 < rulesPerTree; k++) {
      const level = (x: number) => Math.floor(Math.log(x * (s - 1) + 1) / Math.log(s) + 1e-9);
      const joint = new Float64Array(m * m);
      for (let i = 0; i < count; i++) joint[chosen[i * rulesPerTree + k] * m + chosen[i * rulesPerTree + k + 1]]++;
      const [a, b] = [ruleWeights(rules, level(k)), ruleWeights(rules, level(k + 1))];
      chiSquare(
        joint,
        joint.map((_, i) => count * a[Math.floor(i / m)] * b[i % m]),
        `${name}: nodes ${k}, ${k + 1}`,
      );
    }
    // Root and first rule, which the fast path draws as one number.
    const first = new Float64Array(n * m);
    for (let i = 0; i < count; i++) first[symbols[i * symbolsPerTree] * m + chosen[i * rulesPerTree]]++;
    const weights = rootWeights(rules).flatMap((p) => ruleWeights(rules, 0).map((q) => p * q * count));
    chiSquare(first, weights, `${name}: root and rule`);
    assert.is(
      symbols.findIndex((x) => x >= Math.max(n, v)),
      -1,
    );
  }
});

test('sentences of the fast path have their exact probabilities', async () => {
  for (const rules of [
    makeRules({ v: 3, n: 3, m: 2, s: 2, L: 2 }, 8),
    makeRules({ v: 3, n: 2, m: 3, s: 2, L: 2 }, 9),
    makeRules({ v: 3, n: 2, m: 2, s: 2, L: 2 }, 10, { ruleProbabilities: [[0.25, 0.75], { zipf: 0 }] }),
  ]) {
    const cells = new Map(sentences(rules).map(({ tokens, probability }, i) => [tokens.join(), { i, probability }]));
    const count = 200_000;
    const tokens = new Uint8Array(4 * count);
    (await createSampler(rules)).tokens(stream(11), 2 ** 32 - 1000, count, tokens);
    const counts = new Float64Array(cells.size);
    for (let i = 0; i < count; i++) counts[cells.get(tokens.subarray(4 * i, 4 * i + 4).join())!.i]++;
    chiSquare(
      counts,
      [...cells.values()].map((c) => c.probability * count),
      'sentences',
    );
  }
});

test('exhaustive: all derivations of a 3-level grammar, each once, are the enumerated sentences', async () => {
  const rules = makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 12);
  const all = new Set(sentences(rules).map(({ tokens }) => tokens.join()));
  const count = Number(countDerivations(rules));
  assert.is(count, 3 * 2 ** 7);
  assert.is(all.size, count);
  const tokens = new Uint32Array(8 * count);
  (await createSampler(rules)).tokens(derivationSource(rules, 5), 0, count, tokens);
  const drawn = new Set(Array.from({ length: count }, (_, i) => tokens.subarray(8 * i, 8 * i + 8).join()));
  assert.equal([...drawn].sort(), [...all].sort());
});

test('no duplicate among 10^6 draws without replacement from 2 * 10^6 derivations', async () => {
  const rules = makeRules({ v: 150, n: 2000, m: 10, s: 2, L: 2 }, 13);
  assert.is(countDerivations(rules), 2_000_000n);
  const count = 1_000_000;
  const sampler = await createSampler(rules);
  const tokens = new Uint8Array(4 * count);
  sampler.tokens(derivationSource(rules, 6), 0, count, tokens);
  // A sentence is four bytes: one u32 each.
  const names = new Uint32Array(tokens.buffer).sort();
  for (let i = 1; i < count; i++) if (names[i] === names[i - 1]) throw new Error(`sentence ${names[i]} came twice`);
  assert.throws(
    () => sampler.tokens(derivationSource(rules, 6), 1_500_000, 500_001, new Uint8Array(4 * 500_001)),
    /2000000 derivations/,
  );
});

test('train and test sets are disjoint, nested in P, and every epoch is a new order of the same sentences', async () => {
  const rules = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 14); // 512 derivations
  const sampler = await createSampler(rules);
  const names = (source: Source, start: number, count: number) => {
    const tokens = new Uint8Array(8 * count);
    sampler.tokens(source, start, count, tokens);
    return Array.from({ length: count }, (_, i) => tokens.subarray(8 * i, 8 * i + 8).join());
  };
  const { train, test: held, distinct, collision } = makeDataset(rules, 1, { sentences: 300, testSize: 212 });
  assert.is(distinct, true);
  assert.is(collision, 0);
  const [first, second] = [names(train, 0, 300), names(train, 300, 300)];
  const others = names(held, 0, 212);
  assert.is(new Set([...first, ...others]).size, 512);
  assert.not.equal(first, second);
  assert.equal([...first].sort(), [...second].sort());
  const smaller = makeDataset(rules, 1, { sentences: 100, testSize: 212 });
  const few = new Set(names(smaller.train, 0, 100));
  assert.is(few.size, 100);
  for (const name of few) assert.ok(first.includes(name));
  assert.equal(names(smaller.test, 0, 212), others);
  // A batch across the end of an epoch; and without shuffling epochs repeat.
  assert.equal(names(train, 290, 20), [...first.slice(290), ...second.slice(0, 10)]);
  const plain = makeDataset(rules, 1, { sentences: 300, testSize: 0, shuffle: false }).train;
  assert.equal(names(plain, 0, 300), names(plain, 300, 300));
  assert.throws(() => makeDataset(rules, 1, { sentences: 400, testSize: 113 }), /512 derivations/);
});

test('the order of draws without replacement looks random', () => {
  // Position of each of 512 sentences over many keys: uniform.
  const rules = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 1 }, 15); // 8 derivations
  assert.is(countDerivations(rules), 8n);
  return createSampler(rules).then((sampler) => {
    const counts = new Float64Array(64);
    const pairs = new Float64Array(64);
    const keys = 20_000;
    for (let seed = 0; seed < keys; seed++) {
      const { rules: chosen, symbols } = sampler.trees(derivationSource(rules, seed), 0, 8);
      const number = (i: number) => symbols[i * sampler.symbolsPerTree] * 2 + chosen[i];
      for (let i = 0; i < 8; i++) counts[i * 8 + number(i)]++;
      pairs[number(2) * 8 + number(5)]++;
    }
    chiSquare(
      counts,
      counts.map(() => keys / 8),
      'places',
    );
    chiSquare(
      pairs,
      pairs.map((_, i) => (i % 9 === 0 ? 0 : keys / 56)),
      'pairs of places',
    );
  });
});

test('grammars that cannot be permuted are refused, with the probability of a repetition', async () => {
  const huge = makeRules({ v: 32, n: 32, m: 8, s: 2, L: 8 }, 1);
  const weighted = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, { ruleProbabilities: { zipf: 1 } });
  assert.not(canPermute(huge));
  assert.not(canPermute(weighted));
  assert.throws(
    () => derivationSource(huge, 1),
    (e: Error) => e instanceof InputError && /2\^64 or more.*probability 0\.00|e-/.test(e.message),
  );
  assert.throws(() => derivationSource(weighted, 1), /weighted.*probability 1/);
  const { distinct, collision, train } = makeDataset(weighted, 1, { sentences: 1000, testSize: 10 });
  assert.is(distinct, false);
  assert.ok(collision > 0.999);
  assert.is(train.mode, 'stream');
  // The coincidence of two sentences, against the enumeration.
  const sum = sentences(weighted).reduce((a, { probability }) => a + probability ** 2, 0);
  assert.ok(Math.abs(Math.exp(logCoincidence(weighted)) - sum) < 1e-15);
  assert.ok(Math.abs(collisionProbability(weighted, 2) - (1 - Math.exp(-sum))) < 1e-15);
  assert.is(collisionProbability(huge, 1), 0);
});

test.run();
