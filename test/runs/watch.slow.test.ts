/** `rhm watch` in a real browser while a sweep runs. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { indexLines } from '../../src/sweep/store.js';
import { launchBrowser, openPage } from '../support/browser.js';
import { type Started, startRhm } from '../sweep/processes.js';
import { stepsLasting } from '../sweep/support.js';

const test = suite('rhm watch in a browser');
let scratch = '';
let browser: Browser;
const started: Started[] = [];
test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-watch-'));
  browser = await launchBrowser([]);
});
test.after(async () => {
  await browser?.close();
  for (const { child } of started) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

const counts = (page: Page) =>
  page.$$eval('#counts li', (items) =>
    Object.fromEntries(items.map((item) => item.textContent!.trim().split(' ').reverse())),
  );
const overflow = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

test('a sweep as it runs: workers, curves over their plateaus, failures, a filter, and the end of the server', async () => {
  const base = {
    model: { kind: 'hcnn', width: 16 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 8, steps: 1 },
    evaluation: { size: 64 },
  };
  const steps = await stepsLasting(5, base, scratch);
  const grid = join(scratch, 'grid.json');
  writeFileSync(
    grid,
    JSON.stringify({ base: { ...base, budget: { batch: 8, steps } }, grid: { 'model.width': [16, 24] }, seeds: 4 }),
  );
  const out = join(scratch, 'store');
  const sweep = startRhm([
    'sweep',
    'run',
    grid,
    '--out',
    out,
    '--executor',
    'wasm',
    '--threads',
    '1',
    '--workers',
    '2',
    '--pack',
    '1',
  ]);
  started.push(sweep);
  await sweep.said(/running on WebAssembly/);
  const watch = startRhm(['watch', grid, '--out', out, '--port', '0']);
  started.push(watch);
  await watch.said(/http:\/\/127\.0\.0\.1:\d+\//);
  // As through a tunnel: another name for the loopback address.
  const url = /http:\/\/\S+/.exec(watch.output)![0].replace('127.0.0.1', 'localhost');
  const { page, problems } = await openPage(browser, url);
  await page.waitForFunction(() => document.querySelectorAll('#workers .card').length === 2);
  await page.waitForFunction(
    () => document.querySelectorAll('#curves .card.running svg path[stroke-width="2.4"]').length === 2,
  );
  assert.match((await page.textContent('#workers .card h3'))!, /^process \d+ on /);
  assert.match((await page.textContent('#workers .card'))!, /WebAssembly SIMD, 1 thread.*% of the steps/s);
  assert.match((await page.textContent('#curves .card.running'))!, /H\(0\).*H\(1\).*H\(2\)/s);
  assert.is((await counts(page)).running, '2');
  const before = Number((await counts(page)).done);
  await page.waitForFunction(
    (n) => Number(/(\d+) done/.exec(document.querySelector('#counts')!.textContent!)![1]) > n,
    before,
    {
      timeout: 60_000,
    },
  );
  await page.fill('#where', 'model.width=24');
  // Some of the four may not have begun and have no curve yet.
  await page.waitForFunction(() =>
    /^(4 runs|\d of 4 runs are shown)\.$/.test(document.querySelector('#matched')!.textContent!),
  );
  const names = await page.$$eval('#curves h3', (all) => all.map((one) => one.textContent));
  assert.ok(
    names.every((name) => name!.includes('model.width=24')),
    names.join(),
  );
  await page.fill('#where', 'widht=24');
  await page.waitForSelector('#refused:not([hidden])');
  assert.match((await page.textContent('#refused'))!, /did you mean model\.width\?/);
  await page.fill('#where', '');
  await page.waitForSelector('#refused', { state: 'hidden' });
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    assert.is(await overflow(page), 0, `${width} pixels`);
  }
  const [done] = (await page.evaluate(async () => (await fetch('api/state?count=48')).json())).curves.filter(
    (curve: { state: string }) => curve.state === 'done',
  );
  appendFileSync(
    join(out, 'index.jsonl'),
    indexLines([{ run: done.run, state: 'failed', at: Date.now(), tries: 3, error: 'WorkerError: <b>gone</b>' }]),
  );
  await page.waitForFunction(() =>
    document.querySelector('#failures')!.textContent!.includes('WorkerError: <b>gone</b>'),
  );
  assert.is((await counts(page)).failed, '1');
  assert.equal(
    problems.filter((problem) => !problem.includes('400')),
    [],
  );
  watch.child.kill('SIGTERM');
  assert.is((await watch.ended).code, 0);
  await page.waitForSelector('#message:not([hidden])');
  assert.match((await page.textContent('#message'))!, /No answer from rhm watch .*The page shows the state at \d/);
  sweep.child.kill('SIGTERM');
  await sweep.ended;
});

test.run();
