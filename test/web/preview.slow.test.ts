/** What other sites show of a link to the page: its title, a sentence and a picture. RHM_PICTURES=src/web makes a new picture. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { pageSuite, visit } from './visit.js';

const { test, site } = pageSuite('the preview of a link');

test('a title, a description and a picture of the stated size, and no address before there is one', async () => {
  const { RHM_PICTURES: pictures } = process.env;
  const { page, problems, context } = await visit(site.browser, site.server.url, {
    width: 1200,
    height: 630,
    hash: '#story=4',
  });
  const meta = new Map(
    await page.$$eval('meta[property], meta[name]', (all) =>
      all.map((e) => [e.getAttribute('property') ?? e.getAttribute('name'), e.getAttribute('content')!] as const),
    ),
  );
  assert.is(meta.get('og:title'), await page.locator('h1').textContent());
  assert.is(meta.get('og:description'), meta.get('description'));
  assert.is(meta.get('twitter:card'), 'summary_large_image');
  assert.ok(meta.get('og:image:alt')!.length > 20);
  assert.is(meta.get('og:url'), undefined);
  const { status, type, bytes } = await page.evaluate(async (address) => {
    const response = await fetch(address);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, type: response.headers.get('Content-Type'), bytes: [...bytes] };
  }, meta.get('og:image')!);
  assert.equal([status, type], [200, 'image/png']);
  const picture = Buffer.from(bytes);
  assert.is(picture.readUInt32BE(0), 0x89504e47);
  assert.equal([picture.readUInt32BE(16), picture.readUInt32BE(20)], [1200, 630]);
  assert.equal([meta.get('og:image:width'), meta.get('og:image:height')], ['1200', '630']);
  assert.ok(picture.length < 150_000, `${picture.length} bytes`);
  if (pictures) {
    await page.locator('.story-plot svg').first().waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.locator('.story-slider input').fill('863'); // P = 46,000: all networks have taken the third step
    // The title and the figure: controls say nothing in a picture.
    await page.evaluate(() => {
      for (const part of document.querySelectorAll<HTMLElement>('.brand, .story-bar')) part.hidden = true;
    });
    await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
    await page.waitForTimeout(1500); // the figures are redrawn for their width
    await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
    await page.screenshot({ path: `${pictures}/preview.png` });
  }
  assert.equal(problems, []);
  await context.close();
});

/** The page that the build writes for a site; `refused: ...` if it does not. */
function builtFor(site: string): string {
  const script = `import { readFileSync } from 'node:fs';
import { absoluteAddresses } from './src/build/siteAddress.mjs';
try {
  process.stdout.write(absoluteAddresses(readFileSync('src/web/index.html', 'utf8'), process.env.RHM_SITE));
} catch (error) {
  process.stdout.write('refused: ' + error.message);
}`;
  const env = { ...process.env, RHM_SITE: site };
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env });
}

test('if the address of the site is known, the preview names it: other sites resolve no relative ones', () => {
  assert.is(builtFor(''), readFileSync('src/web/index.html', 'utf8'));
  for (const address of ['https://example.org/rhm', 'https://example.org/rhm/']) {
    const page = builtFor(address);
    assert.match(page, /<meta property="og:image" content="https:\/\/example.org\/rhm\/preview.png">/);
    assert.match(page, /<meta property="og:url" content="https:\/\/example.org\/rhm\/">/);
    assert.is(page.match(/og:url/g)!.length, 1);
  }
  for (const wrong of ['example.org', 'ftp://example.org/', 'https://example.org/"><script>'])
    assert.match(builtFor(wrong), /^refused: RHM_SITE: got .*; pass an address such as https:\/\/example.org\/rhm\/$/);
});

test.run();
