/** Focus, refusals, paper, touch, narrow screens, and that nothing moves while the page loads. */
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('the page in the hand and on paper');

test('focus stays in place after a value is accepted or refused; a refusal is next to its field', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(quickSetting) });
  const field = () => page.evaluate(() => (document.activeElement as HTMLElement).dataset.field);
  await page.locator('#grammar [data-field=m]').fill('3');
  await page.keyboard.press('Enter');
  assert.match(await page.inputValue('#link'), /#setting=/);
  assert.is(await field(), 'm');
  await page.keyboard.press('Tab');
  assert.is(await field(), 's');
  // Accepted on the way to the next field.
  await page.locator('#grammar [data-field=m]').fill('2');
  await page.keyboard.press('Tab');
  assert.is(await field(), 's');
  await page.locator('#grammar [data-field=m]').fill('9');
  await page.keyboard.press('Enter');
  const refusal = page.locator('#grammar .fields:has([data-field=m]) .refusal');
  assert.match((await refusal.textContent())!, /Not taken: m: n\*m = 36.*take m <= 4/);
  assert.is(await field(), 'm');
  assert.is(await page.getAttribute('#grammar [data-field=m]', 'aria-describedby'), await refusal.getAttribute('id'));
  await page.locator('#grammar [data-field=m]').fill('3');
  await page.keyboard.press('Enter');
  assert.is(await page.locator('.refusal').count(), 0);
  // Another kind of network has other fields: the menu that chose it keeps the focus.
  await page.click('details.more summary');
  const menu = page.locator('.settings fieldset:nth-child(2) [data-field=model]');
  await menu.focus();
  await menu.selectOption('hlcn');
  assert.is(await menu.evaluate((e) => e === document.activeElement && (e as HTMLSelectElement).value), 'hlcn');
  assert.equal(problems, []);
  await context.close();
});

for (const width of [1440, 820, 390, 320])
  test(`${width} pixels wide: nothing moves while it loads, nothing scrolls sideways`, async () => {
    const context = await site.browser.newContext({ viewport: { width, height: width > 1000 ? 900 : 844 } });
    await context.addInitScript(() => {
      const shifts: { value: number; what: string[] }[] = [];
      Object.assign(globalThis, { shifts });
      new PerformanceObserver((list) => {
        type Shift = PerformanceEntry & { value: number; sources: { node?: Node }[] };
        for (const { value, sources } of list.getEntries() as Shift[])
          shifts.push({ value, what: sources.map(({ node }) => (node as Element)?.outerHTML?.slice(0, 60)) });
      }).observe({ type: 'layout-shift', buffered: true });
    });
    const { page, problems } = await visit(site.browser, site.server.url, { context });
    await page.locator('.tree .node').first().waitFor();
    await page.locator('.plot text', { hasText: 'H(3)' }).waitFor();
    await page.waitForTimeout(1000);
    const shifts = await page.evaluate(
      () => (globalThis as unknown as { shifts: { value: number; what: string[] }[] }).shifts,
    );
    const total = shifts.reduce((sum, { value }) => sum + value, 0);
    assert.ok(total < 0.02, `${total}: ${JSON.stringify(shifts)}`);
    assert.is(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, 'scrolls sideways');
    assert.equal(problems, []);
    await context.close();
  });

test('a tap on a curve reads it, and the values stay', async () => {
  const context = await site.browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true });
  const { page, problems } = await visit(site.browser, site.server.url, { context, hash: linkTo(quickSetting) });
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);
  await page.locator('.plot').tap();
  await page.locator('.readout', { hasText: /nats at/ }).waitFor();
  await page.waitForTimeout(200);
  assert.match((await page.textContent('.readout'))!, /Hierarchical CNN.*nats at/);
  assert.equal(problems, []);
  await context.close();
});

test('on paper: whole curves, white ground, also where the screen is dark', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, {
    width: 1440,
    dark: true,
    hash: linkTo(quickSetting),
  });
  await page.locator('.plot text', { hasText: 'H(2)' }).waitFor();
  const colours = () =>
    page.evaluate(() => {
      const { backgroundColor, color } = getComputedStyle(document.body);
      return [backgroundColor, color, getComputedStyle(document.documentElement).getPropertyValue('--rhm-paper')];
    });
  assert.is.not((await colours())[0], 'rgb(255, 255, 255)');
  // The paper is narrower than the figure drawn for the screen; the page does not redraw it for a printer.
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  assert.equal(await colours(), ['rgb(255, 255, 255)', 'rgb(27, 31, 36)', '#ffffff']);
  const cut = await page.evaluate(() => {
    document.body.style.width = '700px';
    return [...document.querySelectorAll('.plot, .tree-scroll')].map((box) => {
      const right = Math.max(...[...box.querySelectorAll('svg')].map((e) => e.getBoundingClientRect().right));
      return Math.max(0, right - box.getBoundingClientRect().right - 1);
    });
  });
  assert.equal(cut, [0, 0]);
  assert.ok((await page.pdf()).length > 1000);
  assert.equal(problems, []);
  await context.close();
});

test.run();
