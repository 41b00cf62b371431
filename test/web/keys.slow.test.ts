/** Pictures read with keys alone, their numbers as tables, and the choice of a seed, which the link stores. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { fromHash } from '../../src/web/link.js';
import { linkTo, pageSuite, quickSetting, seedOfFirstCloud, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('the page without mouse and sight');
const axe = readFileSync(resolve('node_modules/axe-core/axe.min.js'), 'utf8');

async function trainedPage(hash: string) {
  const seen = await visit(site.browser, site.server.url, { hash });
  await seen.page.selectOption('#executor', 'wasm');
  await seen.page.click('#learning .primary');
  await waitForStates(seen.page, /^done/);
  await seen.page.locator('#representation').scrollIntoViewIfNeeded();
  await seen.page.locator('#representation .heat-map').nth(1).waitFor();
  return seen;
}

/** What has the focus. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const e = document.activeElement!;
    return `${e.tagName} ${e.textContent}`;
  });

test('keys walk the invariance grid, the maps, the curves and the tree; the value under them is announced', async () => {
  const { page, problems, context } = await trainedPage(linkTo(quickSetting));
  const [cnn, transformer] = [0, 1].map((i) => page.locator('#representation .network').nth(i));

  // The grid has one stop for Tab; arrows move it, and the headings name rows and columns.
  const grid = cnn.getByRole('grid', { name: 'Invariance of Hierarchical CNN' });
  assert.is(await grid.locator('[tabindex="0"]').count(), 1);
  await grid.locator('td').first().focus();
  await page.keyboard.press('ArrowDown');
  assert.is(await focused(page), `TD ${await grid.locator('tbody tr').nth(1).locator('td').first().textContent()}`);
  assert.is(await grid.locator('td').nth(1).getAttribute('tabindex'), '0');
  await page.keyboard.press('ArrowDown');
  assert.is(
    await grid
      .locator('td')
      .nth(1)
      .evaluate((e) => e === document.activeElement),
    true,
    'stays within',
  );

  // Filters: all keys of a grid. The table has the same numbers.
  const map = cnn.locator('.heat-plot');
  const said = cnn.locator('.map .readout');
  await map.focus();
  await page.keyboard.press('ArrowRight');
  assert.match((await said.textContent())!, /^slot 1, token 0, channel 1: -?\d\.\d{3}$/);
  assert.is(await said.getAttribute('aria-live'), 'polite');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  const last = (await said.textContent())!;
  assert.match(last, /^slot 1, token 1, channel 16: /);
  await cnn.getByText('The map in numbers').click();
  const cells = cnn.locator('.numbers tbody tr').nth(1).locator('td');
  await cells.last().waitFor(); // the table is made when it opens, a moment after the click
  assert.is(await cells.count(), 16);
  assert.is(await cells.nth(15).textContent(), last.split(': ')[1]);
  await map.focus();
  await page.keyboard.press('Escape');
  assert.is(await said.textContent(), '');

  // Attention: rows add up to 1.
  await transformer.locator('[data-field=layer]').selectOption('0');
  await transformer.locator('figcaption', { hasText: 'Attention in layer 1' }).waitFor();
  await transformer.locator('.heat-plot').focus();
  let sum = 0;
  for (let j = 0; j < 4; j++) {
    await page.keyboard.press('ArrowRight');
    const words = (await transformer.locator('.map .readout').textContent())!;
    assert.match(words, new RegExp(`^From position 1 to position ${j + 1}: `));
    sum += Number(words.split(': ')[1]);
  }
  assert.ok(Math.abs(sum - 1) <= 4 * 0.0005 + 1e-6, `a row adds up to ${sum}`);

  // Curves: the values read by keys are a row of the table.
  await page.locator('.plot').focus();
  await page.keyboard.press('Home');
  const words = (await page.locator('#learning .readout').textContent())!;
  await page.getByText('The curves in numbers').click();
  const first = page.locator('#learning .numbers tbody tr').first();
  assert.is(await first.locator('th').textContent(), '16');
  await first.locator('td').last().waitFor();
  const losses = await first.locator('td').allTextContents();
  assert.is(losses.length, 6, 'mean and two seeds of two networks');
  assert.match(
    words,
    new RegExp(
      `Hierarchical CNN, mean of 2 seeds ${losses[0]} nats at 16 · Transformer, mean of 2 seeds ${losses[3]} nats`,
    ),
  );

  // The tree as a table: one row per level, with the picture's tokens in the last.
  await page.getByText('The tree as a table').click();
  const rows = page.locator('.derivation tr');
  await rows.last().waitFor();
  assert.is(await rows.count(), 3);
  const tokens = await page.locator('.tree [data-node^="2,"] .symbol').allTextContents();
  assert.equal(await rows.last().locator('td').allTextContents(), tokens);
  await page.locator('.tree [data-node="0,0"]').focus();
  await page.keyboard.press('s');
  await page.locator('.derivation tr').first().locator('td', { hasText: '(was ' }).waitFor();

  await page.evaluate(axe); // through the debugger: the page's policy would refuse it
  const findings = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run();
    return violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
  });
  assert.equal(findings, []);
  assert.equal(problems, []);
  await context.close();
});

test('a seed chosen beside the curves is highlighted in figure, words, numbers and cloud; the link and a reload keep it', async () => {
  const { page, problems, context } = await trainedPage(linkTo(quickSetting));
  const row = page.locator('#learning .network').first();
  const strong = () =>
    page.locator('.plot path[stroke-width="2.4"]').evaluateAll((all) => all.map((p) => p.getAttribute('d')));
  const thin = () =>
    page.locator('.plot path[stroke-width="1.2"]').evaluateAll((all) => all.map((p) => p.getAttribute('d')));
  // Curves out of view are drawn once per second: values that the facts already give may not be in them yet.
  await page.waitForFunction(() => {
    const facts = [...document.querySelectorAll('#learning .network .facts')].map((e) => e.textContent!);
    const drawn = [...document.querySelectorAll('#learning .legend .value')].map((e) => e.textContent!);
    return drawn.length === facts.length && drawn.every((loss, i) => loss !== '' && facts[i].includes(`loss ${loss}`));
  });
  const [mean] = await strong();
  const [first, second, ...others] = await thin();
  assert.is(others.length, 2);
  assert.is.not(mean, second);
  assert.match((await row.locator('.facts').textContent())!, / · mean test loss \d\.\d{3} nats · /);
  assert.equal(await row.locator('[data-field="curve of seed"] option').allTextContents(), ['mean of 2', '3', '4']);

  // By keys: the label is the menu's name, the second seed the third entry.
  await page.getByLabel('Curve of seed').first().focus();
  await page.keyboard.press('End');
  await page.waitForFunction(
    (d) => document.querySelector('.plot path[stroke-width="2.4"]')?.getAttribute('d') === d,
    second,
  );
  assert.equal(await thin(), [first, ...others], 'the others stay');
  assert.is(await page.locator('.plot path[stroke-width="2.4"]').count(), 2);
  await page.getByText('The curves in numbers').click();
  const chosen = page.locator('#learning .numbers th.chosen');
  await chosen.first().waitFor();
  assert.equal(await chosen.allTextContents(), ['Hierarchical CNN, seed 4 (chosen)', 'Transformer, mean']);
  const losses = await page.locator('#learning .numbers tbody tr').last().locator('td').allTextContents();
  const loss = Number(losses[2]).toFixed(3);
  const legend = page.locator('#learning .legend li').first();
  assert.is(await legend.textContent(), `Hierarchical CNN, seed 4${loss} nats`);
  assert.match((await row.locator('.facts').textContent())!, new RegExp(` · seed 4: test loss ${loss} nats · `));
  assert.match(
    (await page.locator('.plot').getAttribute('aria-label'))!,
    new RegExp(`Hierarchical CNN, seed 4: test loss ${loss} nats`),
  );
  assert.is(await page.locator('.steps thead th[colspan]').first().textContent(), 'Hierarchical CNN, seed 4');
  await page.locator('.plot').focus();
  await page.keyboard.press('End');
  assert.match(
    (await page.locator('#learning .readout').textContent())!,
    new RegExp(`^Hierarchical CNN, seed 4 ${losses[2]} nats at .* · Transformer, mean of 2 seeds ${losses[3]} nats`),
  );

  // One choice for the page: the cloud, the link and the markup to embed follow, and a seed chosen at the cloud also appears
  // here.
  const cloud = seedOfFirstCloud(page);
  const follows = async (replica: string) => {
    for (let tries = 0; (await cloud.inputValue()) !== replica; tries++) {
      assert.ok(tries < 100, `the cloud shows replica ${await cloud.inputValue()}`);
      await page.waitForTimeout(100);
    }
  };
  await follows('1');
  assert.match((await page.textContent('#embed code'))!, /"looks":\[\{"replica":1\},\{\}\]/);
  await page.reload();
  await legend.filter({ hasText: 'Hierarchical CNN, seed 4' }).waitFor();
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await cloud.waitFor();
  await cloud.selectOption('0');
  await legend.filter({ hasText: 'Hierarchical CNN, seed 3' }).waitFor();
  await page.getByLabel('Curve of seed').first().selectOption('');
  await legend.filter({ hasText: 'Hierarchical CNN, mean of 2 seeds' }).waitFor();
  for (let tries = 0; /replica/.test(JSON.stringify(fromHash(new URL(page.url()).hash)!.looks)); tries++) {
    assert.ok(tries < 50, 'the link forgets it');
    await page.waitForTimeout(100);
  }
  assert.equal(problems, []);
  await context.close();
});

test('a seed is chosen for the cloud, the map and the table; the link and a reload keep it', async () => {
  const { page, problems, context } = await trainedPage(linkTo(quickSetting));
  const card = page.locator('#representation .network').first();
  const map = () => card.locator('.heat-map .cells').evaluateAll((all) => all.map((p) => p.getAttribute('d')).join());
  const table = () => card.locator('table.heat tbody').textContent();
  const [map0, mean] = [await map(), await table()];
  assert.equal(await card.locator('[data-field=seed] option').allTextContents(), ['3', '4']);
  await card.locator('[data-field=seed]').selectOption('1');
  for (let tries = 0; (await map()) === map0; tries++) {
    assert.ok(tries < 100, 'the filters of the other seed');
    await page.waitForTimeout(100);
  }
  const map1 = await map();
  await card.locator('[data-field="table of seed"]').selectOption('1');
  await card.locator('.hint', { hasText: 'level, seed 4' }).waitFor();
  const second = await table();
  assert.is.not(second, mean);
  await card.locator('[data-field="table of seed"]').selectOption('0');
  await card.locator('.hint', { hasText: 'level, seed 3' }).waitFor();
  assert.is.not(await table(), second);

  const looks = async () => fromHash(new URL(await page.inputValue('#link')).hash)!.looks;
  for (let tries = 0; tries < 50 && (await looks())?.[0].measured !== 0; tries++) await page.waitForTimeout(100);
  assert.equal(await looks(), [{ replica: 1, measured: 0 }, {}]);
  await page.reload();
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await card.locator('.heat-map').waitFor();
  assert.is(await card.locator('[data-field=seed]').inputValue(), '1');
  assert.is(await card.locator('[data-field="table of seed"]').inputValue(), '0');
  assert.is(await map(), map1);
  assert.equal(problems, []);
  await context.close();

  // A view that fits no network is moved to the nearest one; an invalid one is refused.
  const far = await visit(site.browser, site.server.url, {
    hash: linkTo({ ...quickSetting, looks: [{ replica: 400, layer: 300, level: 99 }] }),
  });
  await far.page.locator('#representation').scrollIntoViewIfNeeded();
  await seedOfFirstCloud(far.page).waitFor();
  assert.is(await seedOfFirstCloud(far.page).inputValue(), '1');
  assert.equal(far.problems, []);
  await far.context.close();
  const bad = await visit(site.browser, site.server.url, {
    hash: linkTo({ ...quickSetting, looks: [{ layer: '<b>1</b>' }] }),
  });
  await bad.page.locator('#message', { hasText: 'looks.layer: got "<b>1</b>", expected an integer' }).waitFor();
  assert.equal(bad.problems, []);
  await bad.context.close();
});

test.run();

interface Axe {
  run(): Promise<{ violations: { id: string; impact: string; nodes: { target: string[] }[] }[] }>;
}
