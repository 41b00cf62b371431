/** Settings to start from, more or fewer networks, explanations, and the view for lectures. */
import * as assert from 'uvu/assert';
import { presets } from '../../src/web/presets.js';
import { pageSuite, visit } from './visit.js';

const { test, site } = pageSuite('settings to begin with, and what is explained');

test('each preset is accepted, and its link opens it again', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url);
  const seen = new Set<string>();
  for (const { name, setting } of presets) {
    await page.getByRole('button', { name, exact: true }).last().click();
    assert.ok(await page.locator('#message').isHidden(), `${name}: ${await page.textContent('#message')}`);
    assert.is(await page.locator('#learning .network').count(), setting.networks!.length, name);
    assert.is(await page.inputValue('#grammar [data-field=m]'), String(setting.grammar!.m));
    assert.is(await page.inputValue('#grammar [data-field=L]'), String(setting.grammar!.L));
    seen.add(await page.inputValue('#link'));
  }
  assert.ok(seen.size >= presets.length - 1, 'they differ'); // one is the first setting, which has m = 3
  const last = await visit(site.browser, [...seen].at(-1)!);
  assert.ok(await last.page.locator('#message').isHidden());
  assert.equal([...problems, ...last.problems], []);
  await context.close();
  await last.context.close();
});

test('a third network is added and left out by buttons', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url);
  await page.click('details.more summary');
  await page.getByRole('button', { name: /^Add a network/ }).click();
  assert.equal(
    await page.locator('#learning .network').evaluateAll((all) => all.map((e) => e.getAttribute('aria-label'))),
    ['Hierarchical CNN', 'Transformer', 'Locally connected net'],
  );
  assert.is(await page.getByRole('button', { name: /^Add a network/ }).count(), 0, 'three at most');
  await page.getByRole('button', { name: /^Remove network 1/ }).click();
  await page.getByRole('button', { name: /^Remove network 1/ }).click();
  assert.is(await page.locator('#learning .network').count(), 1);
  assert.is(await page.getByRole('button', { name: /^Remove network/ }).count(), 0, 'one at least');
  assert.equal(problems, []);
  await context.close();
});

test('terms are explained one at a time, networks with a drawing', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url);
  const open = page.locator('.terms details[open]');
  await page.locator('.terms summary', { hasText: 'nats' }).click();
  assert.match((await open.textContent())!, /ln 2 = 0\.69/);
  await page.locator('.terms summary', { hasText: 'hierarchical CNN' }).click();
  assert.is(await open.count(), 1);
  assert.match((await open.locator('svg').getAttribute('aria-label'))!, /Equal colours mean equal weights/);
  assert.equal(problems, []);
  await context.close();
});

test('the view for lectures is large and without controls; Escape ends it', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { width: 1440 });
  const size = () =>
    page.evaluate(() => Number.parseFloat(getComputedStyle(document.querySelector('#learning h2')!).fontSize));
  const before = await size();
  await page.click('#lecture');
  assert.ok((await size()) > 1.2 * before);
  assert.ok(await page.locator('#grammar .fields').isHidden());
  assert.ok(await page.locator('#learning .plot').isVisible());
  await page.keyboard.press('Escape');
  assert.is(await size(), before);
  assert.ok(await page.locator('#grammar .fields').isVisible());
  assert.equal(problems, []);
  await context.close();
});

test.run();
