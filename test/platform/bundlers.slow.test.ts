/** The packed package in programs built by bundlers: the results train in workers in Chromium. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lab } from '../../src/entry/node.js';
import { launchBrowser, openPage } from '../support/browser.js';
import { npm, type Packed, packAndInstall } from '../support/packed.js';
import { run } from '../support/run.js';
import { serve } from '../support/server.js';

const test = suite('bundlers');
let packed: Packed;
let browser: Browser;
let want: number[];
test.before(async () => {
  packed = await packAndInstall('--omit=optional');
  browser = await launchBrowser();
  const { records } = await lab.train(
    {
      grammar: { v: 6, m: 2, s: 2, L: 2 },
      model: { kind: 'hcnn', width: 8 },
      budget: { steps: 20, batch: 8 },
      evaluation: { size: 32 },
    },
    { executor: 'wasm', threads: 1, simd: 'plain' },
  );
  want = records.flatMap((r) => (r.type === 'eval' ? [r.loss] : []));
  cpSync('test/platform/fixtures/app.js', join(packed.folder, 'app.js'));
  writeFileSync(join(packed.folder, 'index.html'), page('./app.js'));
});
test.after(async () => {
  await browser?.close();
  packed?.remove();
});

const page = (script: string) =>
  `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script type="module" src="${script}"></script>`;
/** A module of this repository's node_modules, for a script in another folder. */
const tool = (path: string) => JSON.stringify(pathToFileURL(resolve('node_modules', path)).href);

async function build(script: string): Promise<void> {
  writeFileSync(join(packed.folder, 'build.mjs'), script);
  const built = await run(process.execPath, ['build.mjs'], { cwd: packed.folder });
  assert.is(built.code, 0, built.stdout + built.stderr);
}

/** Opens a folder's page and checks the output of app.js. */
async function trains(folder: string): Promise<void> {
  const server = await serve({ '/': folder }, false);
  try {
    const { page, problems } = await openPage(browser, `${server.origin}/index.html`);
    const ran = (await page.evaluate('window.ran')) as Record<string, unknown>;
    assert.equal(ran, {
      reason: 'done',
      losses: want,
      refused: { name: 'InputError', ours: true },
      swept: [2, 0],
      element: ran.element,
    });
    assert.ok(Number(ran.element) > 5, `the element: ${ran.element}`);
    assert.equal(problems, []);
    assert.equal(server.missing, []);
    await page.close();
  } finally {
    await server.close();
  }
}

test('Vite', async () => {
  await build(`import { build } from ${tool('vite/dist/node/index.js')};
await build({ root: '.', logLevel: 'warn', build: { outDir: 'vite', target: 'es2022' } });`);
  await trains(join(packed.folder, 'vite'));
});

/** React and Vue of this repository: the packed package's folder has neither. */
const frameworks = JSON.stringify(
  Object.fromEntries(['react-dom', 'react', 'vue'].map((name) => [name, resolve('node_modules', name)])),
);
const frameworkBuilds = {
  Vite: `import { build } from ${tool('vite/dist/node/index.js')};
await build({ root: 'frameworks', logLevel: 'warn', resolve: { alias: ${frameworks} }, build: { outDir: 'Vite', target: 'es2022' } });`,
  webpack: `import webpack from ${tool('webpack/lib/index.js')};
const define = { __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' };
webpack({
  mode: 'production', entry: './frameworks.js', resolve: { alias: ${frameworks} }, performance: false,
  output: { path: process.cwd() + '/frameworks/webpack', filename: 'app.js' }, plugins: [new webpack.DefinePlugin(define)],
}, (error, stats) => {
  if (error || stats.hasErrors() || stats.hasWarnings()) throw error ?? new Error(stats.toString());
});`,
};
for (const [bundler, script] of Object.entries(frameworkBuilds))
  test(`${bundler} with React and Vue: the elements take properties, tell events, follow changes`, async () => {
    cpSync('test/platform/fixtures/frameworks.js', join(packed.folder, 'frameworks.js'));
    const out = join(packed.folder, 'frameworks', bundler);
    mkdirSync(join(packed.folder, 'frameworks'), { recursive: true });
    writeFileSync(join(packed.folder, 'frameworks/index.html'), page('../frameworks.js'));
    await build(script);
    if (bundler === 'webpack') writeFileSync(join(out, 'index.html'), page('./app.js')); // Vite writes its own
    const server = await serve({ '/': out }, false);
    try {
      const { page, problems } = await openPage(browser, `${server.origin}/index.html`);
      const ran = (await page.evaluate('window.ran')) as Record<string, unknown[]>;
      for (const name of ['react', 'vue']) {
        assert.equal(ran[name].slice(0, 2), [
          [20, 'number', true, 'hcnn'],
          [30, 'number', true, 'hcnn'],
        ]);
        assert.match(String(ran[name][2]), /resnet/);
      }
      assert.equal(problems, []);
      await page.close();
    } finally {
      await server.close();
    }
  });

test('webpack', async () => {
  await build(`import webpack from ${tool('webpack/lib/index.js')};
webpack({ mode: 'production', entry: './app.js', output: { path: process.cwd() + '/webpack', filename: 'app.js' }, performance: false }, (error, stats) => {
  if (error || stats.hasErrors() || stats.hasWarnings()) throw error ?? new Error(stats.toString());
});`);
  writeFileSync(join(packed.folder, 'webpack/index.html'), page('./app.js'));
  await trains(join(packed.folder, 'webpack'));
});

test('esbuild, with the scripts of the workers as entries of their own', async () => {
  await build(`import { build } from ${tool('esbuild/lib/main.js')};
await build({
  entryPoints: { app: 'app.js', 'worker.web': 'rhm-lab/worker', 'worker.page': 'rhm-lab/elements/worker' },
  bundle: true, minify: true, format: 'esm', splitting: true, outdir: 'esbuild', logLevel: 'error',
});`);
  writeFileSync(join(packed.folder, 'esbuild/index.html'), page('./app.js'));
  await trains(join(packed.folder, 'esbuild'));
});

// 340 MB of packages and a minute: only in the long form.
if (process.env.RHM_SOAK)
  test('Next, which renders on a server first', async () => {
    const folder = join(packed.folder, 'next');
    mkdirSync(join(folder, 'app'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "name": "site", "private": true, "type": "module" }');
    const installed = await npm(
      ['install', '--no-audit', '--no-fund', 'next', 'react', 'react-dom', packed.tarball],
      folder,
    );
    assert.is(installed.code, 0, installed.stderr);
    writeFileSync(join(folder, 'next.config.mjs'), "export default { output: 'export' };");
    writeFileSync(
      join(folder, 'app/layout.js'),
      'export default ({ children }) => <html><head><link rel="icon" href="data:," /></head><body>{children}</body></html>;',
    );
    const app = readFileSync('test/platform/fixtures/app.js', 'utf8').replace(
      'window.ran = (async',
      'globalThis.ran = globalThis.document && (async',
    );
    writeFileSync(join(folder, 'app/page.js'), `'use client';\n${app}\nexport default () => <p>trains</p>;`);
    const built = await run(process.execPath, ['node_modules/next/dist/bin/next', 'build'], {
      cwd: folder,
      env: { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: undefined },
      timeoutSeconds: 600,
    });
    assert.is(built.code, 0, built.stdout + built.stderr);
    await trains(join(folder, 'out'));
  });

test('no bundler: the package comes from another origin', async () => {
  const origin = await serve({ '/': join(packed.folder, 'node_modules/rhm-lab/dist') }, false, true);
  const imports = {
    'rhm-lab/web': `${origin.origin}/web.js`,
    'rhm-lab/elements': `${origin.origin}/elements.module.js`,
  };
  mkdirSync(join(packed.folder, 'foreign'));
  cpSync(join(packed.folder, 'app.js'), join(packed.folder, 'foreign/app.js'));
  writeFileSync(
    join(packed.folder, 'foreign/index.html'),
    page('./app.js').replace('<body>', `<script type="importmap">${JSON.stringify({ imports })}</script><body>`),
  );
  try {
    await trains(join(packed.folder, 'foreign'));
    assert.equal(origin.missing, []);
  } finally {
    await origin.close();
  }
});

test.run();
