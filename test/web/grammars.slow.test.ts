/** Grammars of all sizes that the form allows, opened by link. RHM_SOAK=1: 500 of them instead of twenty. */
import * as assert from 'uvu/assert';
import { randomFrom } from '../support/random.js';
import { linkTo, pageSuite, quickSetting, visit } from './visit.js';

const { test, site } = pageSuite('grammars by link');
const soak = Boolean(process.env.RHM_SOAK);

test(`${soak ? 500 : 20} random grammars, floors of zero among them: the page opens, draws its curves' floors and answers`, async () => {
  let zeros = 0;
  for (let i = 0; i < (soak ? 500 : 20); i++) {
    const grammar = i === 0 ? { v: 8, n: 8, m: 2, s: 2, L: 3, seed: 1 } : randomGrammar(i);
    const what = JSON.stringify(grammar);
    const { page, problems, context } = await visit(site.browser, site.server.url, {
      hash: linkTo({ ...quickSetting, grammar, evaluation: { size: 16, perDoubling: 1 } }),
    });
    page.setDefaultTimeout(60_000);
    await page.locator('.tree .node').first().waitFor();
    await page.locator('.plot text', { hasText: `H(${grammar.L})` }).waitFor({ state: 'attached' });
    // It responds: a field takes a value, and the picture follows.
    await page.fill('#grammar [data-field=seed]', '99');
    await page.press('#grammar [data-field=seed]', 'Enter');
    await page.waitForFunction(() => document.querySelector<HTMLInputElement>('#link')!.value === location.href);
    await page.locator('.plot text', { hasText: `H(${grammar.L})` }).waitFor({ state: 'attached' });
    const floors = (await page.getAttribute('.plot', 'aria-label'))!.match(/plateaus ([\d., ]+)/)?.[1].split(', ');
    if (floors?.some((floor) => Number(floor) === 0)) zeros++;
    assert.equal(problems, [], what);
    assert.ok(await page.locator('#message').isHidden(), `${what}: ${await page.textContent('#message')}`);
    await context.close();
  }
  console.log(`${zeros} with a floor of zero`);
  assert.ok(zeros > 0);
});

test.run();

/**
 * A grammar that the form or a link may request: n root symbols with m rules each, of which there are v^s distinct tuples for v
 * symbols.
 */
function randomGrammar(i: number) {
  const random = randomFrom(i);
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const s = 1 + upTo(2);
  const v = 1 + upTo(15);
  const n = i % 5 === 1 ? 1 : i % 5 === 2 ? 2 : v;
  const m = i % 4 === 3 ? 1 : upTo(Math.min(64, v ** (s - 1)));
  return { v, n, m, s, L: upTo(s === 2 ? 5 : 3), seed: upTo(1000) };
}
