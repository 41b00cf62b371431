/** The story: it plays automatically, is paused, scrubbed, linked to and read without being seen. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('the story');
const axe = readFileSync(resolve('node_modules/axe-core/axe.min.js'), 'utf8');

const step = (page: Page) => page.textContent('.story-bar [aria-current=step]');
const P = (page: Page) => page.inputValue('#story-P').then(Number);
const title = (page: Page) => page.textContent('.told.now h3');
const isDrawn = (page: Page) =>
  page.$$eval('.story-clouds canvas', (all) =>
    (all as HTMLCanvasElement[]).map((canvas) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return data.some((x) => x > 0);
    }),
  );

test('it plays without a click, is paused by the button, and continues from there', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { ready: '.story' });
  assert.is(await page.textContent('.story-bar button'), 'Pause');
  assert.equal(await isDrawn(page), [true, true, true]);
  assert.is(await step(page), '1');
  await page.waitForFunction(() => document.querySelector('.told.now h3')!.textContent!.startsWith('One neighbour'));
  await page.waitForFunction(() => Number((document.querySelector('#story-P') as HTMLInputElement).value) > 20);
  await page.click('.story-bar button');
  const held = await P(page);
  await page.waitForTimeout(600);
  assert.is(await P(page), held);
  await page.click('.story-bar button');
  await page.waitForFunction(
    (before) => Number((document.querySelector('#story-P') as HTMLInputElement).value) > before,
    held,
  );
  // Out of view it pauses.
  await page.locator('#embed').scrollIntoViewIfNeeded();
  await page.locator('.story-bar button', { hasText: 'Play' }).waitFor({ state: 'attached' });
  await page.locator('.story-bar').scrollIntoViewIfNeeded();
  await page.locator('.story-bar button', { hasText: 'Pause' }).waitFor();
  assert.equal(problems, []);
  await context.close();
});

test('one slider moves the losses, the tree, the band and the clouds together', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { ready: '.story' });
  await page.focus('#story-P');
  await page.keyboard.press('End');
  assert.is(await page.textContent('.story-bar button'), 'Play');
  assert.is(await title(page), 'Why, and what comes next');
  const state = () =>
    page.evaluate(() => ({
      lit: document.querySelectorAll('.story-tree .lit').length,
      ringed: document.querySelectorAll('.story-tree .ringed').length,
      band: document.querySelector('.story-plot rect[fill*=accent]')!.getAttribute('y'),
      loss: [...document.querySelectorAll('.story-clouds .value')].map((e) => e.textContent),
      caption: [...document.querySelectorAll('.story-clouds figcaption')].map((e) => e.textContent),
      plot: document.querySelector('.story-plot svg')!.getAttribute('aria-label'),
      why: document.querySelector('.story-why svg')!.getAttribute('aria-label'),
      marks: [...document.querySelectorAll('.story-plot .mark.lit')].map((e) => (e as HTMLElement).dataset.ell),
    }));
  const end = await state();
  assert.match(end.plot!, /131072 distinct sentences: Hierarchical CNN 0\.1\d nats/);
  assert.is(end.ringed, 1);
  await page.keyboard.press('Home');
  const begin = await state();
  assert.is(await title(page), 'Guess the last token');
  assert.equal([begin.lit, begin.ringed], [1, 0]);
  for (const part of ['lit', 'band', 'loss', 'caption', 'plot', 'why', 'marks'] as const)
    assert.not.equal(begin[part], end[part], part);
  for (let i = 0; i < 6; i++) await page.keyboard.press('PageUp');
  const middle = await state();
  assert.ok(
    middle.marks.every((ell) => ell === '3'),
    `${middle.marks}`,
  );
  assert.match(middle.why!, /symbols found below: above the noise; raw tokens: /);
  assert.match((await page.getAttribute('#story-P', 'aria-valuetext'))!, /^[\d,]+ sentences$/);
  await page.click('.story summary');
  await page.locator('.story .numbers tbody tr').first().waitFor();
  assert.is(await page.locator('.story .numbers tbody tr').count(), 23);
  assert.equal(problems, []);
  await context.close();
});

test('each of its five steps has a link; a question comes before the third', async () => {
  for (const number of [1, 2, 3, 4, 5]) {
    const { page, problems, context } = await visit(site.browser, site.server.url, {
      hash: `#story=${number}`,
      ready: '.story',
    });
    assert.is(await step(page), String(number));
    assert.equal(problems, []);
    await context.close();
  }
  const { page, problems, context } = await visit(site.browser, site.server.url, { ready: '.story' });
  await page.click('.story-bar nav a:nth-child(3)');
  assert.match(page.url(), /#story=3$/);
  await page.locator('.told.now h3', { hasText: 'Your guess' }).waitFor();
  await page.click('.story-bar button'); // paused: the answer can be read
  await page.click('.question button:has-text("transformer")');
  assert.match((await page.textContent('.question .answer'))!, /earlier than the/);
  assert.is(await page.getAttribute('.question button:has-text("transformer")', 'aria-pressed'), 'true');
  await page.goto(`${site.server.url}#story=4`);
  await page.waitForFunction(() => document.querySelector('[aria-current=step]')!.textContent === '4');
  assert.equal(problems, []);
  await context.close();
});

test('a reader who prefers no motion starts it by hand; it does not play over a link with a setting', async () => {
  const context = await site.browser.newContext({ reducedMotion: 'reduce' });
  const still = await visit(site.browser, site.server.url, { context, ready: '.story' });
  await still.page.waitForTimeout(500);
  assert.is(await still.page.textContent('.story-bar button'), 'Play');
  await still.page.click('.story-bar nav a:nth-child(4)');
  assert.is(await step(still.page), '4');
  const shown = await P(still.page);
  await still.page.waitForTimeout(400);
  assert.is(await P(still.page), shown);
  await context.close();
  const linked = await visit(site.browser, site.server.url, { hash: linkTo(quickSetting), ready: '.story' });
  await linked.page.waitForTimeout(500);
  assert.is(await linked.page.textContent('.story-bar button'), 'Play');
  assert.ok(
    await linked.page.evaluate(() => document.getElementById('grammar')!.getBoundingClientRect().top < innerHeight),
  );
  // Its step links leave the setting in the address.
  await linked.page.click('.story-bar nav a:nth-child(2)');
  assert.match(linked.page.url(), /#setting=/);
  assert.is(await step(linked.page), '2');
  assert.equal([...still.problems, ...linked.problems], []);
  await linked.context.close();
});

test('then: train it yourself', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { ready: '.story' });
  await page.selectOption('#executor', 'wasm');
  await page.click('.story-ending button:has-text("m = 2")');
  await waitForStates(page, /^training/);
  assert.is(await page.locator('#learning .network').count(), 3);
  assert.is(await page.inputValue('#grammar [data-field=m]'), '2');
  assert.is(await page.inputValue('#grammar [data-field=L]'), '4');
  assert.match(page.url(), /#setting=/);
  assert.equal(problems, []);
  await context.close();
});

for (const dark of [false, true])
  test(`no finding of axe at each step, ${dark ? 'dark' : 'light'}`, async () => {
    const { page, context } = await visit(site.browser, site.server.url, { ready: '.story', dark });
    await page.click('.story-bar button');
    await page.evaluate(axe);
    for (const number of [1, 2, 3, 4, 5]) {
      await page.click(`.story-bar nav a:nth-child(${number})`);
      await page.click('.story-bar button');
      const findings = await page.evaluate(async () => {
        const { violations } = await (
          globalThis as unknown as {
            axe: { run(what: string): Promise<{ violations: { id: string; help: string }[] }> };
          }
        ).axe.run('.story');
        return violations.map(({ id, help }) => `${id}: ${help}`);
      });
      assert.equal(findings, []);
    }
    await context.close();
  });

test.run();
