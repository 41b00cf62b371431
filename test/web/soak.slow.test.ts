/** Memory of a page that trains: RHM_SOAK=1 watches for an hour, otherwise for half a minute. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('memory of a page that trains');
const minutes = process.env.RHM_SOAK ? 60 : 0.5;

test(`stays flat over ${minutes} minutes: GPU buffers to the byte, processes but for the collector's saw-tooth`, async () => {
  const context = await site.browser.newContext();
  // Live GPU bytes of each worker, counted where buffers are made.
  const counting = () => {
    const live = { bytes: 0, made: 0 };
    Object.assign(globalThis, { live });
    if (!('GPUDevice' in globalThis)) return;
    const make = GPUDevice.prototype.createBuffer;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      const buffer = make.call(this, descriptor);
      live.made++;
      live.bytes += descriptor.size;
      const destroy = buffer.destroy.bind(buffer);
      let gone = false;
      buffer.destroy = () => {
        if (!gone) live.bytes -= descriptor.size;
        gone = true;
        destroy();
      };
      return buffer;
    };
  };
  await context.route('**/worker.js', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ contentType: 'text/javascript', body: `(${counting})();${await answer.text()}` });
  });
  const setting = {
    ...quickSetting,
    replicas: 1,
    budget: { batch: 8, steps: 4_000_000 },
    evaluation: { size: 64, perDoubling: 1 },
  };
  const { page, problems } = await visit(site.browser, site.server.url, { context, hash: linkTo(setting) });
  await page.selectOption('#executor', 'webgpu');
  await page.click('#learning .primary');
  await waitForStates(page, /^training/);
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await page.locator('#representation .hint', { hasText: 'training buffers' }).nth(1).waitFor({ timeout: 120_000 });

  const total = minutes * 60_000;
  const begun = Date.now();
  const seen: { at: number; bytes: number }[] = [];
  const watch = async (until: number) => {
    while (Date.now() - begun < until * total) {
      await page.waitForTimeout(Math.min(5000, total / 30));
      seen.push({ at: (Date.now() - begun) / total, bytes: residentBytes() });
    }
    // Held, so that no buffer of a passing read is counted.
    await page.click('#learning .primary');
    await waitForStates(page, /^paused/);
    await page.waitForTimeout(1000);
    const bytes = await gpuBytes(page);
    await page.click('#learning .primary');
    await waitForStates(page, /^training/);
    return bytes;
  };
  const gpuEarly = await watch(0.5);
  const gpuLate = await watch(1);
  const least = (from: number, to: number) =>
    Math.min(...seen.filter((s) => s.at >= from && s.at <= to).map((s) => s.bytes));
  const [early, late] = [least(0.25, 0.55), least(0.75, 2)];
  console.log(
    `resident ${mib(early)} then ${mib(late)} MiB, GPU buffers ${mib(gpuEarly)} then ${mib(gpuLate)} MiB, ${seen.length} looks`,
  );
  assert.ok(gpuEarly > 0, 'buffers are counted');
  assert.is(gpuLate, gpuEarly);
  // Collectors of three processes start when they like: an hour that leaked a kilobyte a step would show hundreds of MiB.
  assert.ok(late - early < 48 * 2 ** 20, `grew by ${mib(late - early)} MiB`);
  assert.equal(problems, []);
  await context.close();
});

test.run();

const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

async function gpuBytes(page: Page): Promise<number> {
  const each = await Promise.all(
    page
      .workers()
      .map((w) => w.evaluate(() => (globalThis as unknown as { live?: { bytes: number } }).live?.bytes ?? 0)),
  );
  return each.reduce((a, b) => a + b, 0);
}

/** Resident memory of all processes below this one: the browser's, with its GPU process. Linux. */
function residentBytes(): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name))
      try {
        parents.set(Number(name), Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1]));
      } catch {} // gone in between
  const isBelow = (pid: number): boolean => pid === process.pid || (parents.has(pid) && isBelow(parents.get(pid)!));
  let bytes = 0;
  for (const pid of parents.keys())
    if (pid !== process.pid && isBelow(pid))
      try {
        bytes += 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
      } catch {}
  return bytes;
}
