import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import { decodeSafetensors, type SafeTensor } from '../../src/core/safetensors.js';
import { createSampler } from '../../src/grammar/index.js';
import { membersOf } from '../../src/training/members.js';
import type { PointInfo } from '../../src/web/cloud/look.js';
import { rhm } from '../support/run.js';
import { launchBrowser, linkTo, pageSuite, quickSetting, seedOfFirstCloud, visit, waitForStates } from './visit.js';

const { test, site } = pageSuite('the representation in the page');

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
    const chips = [...card.querySelectorAll<HTMLElement>('.symbols button')].map((chip) =>
      getComputedStyle(chip).backgroundColor.match(/\d+/g)!.map(Number),
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

/** Squares of a heat map: those of one shade are one path. */
const squares = (card: Locator): Promise<number> =>
  card
    .locator('.heat-map .cells')
    .evaluateAll((paths) => paths.reduce((n, p) => n + p.getAttribute('d')!.split('M').length - 1, 0));

/** Waits until both canvases show something. */
async function bothPainted(page: Page): Promise<void> {
  for (const network of [0, 1])
    for (let tries = 0; ; tries++) {
      const { pixels, colours } = await painted(page, network);
      if (pixels > 60 && colours >= 2) break; // few sentences differ in so small a grammar
      assert.ok(tries < 300, `network ${network}: ${pixels} pixels painted, ${colours} colours`);
      await page.waitForTimeout(100);
    }
}

test('the cloud is drawn while it trains, chosen by form, turned by keys and pointer, and stays after the end', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(setting) });
  await page.selectOption('#executor', 'wasm');
  await page.click('#learning .primary');
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await bothPainted(page);
  await waitForStates(page, /^done/);
  const card = page.locator('#representation .network').first();
  await card.locator('.hint', { hasText: 'Step 300: three directions hold' }).waitFor();
  assert.match(
    (await card.textContent())!,
    /% of the variance; \d+% of all variance is within a colour; drawn by WebGPU\./,
  );

  // When it is not turning, only a turn by hand changes the picture.
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
  assert.is(await squares(card), 2 * 4 * 16);
  const attention = page.locator('#representation .network').nth(1);
  await attention.locator('[data-field=layer]').selectOption('0');
  await attention.locator('figcaption', { hasText: 'Attention in layer 1' }).waitFor();
  assert.is(await squares(attention), 16);
  await attention.locator('[data-field=head]').selectOption({ value: '1' });
  await attention.locator('[data-field=sentence]').selectOption({ value: '3' });
  await attention
    .locator('figcaption', { hasText: 'head 2, sentence 3: rows are queries (the token that attends)' })
    .waitFor();
  // Rows and columns carry the sentence's tokens; each row of weights adds up to 1.
  const labels = await attention.locator('.heat-map text').allTextContents();
  assert.equal(labels.slice(0, 4), labels.slice(4));
  assert.equal(problems, []);
  await context.close();
});

test('on WebGPU it is drawn from the training buffers themselves', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, {
    hash: linkTo({
      ...setting,
      networks: setting.networks.map(({ model, optimiser }) => ({ model, optimiser })),
      measures: [],
      budget: { batch: 8, steps: 100_000 },
      evaluation: { size: 64, perDoubling: 1 },
      replicas: 2,
      looks: [{ replica: 1 }],
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
  assert.is(await seedOfFirstCloud(page).inputValue(), '1');
  await page.click('#learning .primary');
  await waitForStates(page, /^paused/);
  await bothPainted(page);
  assert.not.match((await page.textContent('#representation'))!, /not drawn/);
  assert.equal(problems, []);
  await context.close();
});

test('without WebGPU the CPU draws it', async () => {
  const bare = await launchBrowser(['--disable-features=WebGPU', '--disable-gpu', '--use-webgpu-adapter=none']);
  try {
    const { page, problems, context } = await visit(bare, site.server.url, { hash: linkTo(setting), dark: true });
    await page.click('#learning .primary');
    await page.locator('#representation').scrollIntoViewIfNeeded();
    await page
      .locator('#representation .hint', { hasText: 'drawn on the CPU, since there is no WebGPU' })
      .first()
      .waitFor();
    await bothPainted(page);
    assert.equal(problems, []);
    await context.close();
  } finally {
    await bare.close();
  }
});

const grammar = { v: 5, n: 4, m: 3, s: 2, L: 3, seed: 2 };
const taught = { ...quickSetting, grammar, replicas: 1, budget: { batch: 16, steps: 120 } };

test('a point is the principal components of the activations of `rhm train`, its colour the hidden symbol; keys walk the points', async () => {
  const { page, problems, context } = await visit(site.browser, site.server.url, { hash: linkTo(taught) });
  await page.selectOption('#executor', 'wasm');
  await page.locator('#representation').scrollIntoViewIfNeeded();
  const card = page.locator('#representation .network').first();
  await card.locator('.hint', { hasText: 'Step 0: three directions hold' }).waitFor();
  await bothPainted(page);
  await page.click('#learning .primary');
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await waitForStates(page, /^done/);
  await card.locator('.hint', { hasText: 'Step 120: three directions hold' }).waitFor();
  await card.getByRole('checkbox', { name: 'turn' }).uncheck();
  await card.locator('[data-field=layer]').selectOption({ value: '1' });
  await card.locator('[data-field="colour by symbol of level"]').selectOption({ value: '2' });
  await card.locator('[data-field=position] option', { hasText: '1 of 2' }).waitFor({ state: 'attached' });
  await page.waitForTimeout(300);
  await page.evaluate(() => {
    const kept = globalThis as unknown as { parts: unknown[] };
    kept.parts = [];
    document.querySelector('#representation .stage')!.addEventListener('part', (event) => {
      kept.parts.push((event as CustomEvent).detail);
    });
  });
  await card.locator('.stage').focus();
  const WALK = 40;
  for (let i = 0; i < WALK; i++) {
    await page.keyboard.press('n');
    await page.waitForFunction(
      (count) => (globalThis as unknown as { parts: unknown[] }).parts.length === count,
      i + 1,
    );
  }
  const parts = await page.evaluate(() => (globalThis as unknown as { parts: PointInfo[] }).parts);
  await page.keyboard.press('p');
  const words = card.locator('[role=status]', { hasText: `Sentence ${WALK - 2}: tokens` });
  await words.waitFor({ state: 'attached' });
  const before = parts[WALK - 2];
  assert.is(
    await words.textContent(),
    `Sentence ${WALK - 2}: tokens ${before.tokens.slice(0, 4).join(' ')} of ${before.tokens.join(' ')}; level-2 symbol ${before.symbol}`,
  );
  await page.keyboard.press('Escape');
  await card.locator('.hint', { hasText: 'Point at the cloud' }).waitFor();

  // The sentences are those of the sampler's test stream; the symbols follow from the tokens by the grammar's file.
  const { networks, ...shared } = taught;
  const experiment = parseExperiment({ ...shared, ...networks[0] });
  const { directory, rules } = await trained(experiment, 'hcnn');
  const [member] = membersOf(experiment);
  const sentences = Array.from({ length: 512 }, () => [] as number[]);
  const { symbols } = (await createSampler(member.rules)).trees(member.test, 0, sentences.length);
  sentences.forEach((tokens, b) => {
    tokens.push(...symbols.subarray(15 * b + 7, 15 * b + 15));
  });
  for (const [i, part] of parts.entries()) {
    assert.is(part.sentence, i);
    assert.equal(part.tokens, sentences[i]);
    assert.equal([part.start, part.end], [0, 4], 'the last but one of two positions');
    assert.is(part.symbol, parse(rules, part.tokens, 2)[0]);
  }
  assert.ok(new Set(parts.map((p) => p.symbol)).size > 2);
  const { tensors } = decodeSafetensors(new Uint8Array(readFileSync(join(directory, 'checkpoint.safetensors'))), 'c');
  const facts = (await card.locator('.hint', { hasText: 'Step 120: three' }).textContent())!;
  const rows = sentences.map((t) => hcnn(tensors, t, grammar.v, 2)[0]);
  checkComponents(
    parts.map((p) => p.point),
    rows,
    Number(/hold (\d+)%/.exec(facts)![1]) / 100,
  );

  // The table shows the last measurement.
  const records = readFileSync(join(directory, 'records.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));
  const value = (name: string, layer: number, level: number) =>
    records.findLast((r) => r.name === name && r.layer === layer && r.level === level).value as number;
  for (const layer of [1, 2, 3])
    for (const level of layer === 1 ? [1] : [1, 2]) {
      const ratio = (1 - value('S_rule', layer, level)) / (1 - value('S_symbol', layer, level));
      const cell = card
        .locator('table.heat tbody tr')
        .nth(3 - layer)
        .locator('td')
        .nth(level - 1);
      assert.is(await cell.textContent(), ratio.toFixed(2), `layer ${layer}, level ${level}`);
    }

  // Another visit shows the run as it was left.
  await page.reload();
  await waitForStates(page, /^done/);
  await page.locator('#representation').scrollIntoViewIfNeeded();
  await card.locator('.hint', { hasText: 'Step 120: three directions hold' }).waitFor();
  await bothPainted(page);
  assert.equal(problems, []);
  await context.close();
});

test.run();

async function trained(experiment: object, name: string) {
  const file = join(site.folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(experiment));
  const directory = join(site.folder, name);
  const run = await rhm(['train', file, '--executor', 'wasm', '--out', directory, '--json']);
  assert.is(run.code, 0, run.stderr);
  return { directory, rules: JSON.parse(readFileSync(join(directory, 'rules.json'), 'utf8')) as RulesFile };
}

interface RulesFile {
  L: number;
  s: number;
  rules: number[][][][]; // [level][symbol][rule] = tuple
}

/** Symbols of a level (from the leaves) above the tokens. */
function parse({ rules, L, s }: RulesFile, tokens: readonly number[], level: number): number[] {
  let symbols = [...tokens];
  for (let up = 1; up <= level; up++) {
    const parents = rules[L - up];
    symbols = Array.from({ length: symbols.length / s }, (_, i) => {
      const tuple = symbols.slice(i * s, (i + 1) * s).join();
      return parents.findIndex((own) => own.some((rule) => rule.join() === tuple));
    });
  }
  return symbols;
}

/** Activations [positions][width] of layer `depth` of a hierarchical CNN, from the weights on disk. */
function hcnn(
  tensors: ReadonlyMap<string, SafeTensor>,
  tokens: readonly number[],
  v: number,
  depth: number,
): number[][] {
  let x = tokens.map((token, p) =>
    Array.from({ length: v }, (_, a) =>
      p === tokens.length - 1 ? v ** -0.5 : (Number(a === token) - 1 / v) / Math.sqrt(1 - 1 / v),
    ),
  );
  for (let k = 0; k < depth; k++) {
    const { shape, data: any } = tensors.get(`hidden.${k}.0.filter`)!;
    const data = any as Float32Array;
    const [out, inputs, s] = shape;
    x = Array.from({ length: x.length / s }, (_, p) =>
      Array.from({ length: out }, (_, o) => {
        let sum = 0;
        for (let i = 0; i < inputs; i++)
          for (let j = 0; j < s; j++) sum += data[(o * inputs + i) * s + j] * x[p * s + j][i];
        return Math.max(0, sum / Math.sqrt(inputs * s));
      }),
    );
  }
  return x;
}

/** Checks that these points are the first of the rows, projected on their first three principal components, up to a rotation. */
function checkComponents(points: readonly number[][], rows: readonly number[][], held: number): void {
  const [N, W] = [rows.length, rows[0].length];
  const mean = Array.from({ length: W }, (_, c) => rows.reduce((sum, r) => sum + r[c], 0) / N);
  const x = rows.map((r) => r.map((a, c) => a - mean[c]));
  const C = Array.from({ length: W }, (_, a) =>
    Array.from({ length: W }, (_, b) => x.reduce((sum, r) => sum + r[a] * r[b], 0) / N),
  );
  const total = C.reduce((sum, row, a) => sum + row[a], 0);
  const times = (v: readonly number[]) => C.map((row) => row.reduce((sum, c, b) => sum + c * v[b], 0));
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, y, i) => sum + y * b[i], 0);
  // Power iteration with deflation, checked by its residual: an eigenvalue lies within that distance of each value found.
  const vectors: number[][] = [];
  const values: number[] = [];
  for (let k = 0; k < 4; k++) {
    let v = Array.from({ length: W }, (_, c) => Math.cos(1 + c * (k + 1.3)));
    for (let i = 0; i < 4000; i++) {
      for (const u of vectors) v = v.map((y, c) => y - dot(u, v) * u[c]);
      v = times(v);
      const norm = Math.sqrt(dot(v, v));
      v = v.map((y) => y / norm);
    }
    const value = dot(v, times(v));
    const residual = times(v).map((y, c) => y - value * v[c]);
    assert.ok(k === 3 || Math.sqrt(dot(residual, residual)) < 1e-6 * total, `eigenvector ${k}`);
    vectors.push(v);
    values.push(value);
  }
  const atol = 2e-4; // f32 sums of 2 W and of W terms over two layers, and a division by the spread
  const share = (values[0] + values[1] + values[2]) / total;
  assert.ok(Math.abs(share - held) <= 0.00501, `they hold ${held}, expected ${share}`);
  assert.ok(values[2] > values[3] * 1.001, 'the third component is one');
  // All inner products agree, up to the scale of the picture.
  const spread = Math.sqrt(values[0] + values[1] + values[2]) / 0.78;
  const mine = x.slice(0, points.length).map((r) => [0, 1, 2].map((k) => dot(r, vectors[k]) / spread));
  for (let i = 0; i < points.length; i++)
    for (let j = 0; j <= i; j++) {
      const [theirs, wanted] = [dot(points[i], points[j]), dot(mine[i], mine[j])];
      assert.ok(Math.abs(theirs - wanted) < atol, `points ${i}, ${j}: ${theirs}, expected ${wanted}`);
    }
}
