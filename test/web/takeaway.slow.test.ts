import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { relaxedRhm } from '../support/relaxed.js';
import { comparable, linkTo, pageSuite, quickSetting, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('what a visitor takes away');

/** The file that a button downloads. */
async function fetched(
  page: Page,
  network: number,
  button: string,
): Promise<{ name: string; path: string; bytes: Buffer }> {
  const where = network < 0 ? page.locator('#takeaway') : page.locator('#takeaway .network').nth(network);
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    where.getByRole('button', { name: button, exact: network < 0 }).click(),
  ]);
  const path = join(site.folder, file.suggestedFilename());
  await file.saveAs(path);
  return { name: file.suggestedFilename(), path, bytes: readFileSync(path) };
}

test('records, figures, weights and the experiment file; a reload keeps the runs, removing forgets them', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, {
    hash: linkTo({ ...quickSetting, replicas: 1 }),
  });
  assert.is(await page.locator('#takeaway button', { hasText: 'Weights' }).first().isDisabled(), true);
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await waitForStates(page, /^done/);

  const experiment = await fetched(page, 1, 'Experiment');
  const json = await fetched(page, 1, 'Records, JSON');
  const out = join(site.folder, 'cli');
  const cli = await relaxedRhm(['train', experiment.path, '--simd', 'relaxed', '--out', out, '--json']);
  assert.is(cli.code, 0, cli.stderr);
  const own = readFileSync(join(out, 'records.jsonl'), 'utf8');
  assert.equal(comparable(json.bytes.toString()), comparable(own), 'the experiment file reproduces the records');

  const csv = (await fetched(page, 1, 'Records, CSV')).bytes.toString().trim().split('\r\n');
  const evals = comparable(own).filter((r) => r.type === 'eval');
  assert.is(csv[0], 'type,replica,step,samples,name,layer,level,value,elapsed_ms');
  const losses = csv.filter((line) => /^eval,0,\d+,\d+,loss,/.test(line)).map((line) => Number(line.split(',')[7]));
  assert.equal(
    losses,
    evals.map((r) => r.loss),
  );

  // The weights start a run of the command line at the page's best loss.
  const weights = await fetched(page, 1, 'Weights');
  const { metadata, tensors } = decodeSafetensors(new Uint8Array(weights.bytes), weights.name);
  assert.is(Number(metadata.loss), Math.min(...evals.map((r) => r.loss as number)));
  assert.ok(tensors.has('token_embedding') && tensors.has('readout'));

  const svgFile = (await fetched(page, -1, 'SVG')).bytes.toString();
  assert.match(svgFile, /^<svg[^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  assert.match(svgFile, /Hierarchical CNN/);
  assert.not.match(svgFile, /var\(--/, 'a file holds its own colours');
  const png = (await fetched(page, -1, 'PNG')).bytes;
  assert.is(png.readUInt32BE(0), 0x89504e47);
  assert.is(png.readUInt32BE(16), 2 * 860, 'twice the pixels');

  await page.locator('.kept li', { hasText: 'Transformer (done)' }).waitFor();
  await page.reload();
  await waitForStates(page, /^done/);
  assert.is(await page.locator('.plot path[stroke-width="2.4"]').count(), 2, 'curves of the earlier visit');
  assert.ok((await fetched(page, 0, 'Weights')).bytes.length > 100, 'weights of the earlier visit');
  await page.goto(`${site.server.url}#`);
  await page.reload();
  await page.getByRole('button', { name: /^Open v=4/ }).click();
  await waitForStates(page, /^done/);
  await page.getByRole('button', { name: /^Remove v=4/ }).click();
  await page.locator('#takeaway', { hasText: 'None yet' }).waitFor();
  await waitForStates(page, /^ready/);
  assert.equal(problems, []);
  await context.close();
});

test('the link restores the whole setting in another browser', async () => {
  const { page, context } = await visit(site.browser, site.server.url);
  await page.fill('#grammar [data-field=v]', '6');
  await page.press('#grammar [data-field=v]', 'Enter');
  await page.click('details.more summary');
  await page.fill('.settings [data-field=channels]', '24');
  await page.press('.settings [data-field=channels]', 'Enter');
  await page.fill('.settings [data-field=replicas]', '3');
  await page.press('.settings [data-field=replicas]', 'Enter');
  const link = await page.inputValue('#link');
  assert.is(page.url(), link);
  await page.getByRole('button', { name: 'Copy link' }).click();
  await page.locator('#takeaway .hint', { hasText: /Copied|selected/ }).waitFor();
  const other = await visit(site.browser, link);
  assert.is(await other.page.inputValue('#grammar [data-field=v]'), '6');
  assert.is(await other.page.inputValue('.settings [data-field=channels]'), '24');
  assert.is(await other.page.inputValue('.settings [data-field=replicas]'), '3');
  assert.equal(other.problems, []);
  await context.close();
  await other.context.close();
});

test.run();
