/** What a visitor ends or removes can be restored, and finished runs can be continued. */
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('runs that are brought back, and that go on');
const setting = { ...quickSetting, replicas: 1 };

const facts = (page: Page) => page.locator('#learning .facts').allTextContents();
const lossesOf = (page: Page) => facts(page).then((all) => all.map((text) => /test loss [\d.]+/.exec(text)?.[0]));
const undo = (page: Page) => page.locator('#undo button', { hasText: 'Undo' });

async function trained(page: Page): Promise<void> {
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);
}

test('more steps: the finished runs continue to twice as many, and do so after a reload too', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(setting) });
  assert.ok(await page.getByRole('button', { name: 'More steps' }).isHidden());
  await trained(page);
  const points = () =>
    page.$$eval('#learning .plot path[stroke-width="2.4"]', (all) =>
      all.map((e) => e.getAttribute('d')!.split('L').length),
    );
  const before = await points();
  await page.getByRole('button', { name: 'More steps' }).click();
  await page.waitForFunction(() =>
    [...document.querySelectorAll('#learning .facts')].every((e) => e.textContent!.startsWith('step 400 of 400')),
  );
  await waitForStates(page, /^done/);
  // The curve continues the earlier one.
  await page.waitForFunction(
    (were) =>
      [...document.querySelectorAll('#learning .plot path[stroke-width="2.4"]')].every(
        (e, i) => e.getAttribute('d')!.split('L').length > were[i],
      ),
    before,
  );
  let after = await points();
  // The last evaluations may not have reached the curves yet.
  for (let earlier = before; String(after) !== String(earlier); after = await points()) {
    earlier = after;
    await page.waitForTimeout(1000);
  }
  assert.is(await page.inputValue('.settings [data-field=steps]'), '400');
  await page.reload();
  await waitForStates(page, /^done/);
  await page.waitForFunction(
    (wanted) =>
      [...document.querySelectorAll('#learning .plot path[stroke-width="2.4"]')].every(
        (e, i) => e.getAttribute('d')!.split('L').length === wanted[i],
      ),
    after,
  );
  // Another setting is another run: it continues nothing.
  await page.fill('#grammar [data-field=seed]', '5');
  await page.press('#grammar [data-field=seed]', 'Enter');
  await waitForStates(page, /^ready/);
  assert.equal(problems, []);
  await context.close();
});

test('a link to a run that continues one that is not kept here reports it', async () => {
  const first = await visit(site.browser, site.server.url, { hash: linkTo({ ...setting, seed: 4 }) });
  await trained(first.page);
  await first.page.getByRole('button', { name: 'More steps' }).click();
  await first.page.waitForFunction(() => document.querySelector('#learning .facts')!.textContent!.includes('of 400'));
  const link = await first.page.inputValue('#link');
  await first.context.close();
  const { page, context } = await visit(site.browser, link);
  await page.click('#learning .primary');
  await waitForStates(page, /^failed/);
  assert.match(
    (await page.locator('.network .notes').first().textContent())!,
    /continues another one.*not in this browser/,
  );
  await context.close();
});

test('restart and remove can be undone: the runs are as they were', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, {
    hash: linkTo({ ...setting, seed: 5 }),
  });
  await trained(page);
  const before = await lossesOf(page);
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await page.locator('#undo', { hasText: 'restarted' }).waitFor();
  await undo(page).click();
  await page.locator('#undo').waitFor({ state: 'hidden' });
  await waitForStates(page, /^done/);
  assert.equal(await lossesOf(page), before);
  await page.reload();
  await waitForStates(page, /^done/);
  assert.equal(await lossesOf(page), before);

  await page.getByRole('button', { name: /^Remove v=4/ }).click();
  await page.locator('#takeaway', { hasText: 'None yet' }).waitFor();
  await waitForStates(page, /^ready/);
  await undo(page).click();
  await page.locator('.kept li', { hasText: 'Transformer (done)' }).waitFor();
  await waitForStates(page, /^done/);
  assert.equal(await lossesOf(page), before);
  await page.getByRole('button', { name: /^Remove v=4/ }).click();
  await page.locator('#undo button', { hasText: 'Close' }).click();
  assert.ok(await page.locator('#undo').isHidden());
  await page.reload();
  await waitForStates(page, /^ready/);
  assert.equal(problems, []);
  await context.close();
});

test.run();
