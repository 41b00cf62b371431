import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StaticServer } from '../../src/platform/staticServer.js';
import { launchBrowser, linkTo, quickSetting, servePage, visit, waitForStates } from './visit.js';

const test = suite('the representation in the page');
let browser: Browser;
let server: StaticServer;
test.before(async () => {
  browser = await launchBrowser();
  server = await servePage();
});
test.after(async () => {
  await browser?.close();
  await server?.close();
});

const setting = { ...quickSetting, replicas: 2, budget: { batch: 16, steps: 300 } };

/** What the canvas of a network shows: pixels that are not background, and how many of the symbols' colours occur. */
function painted(page: Page, network: number): Promise<{ pixels: number; colours: number; sum: number }> {
  return page.evaluate((index) => {
    const card = document.querySelectorAll('#representation .network')[index];
    const canvas = card.querySelector('canvas');
    if (!canvas) return { pixels: 0, colours: 0, sum: 0 };
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const g = copy.getContext('2d', { willReadFrequently: true })!;
    g.drawImage(canvas, 0, 0);
    const { data } = g.getImageData(0, 0, copy.width, copy.height);
    const chips = [...card.querySelectorAll<HTMLElement>('.symbols li')].map((li) =>
      getComputedStyle(li).backgroundColor.match(/\d+/g)!.map(Number),
    );
    const found = new Set<number>();
    let pixels = 0;
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i] === data[0] && data[i + 1] === data[1] && data[i + 2] === data[2]) continue;
      pixels++;
      sum = (sum * 31 + i + data[i]) % 1e9;
      chips.forEach((chip, a) => {
        if (chip.every((x, k) => Math.abs(x - data[i + k]) <= 4)) found.add(a);
      });
    }
    return { pixels, colours: found.size, sum };
  }, network);
}

/** Waits until both canvases show something. */
async function bothPainted(page: Page): Promise<void> {
  for (const network of [0, 1])
    for (let tries = 0; ; tries++) {
      const { pixels, colours } = await painted(page, network);
      if (pixels > 200 && colours >= 3) break;
      assert.ok(tries < 300, `network ${network}: ${pixels} pixels painted, ${colours} colours`);
      await page.waitForTimeout(100);
    }
}

test('the cloud is drawn while it trains, chosen by form, turned by keys and pointer, and stays after the end', async () => {
  const { page, problems, context } = await visit(browser, server.url, { hash: linkTo(setting) });
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await bothPainted(page);
  await waitForStates(page, /^done/);
  const card = page.locator('#representation .network').first();
  await card.locator('.hint', { hasText: 'Step 300: three directions hold' }).waitFor();
  assert.match((await card.textContent())!, /% of the variance; drawn by WebGPU\./);

  // Standing still, nothing but a turn by hand changes the picture.
  await card.getByRole('checkbox', { name: 'turn' }).uncheck();
  await page.waitForTimeout(1200);
  const still = await painted(page, 0);
  await card.locator('.stage').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('+');
  for (let tries = 0; (await painted(page, 0)).sum === still.sum; tries++) {
    assert.ok(tries < 100, 'keys turn the cloud');
    await page.waitForTimeout(100);
  }
  const turned = await painted(page, 0);
  const box = (await card.locator('.stage').boundingBox())!;
  await page.mouse.move(box.x + 50, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + 150, box.y + 90, { steps: 4 });
  await page.mouse.up();
  for (let tries = 0; (await painted(page, 0)).sum === turned.sum; tries++) {
    assert.ok(tries < 100, 'the pointer turns the cloud');
    await page.waitForTimeout(100);
  }

  // Layers, positions and colours can still be chosen. Layer 1 of the network has two positions, layer 2 one.
  assert.is(await card.locator('[data-field=position] option').count(), 1);
  await card.locator('[data-field=layer]').selectOption('0');
  await card.locator('[data-field=position] option').nth(1).waitFor({ state: 'attached' });
  await card.locator('[data-field="colour by symbol of level"]').selectOption('0');
  await page.waitForTimeout(500);
  await bothPainted(page);

  // The tables: one level below the root here, two layers; the heat map of filters and of attention.
  assert.is(await card.locator('table.heat tbody tr').count(), 2);
  assert.match((await card.locator('table.heat td').first().textContent())!, /^\d\.\d\d$/);
  assert.is(await card.locator('.heat-map rect').count(), 2 * 4 * 16);
  const attention = page.locator('#representation .network').nth(1);
  await attention.locator('[data-field=layer]').selectOption('0');
  await attention.locator('.heat-map rect').nth(15).waitFor();
  assert.is(await attention.locator('.heat-map rect').count(), 16);
  assert.equal(problems, []);
  await context.close();
});

test('on WebGPU it is drawn from the training buffers themselves', async () => {
  const { page, problems, context } = await visit(browser, server.url, {
    hash: linkTo({
      ...setting,
      networks: setting.networks.map(({ model, optimiser }) => ({ model, optimiser })),
      measures: [],
      budget: { batch: 8, steps: 100_000 },
      evaluation: { size: 64, perDoubling: 1 },
      replicas: 1,
    }),
  });
  await page.selectOption('#executor', 'webgpu');
  await page.click('#learning .primary');
  await page.locator('#representation').scrollIntoViewIfNeeded();
  for (const network of [0, 1])
    await page
      .locator('#representation .network')
      .nth(network)
      .locator('.hint', { hasText: 'drawn by WebGPU from the training buffers' })
      .waitFor({ timeout: 60_000 });
  await bothPainted(page);
  await page.click('#learning .primary');
  await waitForStates(page, /^paused/);
  await bothPainted(page);
  assert.equal(problems, []);
  await context.close();
});

test('without WebGPU the processor draws it', async () => {
  const bare = await launchBrowser(['--disable-features=WebGPU', '--disable-gpu', '--use-webgpu-adapter=none']);
  try {
    const { page, problems, context } = await visit(bare, server.url, { hash: linkTo(setting), dark: true });
    await page.click('#learning .primary');
    await page.locator('#representation').scrollIntoViewIfNeeded();
    await page
      .locator('#representation .hint', { hasText: 'drawn on the processor: no WebGPU here' })
      .first()
      .waitFor();
    await bothPainted(page);
    assert.equal(problems, []);
    await context.close();
  } finally {
    await bare.close();
  }
});

test.run();
