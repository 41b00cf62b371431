import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { relaxedRhm } from '../support/relaxed.js';
import { lastJson } from '../support/run.js';
import { comparable, linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('the page in a browser');

test('the grammar: a click resamples the rule or the symbol of a node, and nothing outside its subtree changes', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url);
  const tokens = () =>
    page.$$eval('.tree .node', (nodes) =>
      nodes
        .filter((n) => n.getAttribute('data-node')!.startsWith('3,'))
        .map((n) => n.querySelector('.symbol')!.textContent),
    );
  const before = await tokens();
  assert.is(before.length, 8);
  await page.click('.tree [data-node="1,0"] circle');
  const after = await tokens();
  assert.equal(after.slice(4), before.slice(4), 'outside the subtree');
  assert.not.equal(
    after.slice(0, 4),
    before.slice(0, 4),
    'under a resampled rule some token differs (distinct tuples)',
  );
  assert.match((await page.textContent('#grammar .status'))!, /written by another of its 3 rules.*of 8 tokens changed/);
  // By keys: up to the root, whose symbol is drawn again.
  await page.keyboard.press('ArrowUp');
  const root = await page.textContent('.tree [data-node="0,0"] .symbol');
  await page.keyboard.press('s');
  assert.is.not(await page.textContent('.tree [data-node="0,0"] .symbol'), root);
  assert.match((await page.textContent('#grammar .status'))!, /^Symbol \d at level 3 became \d/);
  await page.click('text=Undo change');
  assert.equal(await tokens(), before);
  await page.click('text=New sentence');
  assert.not.equal(await tokens(), before);
  await page.fill('#grammar [data-field=L]', '2');
  await page.press('#grammar [data-field=L]', 'Enter');
  await page.waitForFunction(() => document.querySelectorAll('.tree .node').length === 7);
  assert.equal(problems, []);
  await context.close();
});

test('two networks train at once; the records are those of `rhm train` bit for bit', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(quickSetting) });
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);
  assert.match((await page.textContent('.networks'))!, /WebAssembly SIMD/);
  assert.is(await page.locator('.plot path[stroke-width="2.4"]').count(), 2, 'one mean curve a network');
  for (const [i, { model, optimiser }] of quickSetting.networks.entries()) {
    const { networks: _, ...shared } = quickSetting;
    const experiment = join(site.folder, `${i}.json`);
    writeFileSync(experiment, JSON.stringify({ ...shared, model, optimiser }));
    const out = join(site.folder, `run-${i}`);
    const cli = await relaxedRhm(['train', experiment, '--simd', 'relaxed', '--out', out, '--json']);
    assert.is(cli.code, 0, cli.stderr);
    const { hash } = lastJson(cli);
    const kept = await page.evaluate(async (name) => {
      const root = await navigator.storage.getDirectory();
      const run = await (await root.getDirectoryHandle('runs')).getDirectoryHandle(name);
      return (await (await run.getFileHandle('records.jsonl')).getFile()).text();
    }, hash);
    assert.equal(comparable(kept), comparable(readFileSync(join(out, 'records.jsonl'), 'utf8')));
    assert.ok(comparable(kept).length > 20);
  }
  assert.equal(problems, []);
  await context.close();
});

test.run();
