import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { grammarImage } from '../../src/core/grammarImage.js';
import { makeRules } from '../../src/core/rules.js';
import { bitsFor, permute, type Source } from '../../src/core/sampleSource.js';
import { streamKey, threefry } from '../../src/core/threefry.js';
import { UniformStream } from '../../src/core/uniform.js';
import { newMemory } from '../../src/core/wasmModule.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { instantiate } from '../../src/grammar/wasm.js';
import { sampleTokens, sampleTree } from '../../src/reference/sample.js';
import { changesFor, randomGrammars } from './grammars.js';

const test = suite('sampler');

const stream = (seed: number, first = 0): Source => ({
  mode: 'stream',
  key: streamKey(seed, 'data'),
  size: 0n,
  first,
  length: 0,
});

test('Threefry and the permutation: WebAssembly equals TypeScript on random keys and counters', async () => {
  const wasm = await instantiate(newMemory(1));
  const random = new UniformStream(streamKey(1, 'data'));
  for (let i = 0; i < 100_000; i++) {
    const [k0, k1, c0, c1] = [random.word(), random.word(), random.word(), random.word()];
    const [x0, x1] = threefry([k0, k1], c0, c1);
    const got = BigInt.asUintN(64, wasm.threefry(k0, k1, c0, c1));
    if (got !== ((BigInt(x1) << 32n) | BigInt(x0))) throw new Error(`key ${k0},${k1} counter ${c0},${c1}`);
  }
  for (const size of [1n, 2n, 3n, 77n, 2n ** 32n + 5n, 2n ** 64n - 1n])
    for (let i = 0; i < 50; i++) {
      const x = ((BigInt(random.word()) << 32n) | BigInt(random.word())) % size;
      const key = [random.word(), random.word()] as const;
      const got = wasm.permute(key[0], key[1], BigInt.asIntN(64, size), bitsFor(size), BigInt.asIntN(64, x));
      assert.is(BigInt.asUintN(64, got), permute(key, size, x));
    }
});

test('tokens of WebAssembly, fast and general, u8 and u32, equal the reference on 20 random grammars', async () => {
  for (const [i, rules] of randomGrammars().entries()) {
    const image = grammarImage(rules);
    const source = stream(i);
    const count = 500;
    const start = [0, 2 ** 32 - 250, 2 ** 47][i % 3]; // across the carry of the low word
    const want = Array.from({ length: count }, (_, g) => [...sampleTokens(image, source, start + g)]).flat();
    for (const general of [false, true]) {
      const sampler = await createSampler(rules, { general });
      const wide = new Uint32Array(count * sampler.tokensPerSentence);
      sampler.tokens(source, start, count, wide);
      assert.equal([...wide], want, `grammar ${i}, general ${general}`);
      if (rules.v > 256) continue;
      const narrow = new Uint8Array(count * sampler.tokensPerSentence + 5).fill(255);
      sampler.tokens(source, start, count, narrow);
      assert.equal([...narrow.subarray(0, -5)], want, `grammar ${i}, u8, general ${general}`);
      assert.equal([...narrow.subarray(-5)], [255, 255, 255, 255, 255]);
    }
  }
});

test('10^4 sentences of each random grammar: the fast path equals the general one, wherever it starts', async () => {
  for (const [i, rules] of randomGrammars().entries()) {
    const source = stream(i);
    const count = 10_000;
    const fast = await createSampler(rules);
    const slow = await createSampler(rules, { general: true });
    const d = fast.tokensPerSentence;
    const whole = new Uint32Array(count * d);
    slow.tokens(source, 0, count, whole);
    const parts = new Uint32Array(count * d);
    for (const [from, to] of [
      [0, 3],
      [3, 4001],
      [4001, count],
    ])
      fast.tokens(source, from, to - from, parts.subarray(from * d));
    assert.is(
      parts.findIndex((x, k) => x !== whole[k]),
      -1,
      `grammar ${i}`,
    );
  }
});

test('trees, permuted sources, epochs and changed trees equal the reference', async () => {
  for (const [i, rules] of randomGrammars().entries()) {
    const image = grammarImage(rules);
    const sampler = await createSampler(rules);
    const size = BigInt(rules.n) * BigInt(rules.m) ** BigInt(sampler.rulesPerTree);
    const sources: Source[] = [stream(i), { ...stream(i, 7), length: 13, orderKey: streamKey(i, 'order') }];
    if (size < 2n ** 64n && size >= 5n)
      sources.push(
        { ...stream(i), mode: 'permutation', size },
        { ...stream(i, 2), mode: 'permutation', size, length: 3, orderKey: streamKey(i, 'order') },
      );
    for (const source of sources)
      for (const change of [undefined, ...changesFor(rules, i)]) {
        const count = Math.min(5, source.mode === 'permutation' && !source.length ? Number(size < 5n ? size : 5n) : 20);
        const { symbols, rules: chosen } = sampler.trees(source, 0, count, change);
        const want = Array.from({ length: count }, (_, g) => sampleTree(image, source, g, change));
        assert.equal(
          [...symbols],
          want.flatMap((tree) => tree.symbols.flatMap((x) => [...x])),
        );
        assert.equal(
          [...chosen],
          want.flatMap((tree) => tree.rules.flatMap((x) => [...x])),
        );
        const tokens = new Uint32Array(count * sampler.tokensPerSentence);
        sampler.tokens(source, 0, count, tokens, change);
        assert.equal(
          [...tokens],
          want.flatMap((tree) => [...tree.symbols[rules.L]]),
        );
      }
  }
});

test('tokens go straight into memory of the caller', async () => {
  const rules = makeRules({ v: 6, n: 4, m: 3, s: 3, L: 2 }, 3);
  const memory = newMemory(2 ** 20);
  const sampler = await createSampler(rules, { memory });
  const view = new Uint8Array(memory.buffer, 900_000, 9 * 50);
  sampler.tokens(stream(4), 0, 50, view);
  const copy = new Uint8Array(9 * 50);
  sampler.tokens(stream(4), 0, 50, copy);
  assert.equal([...view], [...copy]);
  assert.ok(sampler.end <= 900_000);
});

test.run();
