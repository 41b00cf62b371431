/** A sweep in a page: Web Workers train, the origin-private file system stores; it is stopped, reloaded and continued. */
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lab } from '../../src/entry/node.js';
import type * as Web from '../../src/entry/web.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { trainChunk } from '../../src/sweep/chunk.js';
import { expandGrid } from '../../src/sweep/grid.js';
import { runSweep } from '../../src/sweep/schedule.js';
import { launchBrowser, openPage } from '../support/browser.js';
import { serve, type TestServer } from '../support/server.js';
import { MemoryStore } from './memoryStore.js';

const test = suite('a sweep in a page');
let browser: Browser;
let server: TestServer;
test.before(async () => {
  server = await serve({ '/dist/': resolve('dist') }, false);
  browser = await launchBrowser();
});
test.after(async () => {
  await browser?.close();
  await server?.close();
});

const grid = {
  base: {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 8, steps: 3000 },
    evaluation: { size: 32 },
  },
  seeds: 4,
};

type OwnRows = { train: number[][]; test: number[][] };

/** Called in the page: sweeps, stopping after `stopAfter` complete runs; returns the last events and evaluations. */
function sweepIn(
  page: Page,
  input: unknown,
  store: string,
  options: { stopAfter?: number; executor: 'webgpu' | 'wasm'; simd?: 'plain'; adapter?: string; data?: OwnRows },
) {
  return page.evaluate(
    async ({ origin, input, store, options: { stopAfter = Number.POSITIVE_INFINITY, ...choice } }) => {
      const rhm = (await import(`${origin}/dist/web.js`)) as typeof Web;
      const stop = new AbortController();
      const ended: string[] = [];
      const result = await rhm
        .sweep(input, store, {
          ...choice,
          workers: 2,
          signal: stop.signal,
          onEvent(event) {
            if (event.type === 'run') ended.push(event.run.hash);
            if (ended.length >= stopAfter) stop.abort();
          },
        })
        .catch((error: Error) => ({ failure: `${error.name}: ${error.message}` }));
      const kept = await rhm.openSweepOrigin(store);
      const entries = [...(await kept.read()).values()].map(({ run, state }) => ({ run, state }));
      const records: Record<string, string> = {};
      for (const hash of await kept.folders()) records[hash] = (await kept.file(hash, 'records.jsonl')) ?? '';
      return { result: JSON.parse(JSON.stringify(result)), ended, entries, records };
    },
    { origin: server.origin, input, store, options },
  );
}

const evals = (records: string) =>
  records
    .split('\n')
    .filter((l) => l.includes('"eval"'))
    .map((l) => l.replace(/,"elapsed_ms":\d+/, ''));

test('stopped, reloaded, continued: every run once, with the bits of the same sweep in Node', async () => {
  const { page, problems } = await openPage(browser, `${server.origin}/dist/none`);
  const first = await sweepIn(page, grid, 'pagetest', { stopAfter: 1, executor: 'wasm', simd: 'plain' });
  assert.is(first.result.failure, undefined);
  assert.is(first.result.interrupted, true);
  await page.reload();
  const second = await sweepIn(page, grid, 'pagetest', { executor: 'wasm', simd: 'plain' });
  assert.equal(
    [second.result.total, second.result.trained + first.result.trained, second.result.failed],
    [4, 4, []],
    JSON.stringify(second.result),
  );
  assert.ok(second.entries.length === 4 && second.entries.every((e) => e.state === 'done'));
  const third = await sweepIn(page, grid, 'pagetest', { executor: 'wasm', simd: 'plain' });
  assert.equal([third.result.trained, third.result.present], [0, 4]);

  const store = new MemoryStore();
  const executor = wasmExecutor({ threads: 1, simd: 'plain' });
  const { runs } = await expandGrid(grid);
  await runSweep(runs, store, {
    startWorker: async () => ({
      train: (chunk, hooks) =>
        trainChunk(
          chunk,
          { openFolder: store.openFolder, executor: async () => executor, host: { runtime: 'test' } },
          hooks,
        ),
      close: async () => {},
    }),
  });
  await executor.destroy();
  assert.equal(Object.keys(third.records).sort(), runs.map((r) => r.hash).sort());
  for (const { hash } of runs) {
    assert.equal(evals(third.records[hash]), evals((await store.file(hash, 'records.jsonl'))!));
    assert.is(third.records[hash].match(/"type":"end","replica"/g)!.length, 1);
  }
  assert.equal(
    problems.filter((p) => !/404/.test(p)),
    [],
  );
  await page.close();
});

test("rows of tokens of one's own reach the workers of a page: the bits of a run in Node", async () => {
  const { page } = await openPage(browser, `${server.origin}/dist/none`);
  const row = (i: number) => Array.from({ length: 4 }, (_, k) => (i * (k + 1)) % 5);
  const data: OwnRows = { train: Array.from({ length: 24 }, (_, i) => row(i)), test: [row(31), row(32), row(33)] };
  const base = {
    grammar: { v: 5, s: 2, L: 2 },
    model: { kind: 'hcnn', width: 8 },
    budget: { batch: 8, epochs: 3 },
  } as const;
  const { result, records } = await sweepIn(page, { base, seeds: 2 }, 'own', { executor: 'wasm', simd: 'plain', data });
  assert.equal([result.failure, result.trained, result.failed], [undefined, 2, []]);
  for (const seed of [0, 1]) {
    const alone = await lab.train({ ...base, seed }, { executor: 'wasm', simd: 'plain', data });
    const losses = (text: string) => evals(text).map((line) => JSON.parse(line).loss);
    const own = alone.records.flatMap((record) => (record.type === 'eval' ? [record.loss] : []));
    assert.equal(losses(records[alone.hash]), own);
  }
  const unsent = await sweepIn(page, { base: { ...base, data: { train: 'x.npy', test: 'y.npy' } } }, 'unsent', {
    executor: 'wasm',
  });
  assert.match(unsent.result.failure, /data.train: got "x.npy"; only rhm sweep reads files: pass rows/);
  await page.close();
});

test('on WebGPU, each worker with its own device; faults of a grid come through as they are', async () => {
  const { page } = await openPage(browser, `${server.origin}/dist/none`);
  const small = { ...grid, base: { ...grid.base, budget: { batch: 8, steps: 20 } }, seeds: 2 };
  const { result, records } = await sweepIn(page, small, 'gputest', { executor: 'webgpu' });
  assert.equal([result.failure, result.trained], [undefined, 2]);
  assert.ok(
    Object.values(records).every((text) => text.includes('"executor":"webgpu"')),
    JSON.stringify(records),
  );
  const faulty = await sweepIn(page, { ...grid, sedes: 3 }, 'faulty', { executor: 'wasm' });
  assert.match(
    faulty.result.failure,
    /^GridError: 1 fault in the grid: sedes: no such part of a grid; did you mean seeds\?/,
  );
  const named = await page.evaluate(async (origin) => {
    const rhm = (await import(`${origin}/dist/web.js`)) as typeof Web;
    return rhm.openSweepOrigin('a/b').then(
      () => 'opened',
      (error: Error) => `${error.name}: ${error.message}`,
    );
  }, server.origin);
  assert.match(named, /^InputError: store: got "a\/b"; pass a name/);
  await page.close();
});

test.run();
