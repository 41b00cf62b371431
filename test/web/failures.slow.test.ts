import type { BrowserContext } from 'playwright-core';
import * as assert from 'uvu/assert';
import { launchBrowser, linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('the page when something is missing or goes wrong');

const one = { ...quickSetting, networks: quickSetting.networks.slice(0, 1), replicas: 1 };
const long = { ...one, budget: { batch: 16, steps: 4_000_000 } };

test('without WebGPU a notice gives the remedy; grammar, theory and training work', async () => {
  const bare = await launchBrowser(['--disable-features=WebGPU', '--disable-gpu', '--use-webgpu-adapter=none']);
  try {
    const { page, problems, context } = await visit(bare, site.server.url, { hash: linkTo(one) });
    await page
      .locator('#gpu', {
        hasText:
          /WebGPU.*on the CPU in WebAssembly instead.*chrome:\/\/gpu|WebGPU.*on the CPU in WebAssembly instead.*Firefox/,
      })
      .waitFor();
    assert.is(await page.locator('.tree .node').count(), 7);
    await page.locator('.steps td', { hasText: /1\.\d+ → 0\.\d+/ }).waitFor();
    await page.click('#learning .primary');
    await waitForStates(page, /^done/);
    assert.match((await page.textContent('.networks'))!, /WebAssembly SIMD/);
    // Requested nevertheless: a clear refusal, and nothing else breaks.
    await page.selectOption('#executor', 'webgpu');
    await page.getByRole('button', { name: 'Restart', exact: true }).click();
    await waitForStates(page, /^failed/);
    assert.match((await page.locator('.network .notes').textContent())!, /WebGPU.*(chrome:\/\/gpu|Chrome or Edge)/);
    await page.selectOption('#executor', 'wasm');
    await page.click('#learning .primary');
    await waitForStates(page, /^done/);
    assert.equal(problems, []);
    await context.close();
  } finally {
    await bare.close();
  }
});

test('a GPU that is lost in the middle: training continues from its checkpoint without help, to the records of an undisturbed run', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, {
    hash: linkTo({ ...one, budget: { batch: 16, steps: 600 } }),
  });
  await page.selectOption('#executor', 'webgpu');
  await page.getByRole('button', { name: 'Step', exact: true }).click();
  await waitForStates(page, /^paused/);
  // The worker's device, captured when the next run requests it.
  const workers = page.workers();
  await Promise.all(
    workers.map((worker) =>
      worker.evaluate(() => {
        const request = GPUAdapter.prototype.requestDevice;
        GPUAdapter.prototype.requestDevice = async function (descriptor) {
          const device = await request.call(this, descriptor);
          Object.assign(globalThis, { device });
          return device;
        };
      }),
    ),
  );
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await waitForStates(page, /^training/);
  await page.waitForFunction(
    () => Number(/step ([\d,]+)/.exec(document.querySelector('.network .facts')!.textContent!)![1]) >= 8,
  );
  await page.locator('#learning .primary').click();
  await waitForStates(page, /^paused/);
  await Promise.all(
    workers.map((worker) => worker.evaluate(() => (globalThis as unknown as { device?: GPUDevice }).device?.destroy())),
  );
  await page.locator('#learning .primary').click();
  await page.locator('.network .notes', { hasText: 'The graphics device was lost' }).waitFor();
  await waitForStates(page, /^done/, 120_000);
  const disturbed = await losses(context, page.url());
  await page.getByRole('button', { name: 'Restart', exact: true }).click();
  await waitForStates(page, /^training/);
  await waitForStates(page, /^done/, 120_000);
  assert.equal(await losses(context, page.url()), disturbed);
  assert.ok(disturbed.length >= 10);
  assert.equal(problems, []);
  await context.close();
});

test('two tabs with the same run: the second trains a copy and reports it', async () => {
  const first = await visit(site.browser, site.server.url, { hash: linkTo(long) });
  await first.page.selectOption('#executor', 'wasm');
  await first.page.click('#learning .primary');
  await waitForStates(first.page, /^training/);
  const second = await visit(site.browser, site.server.url, { hash: linkTo(long), context: first.context });
  await second.page.selectOption('#executor', 'wasm');
  await second.page.click('#learning .primary');
  await second.page.locator('.network .notes', { hasText: 'Another tab is training this run' }).waitFor();
  await waitForStates(second.page, /^training/);
  // Removing or restarting a run that the other tab works on is refused.
  await second.page.getByRole('button', { name: /^Remove v=4/ }).click();
  await second.page.locator('#message', { hasText: 'another tab is training this run' }).waitFor();
  await waitForStates(first.page, /^training/);
  await second.page.close();
  assert.equal([...first.problems, ...second.problems], []);
  await first.context.close();
});

test('storage refused, and storage that fills up during the run: a notice, and training continues', async () => {
  const context = await site.browser.newContext();
  const refusal = () => void Object.defineProperty(StorageManager.prototype, 'getDirectory', { value: undefined });
  await context.addInitScript(refusal);
  await context.route('**/worker.js', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ contentType: 'text/javascript', body: `(${refusal})();${await answer.text()}` });
  });
  const refused = await visit(site.browser, site.server.url, { context, hash: linkTo(one) });
  await refused.page.selectOption('#executor', 'wasm');
  await refused.page.click('#learning .primary');
  await waitForStates(refused.page, /^done/);
  assert.match(
    (await refused.page.locator('#learning .notes').textContent())!,
    /lost when the page is closed.*no private file system/,
  );
  const [file] = await Promise.all([
    refused.page.waitForEvent('download'),
    refused.page.getByRole('button', { name: 'Weights, safetensors' }).click(),
  ]);
  assert.is(file.suggestedFilename(), 'hcnn-1.safetensors', 'what is in memory can still be taken away');
  assert.equal(refused.problems, []);
  await refused.context.close();

  const full = await visit(site.browser, site.server.url, { hash: linkTo(one) });
  await full.page.selectOption('#executor', 'wasm');
  await full.page.getByRole('button', { name: 'Step', exact: true }).click();
  await waitForStates(full.page, /^paused/);
  for (const worker of full.page.workers())
    await worker.evaluate(() => {
      FileSystemFileHandle.prototype.createWritable = async () => {
        throw new DOMException('no room', 'QuotaExceededError');
      };
    });
  await full.page.click('#learning .primary');
  await waitForStates(full.page, /^done/);
  assert.match(
    (await full.page.locator('#learning .notes').textContent())!,
    /From now on this run will be lost.*storage is full; remove other runs/,
  );
  assert.equal(full.problems, []);
  await full.context.close();
});

test('malformed and hostile links: one message, the page as it is without a link, no markup, no freeze', async () => {
  const markup = '<img src=x onerror="document.title=`owned`"><script>document.title="owned"</script>';
  const links: [string, RegExp][] = [
    ['#setting=%%%', /the link is damaged/],
    ['#setting=abc', /the link is damaged/],
    [linkTo(7), /expected an object/],
    [linkTo({ [markup]: 1 }), /unknown field "<img src=x/],
    [linkTo({ grammar: { v: markup, n: 4, m: 2, s: 2, L: 2 } }), /grammar\.v: got "<img/],
    [linkTo({ grammar: { v: 1e9, n: 4, m: 2, s: 2, L: 2 } }), /grammar\.v: got 1000000000/],
    [linkTo({ grammar: { v: 60, n: 60, m: 60, s: 64, L: 20 } }), /s\^L|grammar/],
    [linkTo({ grammar: { v: 4, n: 4, m: 2, s: 2, L: 2, rules: [[[[markup]]]] } }), /grammar\.rules/],
    [linkTo({ networks: Array(1000).fill({ model: { kind: 'hcnn' } }) }), /longer than|1 to 3 networks/],
    [linkTo({ networks: [{ model: { kind: markup } }] }), /model/],
    [
      linkTo({ networks: [{ model: { kind: 'hcnn', width: 65536 } }] }),
      /model\.width: got 65536, this page allows at most 1024/,
    ],
    [linkTo({ budget: { batch: 1e99 } }), /budget\.batch/],
    [linkTo({ replicas: 4096 }), /replicas: got 4096, this page allows at most 8/],
    [linkTo({ seed: -1 }), /seed/],
    [linkTo({ measures: ['__proto__'] }), /measures/],
    [linkTo(JSON.parse('{"__proto__": {"x": 1}, "constructor": 1}')), /the link is damaged/],
    [`#setting=${'A'.repeat(9000)}`, /longer than 8192/],
  ];
  const context = await site.browser.newContext();
  for (const [hash, message] of links) {
    const { page, problems } = await visit(site.browser, site.server.url, { context, hash });
    const said = (await page.textContent('#message'))!;
    assert.match(said, message, hash.slice(0, 60));
    assert.match(said, /^The link was ignored: /);
    assert.is(await page.inputValue('#grammar [data-field=v]'), '8');
    assert.is(await page.locator('#message img, #message script, main img').count(), 0);
    assert.match(await page.title(), /^rhm-lab/);
    assert.equal(problems, []);
    await page.close();
  }
  await context.close();
});

test('without the files of its worker, and in a worker that dies: reported, and a new start works', async () => {
  const context = await site.browser.newContext();
  let broken = true;
  await context.route('**/worker.js', (route) =>
    broken ? route.fulfill({ status: 404, body: '' }) : route.continue(),
  );
  const { page } = await visit(site.browser, site.server.url, { context, hash: linkTo(one) });
  await page.click('#learning .primary');
  await waitForStates(page, /^failed/);
  assert.match((await page.locator('#learning .notes').textContent())!, /worker crashed/);
  broken = false;
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);
  await context.close();
});

test.run();

/** Test losses of the only kept run. */
async function losses(context: BrowserContext, url: string): Promise<number[]> {
  const page = context.pages().find((p) => p.url() === url)!;
  const text = await page.evaluate(async () => {
    const runs = await (await navigator.storage.getDirectory()).getDirectoryHandle('runs');
    for await (const name of (runs as unknown as { keys(): AsyncIterable<string> }).keys()) {
      const run = await runs.getDirectoryHandle(name);
      return (await (await run.getFileHandle('records.jsonl')).getFile()).text();
    }
    return '';
  });
  const records = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return records.filter((r) => r.type === 'eval').map((r) => r.loss);
}
