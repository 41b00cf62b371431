import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('looks, access and weight of the page');
const axe = readFileSync(resolve('node_modules/axe-core/axe.min.js'), 'utf8');

for (const width of [390, 820, 1440])
  for (const dark of [false, true])
    test(`${width} pixels wide, ${dark ? 'dark' : 'light'}: no serious finding of axe, nothing cut off, no label on another`, async () => {
      const { page, problems, context } = await visit(site.browser, site.server.url, {
        width,
        dark,
        hash: linkTo(quickSetting),
      });
      await page.locator('.tree .node').first().waitFor();
      await page.click('#learning .primary');
      await waitForStates(page, /^done/);
      await page.locator('.plot text', { hasText: 'H(2)' }).waitFor();
      await page.locator('.tree [data-node="1,1"] circle').click();
      await page.click('details.more summary');
      await page.evaluate(axe); // through the debugger: the page's policy would refuse it
      const findings = await page.evaluate(async () => {
        const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run();
        return violations
          .filter((v) => v.impact === 'serious' || v.impact === 'critical')
          .map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
      });
      assert.equal(findings, []);
      assert.is(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, 'scrolls sideways');
      assert.equal(await overlaps(page), []);
      const wide = await page.locator('.table-scroll:has(.steps)').evaluate((e) => e.scrollWidth - e.clientWidth);
      assert.is(wide, 0, 'the staircase in numbers fits');
      await picture(page, `page-${width}-${dark ? 'dark' : 'light'}`);
      assert.equal(problems, []);
      await context.close();
    });

test('all files together are below 500 KB compressed, and the page answers within 2 s', async () => {
  const files = readdirSync('dist/page', { recursive: true, encoding: 'utf8' }).filter(
    (f) => /\.(js|css|html)$/.test(f) && f !== 'elements.js' && !f.startsWith('reference'), // which the page does not load
  );
  assert.ok(files.length >= 4);
  const bytes = files.map((f) => readFileSync(join('dist/page', f)));
  const total = (compress: (b: Buffer) => Buffer) => bytes.reduce((sum, b) => sum + compress(b).length, 0) / 1000;
  const [gzip, brotli] = [total(gzipSync), total(brotliCompressSync)];
  console.log(`page: ${gzip.toFixed(0)} KB gzip, ${brotli.toFixed(0)} KB brotli`);
  assert.ok(gzip < 500, `${gzip} KB`);
  const element = gzipSync(readFileSync('dist/page/elements.js')).length / 1000;
  console.log(`elements.js: ${element.toFixed(0)} KB gzip`);
  assert.ok(element < 500);
});

test.run();

interface Axe {
  run(): Promise<{ violations: { id: string; impact: string; help: string; nodes: { target: string[] }[] }[] }>;
}

/** Pairs of texts in the figures that overlap. */
function overlaps(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    for (const figure of document.querySelectorAll('.plot svg, .tree')) {
      const boxes = [...figure.querySelectorAll('text')]
        .filter((t) => t.textContent)
        .map((t) => ({ text: t.textContent, box: t.getBoundingClientRect() }));
      boxes.forEach(({ text, box: a }, i) => {
        for (const { text: other, box: b } of boxes.slice(i + 1)) {
          const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          // Boxes are as high as the font, letters are not.
          if (width > 1.5 && height > 4) found.push(`"${text}" and "${other}"`);
        }
      });
    }
    return found;
  });
}

/** A picture of the whole page in the folder RHM_PICTURES, for people to look at. */
async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.RHM_PICTURES;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
