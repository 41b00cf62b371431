import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { figures } from '../../src/analysis/figures/index.js';
import { writeReport } from '../../src/platform/report.js';
import { launchBrowser } from '../support/browser.js';
import { syntheticAnalysis } from '../support/syntheticAnalysis.js';

const test = suite('report in a browser');
const folder = mkdtempSync(join(tmpdir(), 'rhm-page-'));
let url = '';
let browser: Browser;
test.before(async () => {
  // Runs that end early: bounds, empty corners and so on.
  const analysis = await syntheticAnalysis({ grammars: 3, steps: 2 ** 14 });
  url = pathToFileURL((await writeReport(analysis, folder, { title: 'A report' })).report).href;
  browser = await launchBrowser([]);
});
test.after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

for (const width of [1280, 390])
  for (const colorScheme of ['light', 'dark'] as const)
    test(`${width} pixels wide, ${colorScheme}: no network requests, nothing cut off, no overlapping text`, async () => {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
      try {
        const page = await context.newPage();
        const problems: string[] = [];
        page.on('pageerror', (error) => problems.push(String(error)));
        page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
        page.on('request', (request) => {
          if (request.url() !== url && !request.url().startsWith('data:')) problems.push(`asked for ${request.url()}`);
        });
        await page.goto(url);
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        const found = await page.evaluate(examine);
        assert.equal(problems, []);
        assert.is(found.figures, figures.length);
        assert.ok(found.pageWidth <= width, `the page is ${found.pageWidth} wide`);
        assert.ok(found.compared > 5000, `only ${found.compared} pairs of labels`);
        assert.equal(found.overlaps, []);
        assert.equal(found.outside, []);
        // WCAG 2: text needs a contrast of 4.5, including the muted tone.
        for (const [what, ratio] of found.contrasts) assert.ok(ratio >= 4.5, `${what}: contrast ${ratio}`);
      } finally {
        await context.close();
      }
    });

test.run();

/** Runs in the page. */
function examine() {
  const shown = [...document.querySelectorAll('figure')].map(
    (figure) =>
      [...figure.querySelectorAll<SVGSVGElement>('div > svg')].find((svg) => svg.getBoundingClientRect().width > 0)!,
  );
  const overlaps: string[] = [];
  const outside: string[] = [];
  let compared = 0;
  for (const svg of shown) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].filter((t) => t.textContent?.trim());
    const boxes = texts.map((t) => ({ text: t.textContent!, box: t.getBoundingClientRect() }));
    boxes.forEach((a, i) => {
      const { left, right, top, bottom } = a.box;
      if (left < frame.left - 1 || right > frame.right + 1 || top < frame.top - 1 || bottom > frame.bottom + 1)
        outside.push(a.text);
      for (const b of boxes.slice(i + 1)) {
        compared++;
        const across = Math.min(right, b.box.right) - Math.max(left, b.box.left);
        const down = Math.min(bottom, b.box.bottom) - Math.max(top, b.box.top);
        // Boxes include the space above and below the letters: they may overlap by a quarter of a line.
        if (across > 1 && down > 0.3 * Math.min(a.box.height, b.box.height)) overlaps.push(`${a.text} / ${b.text}`);
      }
    });
  }
  const luminance = (color: string) => {
    const [r, g, b] = color.match(/[\d.]+/g)!.map((c) => {
      const x = Number(c) / 255;
      return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const contrasts = ['h1', 'figcaption', 'td', 'footer', 'figure text'].map((what): [string, number] => {
    const node = document.querySelector(what)!;
    const style = getComputedStyle(node);
    const ink = luminance(node.tagName === 'text' && style.fill.startsWith('rgb') ? style.fill : style.color);
    return [what, (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)];
  });
  return {
    figures: shown.filter(Boolean).length,
    pageWidth: document.documentElement.scrollWidth,
    overlaps,
    outside,
    contrasts,
    compared,
  };
}
