import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('training in the page, in the visitor’s hands');

const long = { ...quickSetting, budget: { batch: 16, steps: 4_000_000 }, replicas: 1 };
const steps = (page: Page) =>
  page.$$eval('.network .facts', (all) =>
    all.map((e) => Number(/step ([\d,]+) of/.exec(e.textContent!)![1].replaceAll(',', ''))),
  );

test('pause, step, learning rate, hidden tab, reload, restart', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(long) });
  await page.selectOption('#executor', 'wasm');
  await page.evaluate(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({
      type: 'longtask',
    });
  });

  // Started by a step: it does one and waits.
  await page.getByRole('button', { name: 'Step', exact: true }).click();
  await waitForStates(page, /^paused/);
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.network .facts')].every((e) => /^step 1 of/.test(e.textContent!)),
  );
  await page.getByRole('button', { name: 'Step', exact: true }).click();
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.network .facts')].every((e) => /^step 2 of/.test(e.textContent!)),
  );

  await page.locator('#learning .primary').focus();
  await page.keyboard.press('Enter');
  await waitForStates(page, /^training/);
  await page.waitForFunction(() => /sentences\/s/.test(document.querySelector('.network .facts')!.textContent!));
  await page.waitForTimeout(2500);
  await page.click('#learning .primary');
  await waitForStates(page, /^paused/);
  const paused = await steps(page);
  await page.waitForTimeout(400);
  assert.equal(await steps(page), paused, 'paused is paused');
  assert.ok(paused.every((s) => s > 2));

  const tasks = await page.evaluate(() => (globalThis as unknown as { tasks: number[] }).tasks);
  console.log(`longest tasks of the main thread while training: ${tasks.join(', ') || 'none of 50 ms'}`);

  // By keys: a half step up on the slider is a factor of the root of 2.
  await page.locator('#rate-0').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await page.locator('.network').first().locator('.notes', { hasText: 'changed by hand' }).waitFor();
  assert.match((await page.locator('.network output').first().textContent())!, /^2 \(× 2\)/);
  await page.click('#learning .primary');
  await waitForStates(page, /^training/);

  // A hidden tab saves. A headless browser never hides one: the page is told so.
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.waitForTimeout(600);
  const hidden = await steps(page);
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'visible' });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.reload();
  await waitForStates(page, /^kept from an earlier visit/);
  assert.is(await page.locator('#learning .primary').textContent(), 'Continue');
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^training/);
  await page.waitForFunction(
    (before) =>
      [...document.querySelectorAll('.network .facts')].every(
        (e, i) => Number(/step ([\d,]+) of/.exec(e.textContent!)![1].replaceAll(',', '')) > before[i],
      ),
    hidden,
  );
  assert.match(
    (await page.locator('.network output').first().textContent())!,
    /^2 \(× 2\)/,
    'the rate is that of the records',
  );

  // Paused at once, while it restarts: the request is respected.
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await page.click('#learning .primary');
  await waitForStates(page, /^paused/);
  assert.ok((await steps(page)).every((s, i) => s < hidden[i]));
  assert.equal(problems, []);
  await context.close();
});

test('values are read off the curves by pointer and by keys; networks and seeds come from the form', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(quickSetting) });
  await page.click('details.more summary');
  await page.selectOption('.settings fieldset:nth-child(2) [data-field=model]', 'hlcn');
  await page.locator('#learning .network h3', { hasText: 'Locally connected' }).waitFor();
  await page.fill('.settings fieldset:nth-child(2) [data-field=width]', '8');
  await page.press('.settings fieldset:nth-child(2) [data-field=width]', 'Enter');
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);
  // Two replicas per network and their mean.
  assert.is(await page.locator('.plot path[stroke-width="1.2"]').count(), 4);
  const box = (await page.locator('.plot').boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page
    .locator('.readout', { hasText: /Hierarchical CNN, mean of 2 seeds [\d.]+ nats at .*Locally connected/ })
    .waitFor();
  await page.mouse.move(0, 0);
  await page.locator('.plot').focus();
  await page.keyboard.press('Home');
  assert.match((await page.textContent('.readout'))!, /at 16/);
  await page.keyboard.press('ArrowRight');
  assert.match((await page.textContent('.readout'))!, /at 32/);
  // A value that the schema refuses is not accepted.
  await page.fill('.settings [data-field=replicas]', '0');
  await page.press('.settings [data-field=replicas]', 'Enter');
  assert.is(await page.locator('.settings [data-field=replicas]:invalid').count(), 1);
  // A value that is refused only in combination is reported.
  await page.fill('#grammar [data-field=m]', '9');
  await page.press('#grammar [data-field=m]', 'Enter');
  await page
    .locator('#grammar .fields:has([data-field=m]) .refusal', {
      hasText: /Not taken: m: n\*m = 36: there are only v\^s = 16 distinct tuples; take m <= 4/,
    })
    .waitFor();
  assert.is(await page.inputValue('#grammar [data-field=m]'), '2', 'the form shows what holds');
  assert.equal(problems, []);
  await context.close();
});

test.run();
