import { copyFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gpuFlags, launchBrowser, openPage } from '../support/browser.js';
import { assertOutcome, bundleFixtures, type Outcome } from '../support/scenario.js';
import { serve } from '../support/server.js';

const test = suite('Chromium: a page that imports the built package, and Web Workers');
let folder = '';
let browser: Browser;
test.before(async () => {
  folder = await bundleFixtures('browser', ['scenario', 'faulty.web']);
  copyFileSync('test/platform/fixtures/page.html', join(folder, 'page.html'));
  browser = await launchBrowser();
});
test.after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

for (const isolated of [true, false])
  test(`computes, reports, fails and ends as it should ${isolated ? 'with' : 'without'} COOP and COEP`, async () => {
    const server = await serve({ '/dist/': resolve('dist'), '/fixtures/': folder }, isolated);
    try {
      const { page, problems } = await openPage(browser, `${server.origin}/fixtures/page.html`);
      await page.waitForFunction("document.title !== 'running'", undefined, { timeout: 700_000 });
      const found = (await page.evaluate('({ failure: window.failure, outcome: window.outcome, isolated })')) as {
        failure?: string;
        outcome: Outcome;
        isolated: boolean;
      };
      assert.is(found.failure, undefined);
      assert.is(found.isolated, isolated);
      assertOutcome(found.outcome, /^Chrome \(headless\) \d+|^Chrome \d+/);
      // Besides the script that the scenario requests on purpose, one import loads everything.
      assert.equal(server.missing, ['/fixtures/no-such-worker.js']);
      assert.ok(
        problems.every((p) => /404|no-such-worker/.test(p)),
        problems.join('\n'),
      );
      await page.close();
    } finally {
      await server.close();
    }
  });

test('a browser without WebGPU gets a remedy', async () => {
  const bare = await launchBrowser(gpuFlags.slice(1).concat('--disable-features=WebGPU', '--disable-gpu'));
  const server = await serve({ '/dist/': resolve('dist'), '/fixtures/': folder }, false);
  try {
    const { page } = await openPage(bare, `${server.origin}/dist/no-page-here`);
    const message = await page.evaluate(async (origin) => {
      const rhm = await import(`${origin}/dist/web.js`);
      return rhm.openGpu().then(
        () => 'opened',
        (error: Error) => `${error.name}: ${error.message}`,
      );
    }, server.origin);
    assert.match(message, /^AdapterError: (This browser offers no WebGPU|No WebGPU adapter was found).*chrome:\/\/gpu/);
  } finally {
    await server.close();
    await bare.close();
  }
});

test.run();
