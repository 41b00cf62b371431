import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WorkerError } from '../../src/core/errors.js';
import { makeRules } from '../../src/core/rules.js';
import type { Source } from '../../src/core/sampleSource.js';
import { streamKey } from '../../src/core/threefry.js';
import { derivationSource } from '../../src/grammar/dataset.js';
import { treeChange } from '../../src/grammar/intervene.js';
import { createParallelSampler } from '../../src/grammar/parallel.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { randomGrammars } from './grammars.js';

const test = suite('sampler on threads');
const stream: Source = { mode: 'stream', key: streamKey(3, 'data'), size: 0n, first: 0, length: 0 };

test('any number of threads writes the same sentences', async () => {
  for (const threads of [1, 3])
    for (const rules of [randomGrammars()[0], randomGrammars()[3], randomGrammars()[8], randomGrammars()[12]]) {
      const alone = await createSampler(rules);
      const sampler = await createParallelSampler(rules, { threads, spawn: spawnNodeThread });
      assert.is(sampler.threads, threads);
      const count = 10_011;
      const change = treeChange(rules, { kind: 'rule', level: 1, position: -1 }, streamKey(1, 'measure'));
      for (const bytes of rules.v > 256 ? ([4] as const) : ([1, 4] as const))
        for (const [source, changed] of [
          [stream, undefined],
          [{ ...stream, first: 2 ** 32 - 99 }, undefined],
          [{ ...stream, length: 101, orderKey: [1, 2] as const }, undefined],
          [stream, change],
        ] as const) {
          const got = sampler.allocate(count, bytes);
          await sampler.fill(source, 17, count, got, changed);
          const want = bytes === 1 ? new Uint8Array(got.length) : new Uint32Array(got.length);
          alone.tokens(source, 17, count, want, changed);
          assert.is(
            got.findIndex((x, i) => x !== want[i]),
            -1,
            `${threads} threads`,
          );
        }
      await sampler.destroy();
    }
});

test('draws without replacement, bounds, and memory that does not grow with the count', async () => {
  const rules = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 14);
  const sampler = await createParallelSampler(rules, { threads: 2, spawn: spawnNodeThread });
  const out = sampler.allocate(512, 1);
  await sampler.fill(derivationSource(rules, 1), 0, 512, out);
  assert.is(new Set(Array.from({ length: 512 }, (_, i) => out.subarray(8 * i, 8 * i + 8).join())).size, 512);
  try {
    await sampler.fill(derivationSource(rules, 1), 1, 512, out);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /512 derivations/);
  }
  const before = sampler.memory.buffer.byteLength;
  for (let i = 0; i < 200; i++) await sampler.fill(stream, i * 512, 512, out);
  sampler.tokens(stream, 0, 200_000, new Uint8Array(8 * 200_000));
  assert.is(sampler.memory.buffer.byteLength, before);
  await sampler.destroy();
});

test('a thread that does not start, and two calls at once', async () => {
  const rules = makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 14);
  const broken = () => spawnNodeThread('async function threadMain() { throw new Error("no such module"); }');
  try {
    await createParallelSampler(rules, { threads: 2, spawn: broken });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, WorkerError);
    assert.match((error as Error).message, /sampler thread 1: crashed: no such module/);
  }
  const sampler = await createParallelSampler(rules, { threads: 2, spawn: spawnNodeThread });
  const out = sampler.allocate(500_000, 1);
  const first = sampler.fill(stream, 0, 500_000, out);
  try {
    await sampler.fill(stream, 0, 10, out);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /another call has not ended/);
  }
  await first;
  await sampler.destroy();
});

test.run();
