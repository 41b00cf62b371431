import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Simd, simdNames } from '../../src/core/simd.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { launchBrowser, openPage } from '../support/browser.js';
import { relaxedNode } from '../support/relaxed.js';
import { deno } from '../support/run.js';
import { bundleFixtures } from '../support/scenario.js';
import { serve } from '../support/server.js';
import { type Bits, errorOfDeadThread, golden, trainingBits } from './fixtures/bits.js';

const test = suite('WebAssembly executor: the same bits in Node, Deno and Chromium');
const fixtures = 'test/wasm/fixtures';

const same = (got: Bits, threads: number, simd: Simd) => assert.equal(got, { simd, threads, runs: golden[simd] });

function sameOfBoth(results: Bits[]) {
  assert.is(results.length, 4);
  for (const [i, got] of results.entries()) same(got, i % 2 ? 3 : 1, i < 2 ? 'plain' : 'relaxed');
}

const dead =
  /^WorkerError: thread 1 of 2: (crashed: .*out of life|ended( with exit code \d+)?); continue the run from its last checkpoint$/s;

test('Node: a thread that crashes', async () => {
  const said = await errorOfDeadThread(spawnNodeThread);
  assert.ok(dead.test(said), said);
});

test('Node, both variants, 1 and 3 threads', async () => {
  const folder = await bundleFixtures('node', ['bits.node'], fixtures);
  try {
    const { code, signal, stdout, stderr } = await relaxedNode([join(folder, 'bits.node.js')]);
    assert.is(code, 0, `${signal} ${stderr}`);
    sameOfBoth(JSON.parse(stdout).results);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('this Node: the plain variant', async () => same(await trainingBits(spawnNodeThread, 2, 'plain'), 2, 'plain'));

test('Deno, both variants, 1 and 3 threads, and it exits', async () => {
  const folder = await bundleFixtures('node', ['bits.deno'], fixtures);
  try {
    const ran = await deno(['run', '-A', join(folder, 'bits.deno.js')]);
    assert.is(ran.code, 0, `${ran.signal} ${ran.stderr}`);
    const { results, error } = JSON.parse(ran.stdout) as { results: Bits[]; error: string };
    sameOfBoth(results);
    assert.match(error, dead);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('Chromium: an isolated page and its worker with 3 threads, a plain page with one', async () => {
  const folder = await bundleFixtures('browser', ['bits.web'], fixtures);
  writeFileSync(join(folder, 'bits.html'), '<!doctype html><script type="module" src="/f/bits.web.js"></script>');
  const isolated = await serve({ '/f/': folder }, true);
  const plain = await serve({ '/f/': folder }, false);
  const browser = await launchBrowser([]);
  try {
    const { page } = await openPage(browser, `${isolated.origin}/f/bits.html`);
    await page.waitForFunction('globalThis.runBits');
    for (const simd of simdNames)
      for (const threads of [1, 3])
        same(JSON.parse((await page.evaluate(`runBits(${threads}, '${simd}')`)) as string), threads, simd);
    assert.match((await page.evaluate('runDeadThread()')) as string, dead);
    const inWorker = `new Promise((done, fail) => {
      const worker = new Worker('/f/bits.web.js', { type: 'module' });
      worker.onmessage = ({ data }) => done(data);
      worker.onerror = (event) => fail(new Error(event.message));
      worker.postMessage({ threads: 2, simd: 'relaxed' });
    })`;
    same(JSON.parse((await page.evaluate(inWorker)) as string), 2, 'relaxed');
    const { page: bare } = await openPage(browser, `${plain.origin}/f/bits.html`);
    await bare.waitForFunction('globalThis.runBits');
    same(JSON.parse((await bare.evaluate("runBits(1, 'relaxed')")) as string), 1, 'relaxed');
    const refusal = (await bare.evaluate("runBits(3, 'plain').catch((error) => error.message)")) as string;
    assert.match(refusal, /threads: 3 need shared memory.*Cross-Origin-Opener-Policy/);
  } finally {
    await browser.close();
    await isolated.close();
    await plain.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
