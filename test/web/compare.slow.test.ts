/** Kept runs in one picture: selected by boxes, named by their differences, with exact losses if they have the same grammar. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('kept runs in one picture');
const axe = readFileSync(resolve('node_modules/axe-core/axe.min.js'), 'utf8');

/** The first setting, and three that differ from it in one field each. */
const settings = [
  quickSetting,
  { ...quickSetting, seed: 9 },
  { ...quickSetting, grammar: { ...quickSetting.grammar, seed: 7 } },
  { ...quickSetting, budget: { batch: 32, steps: 100 } },
].map((setting) => ({ ...setting, replicas: 1 }));

async function trained(page: Page): Promise<void> {
  for (const setting of settings) {
    await page.goto(`${site.server.url}${linkTo(setting)}`);
    await page.reload(); // a change after the # alone loads nothing
    await page.waitForSelector('html[data-ready]', { state: 'attached' });
    await page.selectOption('#executor', 'wasm');
    await page.click('#learning .primary');
    await waitForStates(page, /^done/);
  }
  await page.locator('.kept li').nth(3).waitFor();
  await page.waitForFunction(
    () => !/in training|step/.test(document.querySelector('.kept')!.textContent!.replace(/\d+ steps of/g, '')),
  );
}

/** The row of the setting that matches these words. */
const box = (page: Page, words: RegExp) => page.locator('#takeaway').getByRole('checkbox', { name: words });
const names = (page: Page) => page.locator('#takeaway .legend li').allTextContents();
const hint = (page: Page, words: RegExp) =>
  page.locator('#takeaway .hint[role=status]', { hasText: words }).first().waitFor();

/** Waits until this many curves are in the picture: it is drawn a moment after it is requested. */
const drawn = (page: Page, count: number) =>
  page.waitForFunction(
    (wanted) => document.querySelectorAll('#takeaway .plot path[stroke-width="2.4"]').length === wanted,
    count,
  );

test('boxes add runs to the picture and remove them; names give the differences; no more than can be distinguished', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { width: 1440 });
  await trained(page);
  await hint(page, /Choose runs to see their curves/);
  assert.is(await page.locator('#takeaway .plot').isVisible(), false);

  // One grammar, two seeds of the weights: its exact losses are below the curves.
  await box(page, /^Compare v=4 .*grammar 1, 200 steps of 16, seed 3:/).check();
  await box(page, /^Compare v=4 .*grammar 1, 200 steps of 16, seed 9:/).check();
  await hint(page, /^4 of at most 6 runs in the picture\.$/);
  await drawn(page, 4);
  const first = await names(page);
  assert.equal(
    first.map((name) => name.replace(/\d\.\d+ nats$/, '')).sort(),
    ['Hierarchical CNN, seed 3', 'Hierarchical CNN, seed 9', 'Transformer, seed 3', 'Transformer, seed 9'],
    first.join(' | '),
  );
  await page.locator('#takeaway .plot text', { hasText: 'H(2)' }).waitFor();
  // Read by keys like all curves.
  await page.locator('#takeaway .plot').focus();
  await page.keyboard.press('End');
  assert.match((await page.textContent('#takeaway .readout'))!, /Hierarchical CNN, seed 9.* nats at 3200/);

  // With the runs of another grammar there is no common staircase.
  await box(page, /seed 9:/).uncheck();
  await box(page, /grammar 7/).check();
  await hint(page, /^4 of at most 6 runs in the picture\. They differ in their grammar: no exact losses are drawn\.$/);
  await page.waitForFunction(() => !/H\(\d\)/.test(document.querySelector('#takeaway .plot')!.textContent!));
  assert.ok((await names(page)).some((name) => name.startsWith('Transformer, grammar 7')));
  await box(page, /steps of 32/).check();
  await hint(page, /^6 of at most 6/);
  await box(page, /seed 9:/).click();
  await hint(page, /has room for 6 runs: remove others first/);
  assert.is(await box(page, /seed 9:/).isChecked(), false);
  await drawn(page, 6);

  await page.evaluate(axe);
  const findings = await page.evaluate(async () => {
    type Axe = { run(of: string): Promise<{ violations: { id: string; nodes: { target: string[] }[] }[] }> };
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run('#takeaway');
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
  });
  assert.equal(findings, []);
  const { RHM_PICTURES: pictures } = process.env;
  if (pictures) await page.locator('#takeaway').screenshot({ path: `${pictures}/compare-1440.png` });
  await page.setViewportSize({ width: 390, height: 800 });
  await page.emulateMedia({ colorScheme: 'dark' });
  // Redrawn for the available width.
  await page.waitForFunction(() => document.documentElement.scrollWidth <= 390);
  if (pictures) await page.locator('#takeaway').screenshot({ path: `${pictures}/compare-390-dark.png` });

  // A run that is removed leaves the picture.
  await page.getByRole('button', { name: /^Remove v=4 .*grammar 7/ }).click();
  await hint(page, /^4 of at most 6/);
  await drawn(page, 4);
  assert.equal(problems, []);
  await context.close();
});

test.run();
