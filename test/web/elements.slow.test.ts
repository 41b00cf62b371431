import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type StaticServer, serveFolder } from '../../src/platform/staticServer.js';
import type { RhmLearningCurve } from '../../src/web/elements/learningCurve.js';
import { rhm } from '../support/run.js';
import { launchBrowser, visit } from './visit.js';

const test = suite('custom elements in the page of somebody else');
const folder = mkdtempSync(join(tmpdir(), 'rhm-embed-'));
let browser: Browser;
let server: StaticServer;
test.before(async () => {
  cpSync('dist/page/elements.js', join(folder, 'elements.js'));
  cpSync('test/examples/embed.html', join(folder, 'index.html'));
  cpSync('test/examples/embed.js', join(folder, 'embed.js'));
  mkdirSync(join(folder, 'plain'));
  server = await serveFolder(folder);
  browser = await launchBrowser();
});
test.after(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the example page: several elements, events, styles that do not interfere', async () => {
  const { page, problems, context } = await visit(browser, server.url, { ready: 'rhm-grammar' });
  await page.locator('#small .tree .node').first().waitFor();
  await page.locator('#ternary .tree .node').first().waitFor();
  assert.is(await page.locator('#small .tree .node').count(), 1 + 2 + 4 + 8);
  assert.is(await page.locator('#ternary .tree .node').count(), 1 + 3 + 9);
  // Styles of the page (here of the user agent) and of the elements do not affect each other.
  const before = await page.evaluate(() => getComputedStyle(document.querySelector('h1')!).fontFamily);
  await page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(
      '* { font-family: monospace; letter-spacing: 9px; color: red; direction: rtl; text-transform: uppercase } button { display: none }',
    );
    document.adoptedStyleSheets = [sheet];
  });
  const inner = await page.evaluate(() => {
    const button = document.querySelector('#small')!.shadowRoot!.querySelector('button')!;
    const style = getComputedStyle(button);
    const { letterSpacing, color, direction, textTransform } = style;
    return { display: style.display, inherited: [letterSpacing, color, direction, textTransform] };
  });
  assert.is.not(inner.display, 'none');
  assert.equal(inner.inherited, ['normal', 'rgb(27, 31, 36)', 'ltr', 'none']);
  assert.not.match(before, /system-ui/, 'the elements leave the page alone');
  await page.evaluate(() => {
    document.adoptedStyleSheets = [];
  });
  // Dark or light like the page, not like the reader's system.
  await page.emulateMedia({ colorScheme: 'dark' });
  const paper = () => page.locator('#small').evaluate((e) => getComputedStyle(e).backgroundColor);
  assert.is(await paper(), 'rgb(20, 24, 29)');
  await page.evaluate(() => document.querySelector('meta[name=color-scheme]')!.remove());
  assert.is(await paper(), 'rgb(255, 255, 255)');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.locator('#small .tree [data-node="1,1"] circle').click();
  assert.match((await page.textContent('#heard'))!, /^small: rule at level 2, [1-4] tokens changed$/);
  // Tokens are hidden by a key; the page is told which.
  const heard = page.evaluate(
    () =>
      new Promise((resolve) => {
        document
          .querySelector('#small')!
          .addEventListener('rhm-hide', (event) => resolve((event as CustomEvent).detail), { once: true });
      }),
  );
  await page.locator('#small .tree [data-node="2,3"]').focus();
  await page.keyboard.press('h');
  assert.equal(await heard, { hidden: [6, 7] });
  // Attributes may change at any time; refused ones are reported in the element and as an event.
  await page.evaluate(() => document.querySelector('#ternary')!.setAttribute('l', '1'));
  await page.waitForFunction(
    () => document.querySelector('#ternary')!.shadowRoot!.querySelectorAll('.node').length === 4,
  );
  await page.evaluate(() => {
    const element = document.querySelector('#ternary')!;
    element.addEventListener('rhm-error', (event) => {
      document.title = (event as CustomEvent).detail.message;
    });
    element.setAttribute('m', '<b>100</b>');
  });
  await page.waitForFunction(() => /^m/.test(document.title));
  assert.match(
    (await page.locator('#ternary .problem').textContent())!,
    /^m \(production rules per symbol\): expected an integer.*<b>100/,
  );
  assert.is(await page.locator('#ternary b').count(), 0);
  // Training inside the element.
  await page.locator('#curve button.primary').click();
  await page.waitForFunction(() => / is done after /.test(document.querySelector('#heard')!.textContent!), undefined, {
    timeout: 60_000,
  });
  await page.waitForFunction(
    () => document.querySelector('#curve')!.shadowRoot!.querySelectorAll('.plot path[stroke-width="2.4"]').length === 2,
  );
  assert.equal(problems, []);
  // Removed from the page, it ends its workers.
  await page.evaluate(() => document.querySelector('#curve')!.remove());
  await page.waitForFunction(() => true);
  for (let tries = 0; page.workers().length && tries < 50; tries++) await page.waitForTimeout(100);
  assert.is(page.workers().length, 0);
  await context.close();
});

test('a restart of kept runs can be undone, by the button and by what restart() resolves to', async () => {
  mkdirSync(join(folder, 'kept'));
  writeFileSync(
    join(folder, 'kept/index.html'),
    '<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="../elements.js"></script>' +
      '<rhm-learning-curve models="hcnn" v="4" m="2" l="2" steps="60" batch="16" executor="wasm" keep></rhm-learning-curve>',
  );
  const { page, problems, context } = await visit(browser, `${server.url}kept/`, { ready: 'rhm-learning-curve' });
  const curve = page.locator('rhm-learning-curve');
  const undo = curve.getByRole('button', { name: 'Undo restart' });
  const done = () => curve.locator('.state', { hasText: 'Done' }).waitFor();
  const lossesOf = () =>
    curve.evaluate((e: RhmLearningCurve) => e.records[0].map((r) => (r.type === 'eval' ? r.loss : 0)));
  await curve.locator('button.primary').click();
  await done();
  const before = await lossesOf();
  assert.is(await undo.isVisible(), false);
  for (const way of ['button', 'function'] as const) {
    await curve.evaluate((e: RhmLearningCurve) => {
      const window = globalThis as { back?: Promise<(() => Promise<void>) | undefined> };
      window.back = e.restart();
      return window.back.then(() => e.pause());
    });
    await undo.waitFor();
    // It trains again, and pauses; the previous run is restored completely.
    if (way === 'button') await undo.click();
    else
      await page.evaluate(async () => {
        const back = await (globalThis as { back?: Promise<(() => Promise<void>) | undefined> }).back;
        await back!();
      });
    await done();
    assert.equal(await lossesOf(), before);
    assert.is(await undo.isVisible(), false);
  }
  await page.reload();
  await done();
  assert.equal(await lossesOf(), before);
  // A run that is not kept cannot be restored, and no button offers it.
  await curve.evaluate((e) => {
    e.removeAttribute('keep');
    e.setAttribute('steps', '61'); // a different run: the kept one would be shown
  });
  await curve.getByRole('button', { name: 'Train' }).click();
  await done();
  assert.is(await curve.evaluate((e: RhmLearningCurve) => e.restart().then((back) => back === undefined)), true);
  assert.is(await undo.isVisible(), false);
  await done();
  assert.equal(problems, []);
  await context.close();
});

test('run folders of rhm train are drawn by their addresses', async () => {
  const set = [
    'grammar.v=4',
    'grammar.m=2',
    'grammar.L=2',
    'model.width=8',
    'budget.batch=8',
    'budget.steps=64',
    'evaluation.size=64',
  ];
  const ran = await rhm([
    'train',
    '--executor',
    'wasm',
    '--set',
    'model=hcnn',
    ...set,
    '--out',
    join(folder, 'runs/one'),
  ]);
  assert.is(ran.code, 0, ran.stderr);
  const html = (src: string) =>
    `<!doctype html><title>x</title><link rel="icon" href="data:,"><script type="module" src="../elements.js"></script><rhm-learning-curve src="${src}"></rhm-learning-curve>`;
  writeFileSync(join(folder, 'plain/index.html'), html('../runs/one'));
  const { page, problems, context } = await visit(browser, `${server.url}plain/`, { ready: 'rhm-learning-curve' });
  await page.locator('rhm-learning-curve .plot path[stroke-width="2.4"]').waitFor();
  await page.locator('rhm-learning-curve .plot text', { hasText: 'H(2)' }).waitFor();
  assert.is(await page.locator('rhm-learning-curve .toolbar').isVisible(), false);
  assert.equal(problems, []);
  await page.evaluate(() => document.querySelector('rhm-learning-curve')!.setAttribute('src', 'nowhere'));
  await page.waitForFunction(() =>
    /nowhere/.test(document.querySelector('rhm-learning-curve')!.shadowRoot!.querySelector('.problem')!.textContent!),
  );
  assert.match(
    (await page.locator('.problem').textContent())!,
    /could not be read \(404\); pass the address of a run folder/,
  );
  await context.close();
});

test('properties: those set before the element is defined, numbers, lists, flags, values', async () => {
  writeFileSync(
    join(folder, 'plain/early.html'),
    '<!doctype html><title>x</title><link rel="icon" href="data:,"><rhm-learning-curve></rhm-learning-curve><rhm-grammar l="2"></rhm-grammar>' +
      '<script type="module" src="early.js"></script>',
  );
  writeFileSync(
    join(folder, 'plain/early.js'),
    `const [curve, grammar] = document.body.children;
Object.assign(curve, { models: ['hcnn'], v: 4, m: 2, l: 2, steps: 20, batch: 16, executor: 'wasm', autostart: true });
Object.assign(grammar, { v: 5, dataSeed: 3 });
await import('../elements.js');`,
  );
  const { page, problems, context } = await visit(browser, `${server.url}plain/early.html`, { ready: 'rhm-grammar' });
  await page.locator('rhm-learning-curve .state', { hasText: 'Done' }).waitFor();
  const seen = await page.evaluate(() => {
    const curve = document.querySelector('rhm-learning-curve')!;
    const grammar = document.querySelector('rhm-grammar')!;
    const before = [curve.models, curve.v, curve.keep, curve.src, grammar.l, grammar.m, grammar.dataSeed];
    const written = [curve.getAttribute('models'), curve.hasAttribute('autostart'), grammar.getAttribute('data-seed')];
    grammar.v = undefined;
    grammar.norules = true;
    curve.setting = { nonsense: 1 };
    const after = [grammar.hasAttribute('v'), grammar.hasAttribute('norules'), curve.getAttribute('setting')];
    return { before, written, after, setting: curve.setting };
  });
  assert.equal(seen.before, [['hcnn'], 4, false, undefined, 2, undefined, 3]);
  assert.equal(seen.written, ['hcnn', true, '3']);
  assert.equal(seen.after, [false, true, '{"nonsense":1}']);
  assert.equal(seen.setting, { nonsense: 1 });
  await page.locator('rhm-learning-curve .problem', { hasText: 'nonsense' }).waitFor();
  assert.equal(problems, []);
  await context.close();
});

test('in a frame without an origin (sandbox="allow-scripts"): it trains, and keeps nothing', async () => {
  const open = await serveFolder(folder, { origins: ['*'] });
  const host = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(
      request.url === '/inside'
        ? `<!doctype html><script type="module" src="${open.url}elements.js"></script>` +
            '<rhm-learning-curve models="hcnn" v="4" m="2" l="2" steps="20" batch="16" executor="wasm" keep autostart></rhm-learning-curve>'
        : '<!doctype html><title>x</title><iframe sandbox="allow-scripts" src="/inside"></iframe>',
    );
  }).listen(0, '127.0.0.1');
  await once(host, 'listening');
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(host.address() as AddressInfo).port}/`);
    await page.frameLocator('iframe').locator('rhm-learning-curve .state', { hasText: 'Done' }).waitFor();
    await page.close();
  } finally {
    await open.close();
    host.close();
  }
});

test('from another origin that allows it: a module script, its worker from a blob, a training; of one that does not, nothing', async () => {
  const host = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(
      `<!doctype html><script type="module" src="${request.url === '/named' ? named.url : server.url}elements.js"></script>` +
        '<rhm-learning-curve models="hcnn" v="4" m="2" l="2" steps="20" batch="16" executor="wasm" autostart></rhm-learning-curve>',
    );
  }).listen(0, '127.0.0.1');
  await once(host, 'listening');
  const origin = `http://127.0.0.1:${(host.address() as AddressInfo).port}`;
  const named = await serveFolder(folder, { origins: [origin] });
  try {
    const page = await browser.newPage();
    await page.goto(`${origin}/named`);
    await page.locator('rhm-learning-curve .state', { hasText: 'Done' }).waitFor();
    const framed = await browser.newPage();
    await framed.goto(origin); // a server that names no origin
    await framed.waitForTimeout(500);
    assert.is(await framed.evaluate(() => customElements.get('rhm-learning-curve') === undefined), true);
  } finally {
    await named.close();
    host.close();
  }
});

test.run();
