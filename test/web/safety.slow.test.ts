/** What a visitor has trained survives reloads, incomplete files and clicks on links. RHM_SOAK=1: 200 reloads instead of ten. */
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('runs that are kept');
const soak = Boolean(process.env.RHM_SOAK);

const long = { ...quickSetting, budget: { batch: 16, steps: 4_000_000 }, replicas: 1 };

/** Steps that the page shows, one number per network. */
const stepsOf = (page: Page) =>
  page.$$eval('#learning .facts', (all) =>
    all.map((e) => Number(/step ([\d,]+) of/.exec(e.textContent!)![1].replaceAll(',', ''))),
  );

test(`${soak ? 200 : 10} reloads at random moments: every checkpoint is whole and little is lost`, async () => {
  const context = await site.browser.newContext();
  // Steps as shown, by time; preserved across the reload, which discards the page.
  await context.addInitScript(() => {
    const seen: { at: number; steps: number[] }[] = [];
    const look = () => {
      const facts = [...document.querySelectorAll('#learning .facts')];
      const steps = facts.map((e) => Number(/step ([\d,]+) of/.exec(e.textContent!)?.[1].replaceAll(',', '')));
      const last = seen.at(-1);
      if (steps.length && String(last?.steps) !== String(steps)) seen.push({ at: Date.now(), steps });
    };
    setInterval(look, 20);
    addEventListener('pagehide', () => {
      look();
      sessionStorage.setItem('seen', JSON.stringify({ seen: seen.slice(-200), left: Date.now() }));
    });
  });
  const { page, problems } = await visit(site.browser, site.server.url, { context, hash: linkTo(long) });
  await page.selectOption('#executor', 'wasm');
  const lost: number[] = [];
  let kept = [0, 0];
  for (let i = 0; i < (soak ? 200 : 10); i++) {
    await page.selectOption('#executor', 'wasm');
    // Some start again: the files of a run are made then.
    const anew = i % 4 === 3;
    if (anew) {
      await page.getByRole('button', { name: 'Restart', exact: true }).click();
      kept = [0, 0];
    } else await page.click('#learning .primary');
    if (i % 3 !== 2) await waitForStates(page, /^training/);
    await page.waitForTimeout(i === 0 ? 2000 : 50 + Math.random() * 2000);
    await page.reload();
    // Before the first checkpoint nothing is kept yet.
    if (anew) await page.waitForTimeout(700);
    else await waitForStates(page, /^kept/);
    const { seen, left } = await page.evaluate(
      () => JSON.parse(sessionStorage.getItem('seen')!) as { seen: { at: number; steps: number[] }[]; left: number },
    );
    const now = await stepsOf(page);
    assert.equal(await page.locator('#learning .notes li').allTextContents(), []);
    for (const [network, step] of now.entries()) {
      assert.ok(step >= kept[network], `reload ${i}: network ${network} fell from step ${kept[network]} to ${step}`);
      // The loss is limited to what was made since the page first showed a later step than the kept one.
      const begun = seen.findLastIndex(({ steps }, k) => k > 0 && steps[network] < seen[k - 1].steps[network]);
      const later = seen.slice(Math.max(0, begun)).find(({ steps }) => steps[network] > step);
      lost.push(later ? left - later.at : 0);
    }
    kept = now;
  }
  assert.ok(kept.every((step) => step > 0));
  lost.sort((a, b) => a - b);
  const at = (part: number) => lost[Math.floor(part * (lost.length - 1))];
  console.log(`lost by a reload: median ${at(0.5)} ms, 95 of 100 below ${at(0.95)} ms, most ${at(1)} ms`);
  if (soak) assert.ok(at(1) < 1000, `${at(1)} ms lost`);
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^training/);
  assert.equal(problems, []);
  await context.close();
});

test('a checkpoint that is truncated or empty: the previous one is used, and training continues from there', async () => {
  for (const size of [0, 1000]) {
    const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(long) });
    await page.selectOption('#executor', 'wasm');
    const step = page.getByRole('button', { name: 'Step', exact: true });
    for (const count of [1, 2]) {
      await step.click();
      await page.waitForFunction(
        (wanted) =>
          [...document.querySelectorAll('#learning .facts')].every((e) =>
            e.textContent!.startsWith(`step ${wanted} of`),
          ) && [...document.querySelectorAll('#learning .state')].every((e) => e.textContent === 'paused'),
        count,
      );
    }
    await page.reload();
    await waitForStates(page, /^kept/);
    assert.equal(await stepsOf(page), [2, 2]);
    await page.evaluate(async (bytes) => {
      const runs = await (await navigator.storage.getDirectory()).getDirectoryHandle('runs');
      for await (const name of (runs as unknown as { keys(): AsyncIterable<string> }).keys()) {
        const file = await (await runs.getDirectoryHandle(name)).getFileHandle('checkpoint.safetensors');
        const stream = await file.createWritable({ keepExistingData: true });
        await stream.truncate(bytes);
        await stream.close();
      }
    }, size);
    await page.reload();
    await waitForStates(page, /^kept/);
    // A page that is left while paused may have written step 2 once more.
    const before = await stepsOf(page);
    assert.ok(
      before.every((at) => at === 1 || at === 2),
      `cut off at ${size} bytes: ${before}`,
    );
    await page.selectOption('#executor', 'wasm');
    await step.click();
    await waitForStates(page, /^paused/);
    assert.equal(
      await stepsOf(page),
      before.map((at) => at + 1),
    );
    assert.equal(problems, []);
    await context.close();
  }
});

test('a link to a section scrolls there and leaves the setting in the address', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url);
  await page.fill('#grammar [data-field=m]', '4');
  await page.press('#grammar [data-field=m]', 'Enter');
  const address = page.url();
  assert.match(address, /#setting=/);
  for (const link of ['nav a[href="#takeaway"]', 'nav a[href="#learning"]']) {
    await page.click(link);
    await page.waitForFunction(
      (id) => {
        const { top, bottom } = document.getElementById(id)!.getBoundingClientRect();
        return document.activeElement!.id === id && top < innerHeight / 2 && bottom > 0;
      },
      link.match(/#(\w+)/)![1],
    );
    assert.is(page.url(), address);
  }
  await page.locator('nav a[href="#grammar"]').focus();
  await page.keyboard.press('Enter');
  assert.is(await page.evaluate(() => document.activeElement?.id), 'grammar');
  await page.reload();
  assert.is(await page.inputValue('#grammar [data-field=m]'), '4');
  assert.equal(problems, []);
  await context.close();
});

test.run();
