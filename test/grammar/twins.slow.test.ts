import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchBrowser, openPage } from '../support/browser.js';
import { deno } from '../support/run.js';
import { bundleFixtures } from '../support/scenario.js';
import { serve } from '../support/server.js';
import { assertTwins } from './assertTwins.js';

const test = suite('one sampler, three languages: Deno and Chromium');
const fixtures = 'test/grammar/fixtures';

test('Deno (wgpu)', async () => {
  const folder = await bundleFixtures('node', ['twins.deno'], fixtures);
  try {
    const ran = await deno(['run', '-A', join(folder, 'twins.deno.js')], { env: { RHM_ADAPTER: 'swiftshader' } });
    assert.is(ran.code, 0, `${ran.signal} ${ran.stderr}`);
    assertTwins(JSON.parse(ran.stdout), /^deno/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('headless Chromium', async () => {
  const folder = await bundleFixtures('browser', ['twins.web'], fixtures);
  writeFileSync(join(folder, 'twins.html'), '<!doctype html><script type="module" src="/f/twins.web.js"></script>');
  const server = await serve({ '/f/': folder }, true);
  const browser = await launchBrowser();
  try {
    const { page } = await openPage(browser, `${server.origin}/f/twins.html`);
    await page.waitForFunction('globalThis.runTwins');
    assertTwins(JSON.parse((await page.evaluate('runTwins()')) as string), /Chrome/);
  } finally {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
