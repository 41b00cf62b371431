import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdapterSummary } from '../../src/gpu/device.js';
import { launchBrowser, openPage } from '../support/browser.js';
import { deno, run } from '../support/run.js';
import { serve } from '../support/server.js';

/** Prints the adapter's name as the main thread and a worker see it. Runs in Node and Deno. */
const program = (entry: string) => `
import { lab, startWorker, InputError } from 'rhm-lab/${entry}';
import * as core from 'rhm-lab';
import * as engine from 'rhm-lab/engine';
if (new core.InputError('x').exitCode !== 2 || new InputError('x').name !== 'InputError') throw new Error('errors');
engine.defineModel({
  kind: 'probe',
  forward(net) {
    const { v, length, classes } = net.shape;
    const embedded = net.embed('first', net.matrix('first', v, 4), 4, { length, whitened: true, masked: length - 1, scale: 1 });
    return net.linear('readout', net.mean('mean', embedded), classes, { scale: 0.5 });
  },
});
const small = { grammar: { v: 4, m: 2, L: 2 }, budget: { steps: 3, batch: 4 }, evaluation: { size: 8 } };
const { reason } = await lab.train({ ...small, model: 'probe' }, { executor: 'wasm', threads: 1 });
if (reason !== 'done') throw new Error(reason);
const main = await lab.adapter();
const worker = await startWorker();
const inWorker = await worker.api.adapter();
await worker.terminate();
console.log(JSON.stringify([main, inWorker]));
`;

const test = suite('the packed package in an empty folder');
let folder = '';
test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rhm-consumer-'));
  const packed = await npm(['pack', '--silent', '--pack-destination', folder], process.cwd());
  assert.is(packed.code, 0, packed.stderr);
  const [tarball] = readdirSync(folder).filter((f) => f.endsWith('.tgz'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const installed = await npm(['install', ...quiet, `./${tarball}`], folder);
  assert.is(installed.code, 0, installed.stderr);
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('holds the bundles, declarations and readme, and no source', () => {
  const files = readdirSync(join(folder, 'node_modules/rhm-lab'), { recursive: true, encoding: 'utf8' });
  for (const name of ['dist/cli.js', 'dist/web.js', 'dist/types/entry/node.d.ts', 'README.md', 'LICENSE'])
    assert.ok(files.includes(name), name);
  assert.not.ok(files.some((f) => /^(src|test|shaders|assembly)\//.test(f)));
});

test('Node: import, a worker, and the command', async () => {
  writeFileSync(join(folder, 'node.mjs'), program('node'));
  const ran = await run(process.execPath, ['node.mjs'], { cwd: folder, env: { RHM_ADAPTER: 'swiftshader' } });
  assertAdapters(ran, 'node');
  const command = await npm(['exec', '--offline', '--', 'rhm', '--version'], folder);
  assert.match(command.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('Deno: import and a worker', async () => {
  writeFileSync(join(folder, 'deno.mjs'), program('deno'));
  const env = { RHM_ADAPTER: 'swiftshader' };
  assertAdapters(await deno(['run', '-A', '--node-modules-dir=manual', 'deno.mjs'], { cwd: folder, env }), 'deno');
});

test('a page without bundler: import map, a worker, no other file', async () => {
  writeFileSync(
    join(folder, 'page.html'),
    `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">{ "imports": { "rhm-lab/web": "/node_modules/rhm-lab/dist/web.js", "rhm-lab": "/node_modules/rhm-lab/dist/index.js", "rhm-lab/engine": "/node_modules/rhm-lab/dist/engine.js" } }</script>
<script type="module">window.ran = (async () => {
  const lines = [];
  const console = { log: (line) => lines.push(line) };
  ${program('web').replace(/^import (.*) from (.*);$/gm, (_, what, from) => `const ${what.replace('* as ', '')} = await import(${from});`)}
  return lines[0];
})();</script>`,
  );
  const server = await serve({ '/': folder }, false);
  const browser = await launchBrowser();
  try {
    const { page, problems } = await openPage(browser, `${server.origin}/page.html`);
    const stdout = (await page.evaluate('window.ran')) as string;
    assertAdapters({ code: 0, stdout, stderr: '' }, 'Chrome');
    assert.equal(problems, []);
    assert.equal(server.missing, []);
  } finally {
    await browser.close();
    await server.close();
  }
});

test('TypeScript: the declarations stand by themselves', async () => {
  mkdirSync(join(folder, 'typed'), { recursive: true });
  writeFileSync(
    join(folder, 'typed/main.ts'),
    `import { type DoctorReport, lab, openGpu, progress, startWorker } from 'rhm-lab/node';
import { openGpu as openInPage } from 'rhm-lab/web';
import { openGpu as openInDeno } from 'rhm-lab/deno';
import { RhmError } from 'rhm-lab';
import { defineModel, matmul, type Net, ProgramBuilder, referenceExecutor, type Tensor } from 'rhm-lab/engine';
defineModel({
  kind: 'typed',
  options: { width: { type: 'integer', default: 8 }, name: { type: 'choice', of: ['a', 'b'] } },
  forward(net: Net, { width, name }): Tensor {
    const units: number = width;
    const chosen: 'a' | 'b' | undefined = name;
    // @ts-expect-error an option that is none
    console.log(chosen, net.options.batch, ({ width, name }).height);
    return net.linear('readout', net.mean('mean', net.matrix('x', 1, units)), 2, { scale: 1 });
  },
});
const builder = new ProgramBuilder(1);
const [a, b, c] = ['a', 'b', 'c'].map((name) => builder.persistent(name, [2, 2]));
matmul(builder.plan('p'), { label: 'ab', m: 2, n: 2, k: 2, a: { tensor: a }, b: { tensor: b }, c: { tensor: c } });
const loaded = await referenceExecutor().load(builder.build());
await loaded.run('p');
const report: DoctorReport = await lab.doctor({}, (line) => console.log(line.length));
const worker = await startWorker();
const again: DoctorReport = await worker.api.doctor({}, progress((line: string) => console.log(line)));
const session = await openGpu({ adapter: 'gpu' });
const device: GPUDevice = session.device;
// @ts-expect-error a misspelt option
await openInPage({ adaptr: 'gpu' });
console.log(report, again, device, openInDeno, RhmError);
`,
  );
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    module: 'nodenext',
    lib: ['es2023', 'dom'],
    types: [],
    skipLibCheck: false,
  };
  writeFileSync(join(folder, 'typed/tsconfig.json'), JSON.stringify({ compilerOptions, include: ['main.ts'] }));
  const checked = await run(resolve('node_modules/.bin/tsc'), ['-p', join(folder, 'typed')]);
  // The plotting library's own declarations want @types/d3: what counts is ours and the consumer's.
  const errors = checked.stdout.split('\n').filter((line) => /error TS/.test(line) && !/@observablehq/.test(line));
  assert.equal(errors, []);
  assert.ok(checked.code === 0 || /@observablehq/.test(checked.stdout), checked.stdout + checked.stderr);
});

test.run();

function npm(args: readonly string[], cwd: string) {
  return run('npm', args, { cwd, timeoutSeconds: 800 });
}

function assertAdapters(ran: { code: number | null; stdout: string; stderr: string }, runtime: string): void {
  assert.is(ran.code, 0, ran.stderr);
  const adapters = JSON.parse(ran.stdout) as AdapterSummary[];
  assert.is(adapters.length, 2);
  for (const adapter of adapters) {
    assert.is(adapter.name, 'SwiftShader');
    assert.ok(adapter.runtime.startsWith(runtime), adapter.runtime);
  }
}
