/**
 * After one visit the page opens, trains and shows its figures without its server; if there is a server, its answers have
 * precedence.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { serveFolder } from '../../src/platform/staticServer.js';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('the page without its server');

test('visited once: trains without the server, opens again without it, and takes the files of a new server', async () => {
  const folder = join(site.folder, 'page');
  cpSync('dist/page', folder, { recursive: true });
  const first = await serveFolder(folder);
  const port = Number(new URL(first.url).port);
  const { page, context } = await visit(site.browser, first.url, { offline: true, hash: linkTo(quickSetting) });
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller)
      await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
  });
  await first.close();

  // Parts loaded on demand: workers, kernels, the view of hidden layers.
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await page.locator('#representation .heat-map').first().waitFor();

  await page.reload();
  await page.waitForSelector('html[data-ready]', { state: 'attached' });
  await waitForStates(page, /^done/);
  const named = await context.newPage();
  await named.goto(`${first.url}index.html`);
  await named.waitForSelector('html[data-ready]', { state: 'attached' });
  await named.close();
  // There is no copy of other files.
  const other = await page.evaluate(() =>
    fetch('elements.js').then(
      () => 'served',
      () => 'refused',
    ),
  );
  assert.is(other, 'refused');

  // A server with another version: its files are shown, at once.
  const index = join(folder, 'index.html');
  writeFileSync(index, readFileSync(index, 'utf8').replace('<title>', '<title>Newer: '));
  const second = await serveFolder(folder, { port });
  try {
    await page.reload();
    await page.waitForSelector('html[data-ready]', { state: 'attached' });
    assert.match(await page.title(), /^Newer: /);
    // A file that the server no longer has: the copy is used.
    rmSync(join(folder, 'page.css'));
    assert.is(await page.evaluate(() => fetch('page.css').then((response) => response.status)), 200);
    assert.is(await page.evaluate(() => fetch('nothing.css').then((response) => response.status)), 404);
  } finally {
    await second.close();
    await context.close();
  }
});

test.run();
