import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('read-outs of hidden symbols in the page');

const setting = { ...quickSetting, grammar: { v: 6, n: 6, m: 2, s: 2, L: 3, seed: 1 }, replicas: 1 };

test('requested by a button; then a map of layers, positions, levels and places that follows the training', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(setting) });
  await page.selectOption('#executor', 'wasm');
  const section = page.locator('#probes');
  await section.scrollIntoViewIfNeeded();
  await section.getByRole('button', { name: 'Read them at every evaluation' }).click();
  await section.locator('.network').nth(1).waitFor();
  assert.is(await section.getByText('Nothing read yet.').count(), 2);
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);
  const maps = section.locator('svg.probe-map');
  await maps.nth(1).waitFor();
  // hcnn: 4 + 2 + 1 positions; mla: 8 + 8 + 1. Each of 4 + 2 + 1 symbols.
  assert.is(await maps.nth(0).locator('rect').count(), 7 * 7);
  assert.is(await maps.nth(1).locator('rect').count(), 17 * 7);
  const name = (await maps.nth(0).getAttribute('aria-label'))!;
  assert.match(name, /level 1 up to (0\.9\d|1\.00), level 2 up to/);
  await section.locator('summary').first().click();
  const rows = section.locator('.network').first().locator('tbody tr');
  await rows.nth(2).waitFor(); // the table is made once it is opened
  assert.is(await rows.count(), 3);
  if (process.env.RHM_PICTURES) await section.screenshot({ path: `${process.env.RHM_PICTURES}/probes.png` });
  assert.equal(problems, []);
  await context.close();
});

test.run();
