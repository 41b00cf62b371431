import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import type { Source } from '../../src/core/sampleSource.js';
import { streamKey } from '../../src/core/threefry.js';
import { intervene, treeChange } from '../../src/grammar/intervene.js';
import { Parser } from '../../src/grammar/parser.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { chiSquare } from './chi.js';
import { randomGrammars } from './grammars.js';

const test = suite('parsing and interventions');
const stream: Source = { mode: 'stream', key: streamKey(3, 'data'), size: 0n, first: 0, length: 0 };

test('parsing a sentence gives back its derivation', async () => {
  for (const rules of randomGrammars()) {
    const sampler = await createSampler(rules);
    const parser = new Parser(rules);
    const { symbols, rules: chosen } = sampler.trees(stream, 0, 30);
    const { symbolsPerTree: S, rulesPerTree: K, tokensPerSentence: d } = sampler;
    for (let i = 0; i < 30; i++) {
      const parse = parser.parse(symbols.subarray((i + 1) * S - d, (i + 1) * S));
      assert.is(parse.fault, undefined);
      assert.equal(
        parse.symbols.flatMap((x) => [...x]),
        [...symbols.subarray(i * S, (i + 1) * S)],
      );
      assert.equal(
        parse.rules.flatMap((x) => [...x]),
        [...chosen.subarray(i * K, (i + 1) * K)],
      );
    }
  }
  // Tuples beyond 2^53 are looked up by name.
  const wide = makeRules({ v: 100, n: 5, m: 3, s: 12, L: 1 }, 1);
  const sampler = await createSampler(wide);
  const tokens = new Uint32Array(12);
  sampler.tokens(stream, 0, 1, tokens);
  assert.is(new Parser(wide).parse(tokens).fault, undefined);
  tokens[0] = (tokens[0] + 1) % 100;
  assert.equal(new Parser(wide).parse(tokens).fault, { level: 1, position: 0 });
});

test('the first fault, by level from the leaves and position', async () => {
  const rules = makeRules({ v: 4, n: 2, m: 2, s: 2, L: 2 }, 5);
  const parser = new Parser(rules);
  const used = (l: number) => new Map(rules.rules[l].flatMap((r, a) => r.map((t) => [t.join(), a] as const)));
  const [top, bottom] = [used(0), used(1)];
  // By hand over all 256 strings of four tokens.
  let grammatical = 0;
  const passed = [0, 0, 0];
  const all: number[] = [];
  for (let code = 0; code < 256; code++) {
    const tokens = [code >> 6, (code >> 4) & 3, (code >> 2) & 3, code & 3];
    all.push(...tokens);
    const left = bottom.get(`${tokens[0]},${tokens[1]}`);
    const right = bottom.get(`${tokens[2]},${tokens[3]}`);
    const { fault } = parser.parse(tokens);
    passed[0]++;
    if (left === undefined) assert.equal(fault, { level: 1, position: 0 });
    else if (right === undefined) assert.equal(fault, { level: 1, position: 1 });
    else if (!top.has(`${left},${right}`)) {
      passed[1]++;
      assert.equal(fault, { level: 2, position: 0 });
    } else {
      passed[1]++;
      passed[2]++;
      grammatical++;
      assert.is(fault, undefined);
    }
  }
  assert.is(grammatical, 2 * 2 ** 3);
  assert.equal(
    parser.consistency(all, 256),
    passed.map((x) => x / 256),
  );
  // The last two tokens form a tuple in half of the strings (8 of 16 pairs are used).
  assert.equal(parser.lastTokenConsistency(all, 256), [1, 1 / 2, passed[2] / 256]);
  assert.equal(parser.parse([0, 4, 0, 0]).fault, { level: 0, position: 1 });
  assert.throws(() => parser.parse([0, 0, 0]), /3 tokens.*s\^L = 4/);
});

test('interventions change the subtree and nothing else; sentences stay grammatical unless a token is replaced', async () => {
  for (const [i, rules] of randomGrammars().entries()) {
    if (rules.m < 2) continue;
    const { s, L } = rules;
    const sampler = await createSampler(rules);
    const parser = new Parser(rules);
    const d = sampler.tokensPerSentence;
    for (const level of [1, L]) {
      const width = s ** (L - level);
      const position = width > 1 ? -2 : 0;
      const at = position < 0 ? width + position : position;
      const span = s ** level;
      const different = i % 2 === 0;
      const { before, after, changed } = intervene(
        sampler,
        stream,
        5,
        40,
        { kind: 'rule', level, position, different },
        i,
      );
      const again = intervene(sampler, stream, 25, 20, { kind: 'rule', level, position, different }, i);
      assert.equal([...again.after], [...after.subarray(20 * d)], 'reproducible from any start');
      for (let k = 0; k < 40; k++) {
        const [x, y] = [before.subarray(k * d, (k + 1) * d), after.subarray(k * d, (k + 1) * d)];
        const want: number[] = [];
        for (let t = 0; t < d; t++) if (x[t] !== y[t]) want.push(t);
        assert.equal(changed[k], want);
        for (const t of changed[k]) assert.ok(t >= at * span && t < (at + 1) * span);
        const [p, q] = [parser.parse(x), parser.parse(y)];
        assert.is(q.fault, undefined);
        assert.is(p.symbols[L - level][at], q.symbols[L - level][at], 'the symbol stays');
        const weighted = rules.ruleProbabilities?.[L - level];
        if (different && !weighted?.includes(1)) assert.is.not(p.rules[L - level][at], q.rules[L - level][at]);
      }
    }
    const symbol = intervene(sampler, stream, 5, 40, { kind: 'symbol', level: 0, position: d - 1, different: true }, i);
    assert.equal(symbol.changed, new Array(40).fill([d - 1]));
  }
});

test('resampled rules and symbols follow their probabilities', async () => {
  const weights = [0.5, 0.2, 0, 0.3];
  const rules = makeRules({ v: 6, n: 6, m: 4, s: 2, L: 2 }, 6, { ruleProbabilities: [weights, null] });
  const sampler = await createSampler(rules);
  const count = 60_000;
  const key = streamKey(1, 'measure');
  const plain = sampler.trees(stream, 0, count);
  const read = (rulesOf: Uint32Array, node: number, i: number) => rulesOf[i * 3 + node];
  for (const different of [false, true]) {
    const change = treeChange(rules, { kind: 'rule', level: 2, position: 0, different }, key);
    const { rules: drawn } = sampler.trees(stream, 0, count, change);
    const joint = new Float64Array(16);
    for (let i = 0; i < count; i++) joint[read(plain.rules, 0, i) * 4 + read(drawn, 0, i)]++;
    const expected = joint.map((_, k) => {
      const [a, b] = [k >> 2, k & 3];
      if (!different) return count * weights[a] * weights[b];
      return a === b ? 0 : (count * weights[a] * weights[b]) / (1 - weights[a]);
    });
    chiSquare(joint, expected, `weighted rules, different ${different}`);
    const below = treeChange(rules, { kind: 'rule', level: 1, position: 1, different }, key);
    const { rules: lower } = sampler.trees(stream, 0, count, below);
    const uniform = new Float64Array(16);
    for (let i = 0; i < count; i++) uniform[read(plain.rules, 2, i) * 4 + read(lower, 2, i)]++;
    const flat = uniform.map((_, k) => (different ? (k >> 2 === (k & 3) ? 0 : count / 12) : count / 16));
    chiSquare(uniform, flat, `uniform rules, different ${different}`);
    const noise = treeChange(rules, { kind: 'symbol', level: 1, position: 0, different }, key);
    const { symbols } = sampler.trees(stream, 0, count, noise);
    const pairs = new Float64Array(36);
    const old = new Float64Array(6);
    for (let i = 0; i < count; i++) {
      const was = plain.symbols[i * 7 + 1];
      old[was]++;
      pairs[was * 6 + symbols[i * 7 + 1]]++;
    }
    // Given the old symbol, the new one is uniform (over the others).
    const given = pairs.map((_, k) => {
      const [a, b] = [Math.floor(k / 6), k % 6];
      return different ? (a === b ? 0 : old[a] / 5) : old[a] / 6;
    });
    chiSquare(pairs, given, `symbols, different ${different}`);
  }
});

test('bad levels and positions', async () => {
  const rules = makeRules({ v: 4, n: 1, m: 2, s: 2, L: 3 }, 5);
  const key = streamKey(1, 'measure');
  assert.throws(() => treeChange(rules, { kind: 'rule', level: 0, position: 0 }, key), /^level .*from 1 to 3, got 0/);
  assert.throws(() => treeChange(rules, { kind: 'symbol', level: 4, position: 0 }, key), /^level .*from 0 to 3/);
  assert.throws(
    () => treeChange(rules, { kind: 'rule', level: 2, position: 2 }, key),
    /^position .*from -2 to 1, got 2/,
  );
  const sampler = await createSampler(rules);
  assert.throws(
    () => intervene(sampler, stream, 0, 1, { kind: 'symbol', level: 3, position: 0, different: true }, 1),
    /only one symbol/,
  );
});

test.run();
