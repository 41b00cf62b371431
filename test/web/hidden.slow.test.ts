/**
 * Tokens of the tree are hidden, by a click and by keys: the values shown and announced are the exact posteriors given the
 * others.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import { posteriors } from '../../src/theory/inference.js';
import { linkTo, pageSuite, quickSetting, visit } from './visit.js';

const { test, site } = pageSuite('hidden tokens of the tree');
const axe = readFileSync(resolve('node_modules/axe-core/axe.min.js'), 'utf8');

const grammar = { v: 6, n: 6, m: 3, s: 2, L: 3, seed: 5 };
const rules = makeRules(grammar, grammar.seed);
const hash = linkTo({ ...quickSetting, grammar });

const tokensOf = (page: Page) =>
  page
    .locator('.tree [data-node^="3,"] .symbol')
    .allTextContents()
    .then((all) => all.map(Number));

/** `4 with 62%, 1 with 38%` of a node, from the library. */
function expected(tokens: readonly number[], hidden: readonly number[], depth: number, position: number): string {
  const { symbols } = posteriors(rules, [tokens.map((token, i) => (hidden.includes(i) ? null : token))]);
  const p = [...symbols[depth].subarray(position * 6, position * 6 + 6)];
  const all = p.map((x, symbol) => ({ x, symbol })).filter(({ x }) => x > 1e-9);
  all.sort((a, b) => b.x - a.x);
  const percent = (x: number) => (x > 0.995 ? '>99%' : x < 0.005 ? '<1%' : `${Math.round(100 * x)}%`);
  const named = all.length <= 5 ? all : all.slice(0, 4);
  const rest = all.slice(named.length).reduce((sum, { x }) => sum + x, 0);
  const words = named.map(({ x, symbol }) => `${symbol} with ${percent(x)}`);
  return [...words, ...(rest > 0 ? [`others with ${percent(rest)}`] : [])].join(', ');
}

const nodeName = (page: Page, node: string) => page.locator(`.tree [data-node="${node}"]`).getAttribute('aria-label');

test('a click hides a token: its probabilities and those of the symbols above it are exact; shown again, everything is as before', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash });
  const tokens = await tokensOf(page);
  const before = await page.locator('.tree').innerHTML();
  await page.getByText('hides its tokens').click();
  await page.click('.tree [data-node="3,7"] circle');
  const status = page.locator('#grammar .status');
  const last = expected(tokens, [7], 3, 7);
  assert.ok(last.includes(','), `the last token is open: ${last}`);
  const best = tokens.map((token, i) => (i === 7 ? '\\d' : token)).join(' ');
  assert.match(
    (await status.textContent())!,
    new RegExp(`^1 of 8 tokens hidden. Most probable sentence given the others: ${best}, with \\d+%`),
  );
  assert.is(await nodeName(page, '3,7'), `level 0, place 8, hidden: symbol ${last}, the token to predict`);
  for (const [depth, position] of [
    [2, 3],
    [1, 1],
    [0, 0],
  ]) {
    const words = expected(tokens, [7], depth, position);
    const name = (await nodeName(page, `${depth},${position}`))!;
    if (words.includes(',')) assert.match(name, new RegExp(`: symbol ${words}$`));
    else assert.ok(name.includes(`: symbol ${words.split(' ')[0]}`), name);
  }
  // The pie has a slice for each possible symbol; the rule of an unknown tuple is not shown.
  assert.is(await page.locator('.tree [data-node="3,7"] .pie path').count(), last.split(', ').length);
  assert.not.match((await nodeName(page, '2,3'))!, /rule/);
  assert.match((await nodeName(page, '2,0'))!, /written by rule \d/);
  assert.is(await page.locator('.tree [data-node="3,0"] .pie').count(), 0);
  await page.click('.tree [data-node="3,7"] circle');
  assert.is(await status.textContent(), 'All tokens are shown.');
  const bare = (html: string) => html.replace(/ tabindex="-?\d"/g, '');
  assert.is(bare(await page.locator('.tree').innerHTML()), bare(before));
  assert.equal(problems, []);
  await context.close();
});

test('by keys: H hides what is below a node; the readout and the table say the same', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash });
  const tokens = await tokensOf(page);
  await page.locator('.tree [data-node="0,0"]').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('h');
  const root = expected(tokens, [0, 1, 2, 3], 0, 0);
  const node = expected(tokens, [0, 1, 2, 3], 1, 0);
  assert.ok((await page.textContent('#grammar .status'))!.startsWith('4 of 8 tokens hidden. '));
  assert.is(await page.evaluate(() => document.activeElement!.getAttribute('data-node')), '1,0', 'the focus stays');
  assert.is(await nodeName(page, '1,0'), `level 2, place 1: symbol ${node}`);
  await page.keyboard.press('ArrowUp');
  const readout = (await page.textContent('#grammar .beliefs'))!;
  assert.match(readout, /^The root given the tokens shown: /);
  for (const part of root.split(', ')) {
    const [symbol, , share] = part.split(' ');
    assert.ok(readout.includes(symbol + share), `${part} in ${readout}`);
  }
  assert.match(readout, /entropy \d\.\d\d nats$/);
  await page.getByText('The tree as a table').click();
  const rows = page.locator('.derivation tr');
  await rows.last().waitFor();
  assert.equal(await rows.first().locator('td').allTextContents(), [root]);
  // Another sentence: the same places stay hidden. A rule drawn again below them is visible only in the remaining tokens.
  await page.click('text=New sentence');
  assert.is(await page.locator('.tree .cover').count(), 4);
  await page.click('text=Show all tokens');
  assert.is(await page.locator('.tree .cover').count(), 0);
  assert.is(await page.locator('text=Show all tokens').isVisible(), false);
  // Everything hidden: only the grammar remains, with its uniform root.
  await page.locator('.tree [data-node="0,0"]').focus();
  await page.keyboard.press('h');
  assert.is(await page.locator('.tree .cover').count(), 8);
  assert.match((await nodeName(page, '0,0'))!, /: symbol (\d with 17%, ){4}others with 33%$/);
  await page.fill('#grammar [data-field=L]', '2');
  await page.press('#grammar [data-field=L]', 'Enter');
  await page.waitForFunction(() => document.querySelectorAll('.tree .node').length === 7);
  assert.is(await page.locator('.tree .cover').count(), 0, 'another grammar is shown whole');
  assert.equal(problems, []);
  await context.close();
});

test('nothing for axe to find, light and dark, wide and narrow; no sideways scrolling of the page', async () => {
  for (const [width, dark] of [
    [1440, false],
    [390, true],
  ] as const) {
    const { page, problems, context } = await visit(site.browser, site.server.url, { hash, width, dark });
    await page.getByText('hides its tokens').click();
    for (const node of ['2,0', '3,5', '3,7']) await page.locator(`.tree [data-node="${node}"] circle`).first().click();
    await page.evaluate(axe);
    const findings = await page.evaluate(async () => {
      type Axe = { run(of: string): Promise<{ violations: { id: string; nodes: { target: string[] }[] }[] }> };
      const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run('#grammar');
      return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
    });
    assert.equal(findings, [], `${width}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${wide} of ${width}`);
    const { RHM_PICTURES: pictures } = process.env;
    if (pictures)
      await page.locator('#grammar').screenshot({ path: `${pictures}/hidden-${width}${dark ? '-dark' : ''}.png` });
    assert.equal(problems, []);
    await context.close();
  }
});

test.run();
