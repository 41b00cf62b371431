import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdapterSummary } from '../../src/gpu/device.js';
import { serveFolder } from '../../src/platform/staticServer.js';
import { launchBrowser, openPage } from '../support/browser.js';
import { documents } from '../support/documents.js';
import { npm, type Packed, packAndInstall, softwareDriver } from '../support/packed.js';
import { deno, run } from '../support/run.js';
import { serve } from '../support/server.js';

/** Prints the adapter's name as seen by the main thread and by a worker. Runs in Node and Deno. */
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
let packed: Packed;
let folder = '';
test.before(async () => {
  packed = await packAndInstall(softwareDriver);
  ({ folder } = packed);
});
test.after(() => packed?.remove());

test('holds the bundles, declarations and readme, and no source', () => {
  const files = readdirSync(join(folder, 'node_modules/rhm-lab'), { recursive: true, encoding: 'utf8' });
  for (const name of ['dist/cli.js', 'dist/web.js', 'dist/types/entry/node.d.ts', 'README.md', 'LICENSE'])
    assert.ok(files.includes(name), name);
  assert.not.ok(files.some((f) => /^(src|test|shaders|assembly)\/.*\.ts$|\.map$/.test(f)));
});

test('what the documents link to is in the package', () => {
  const at = join(folder, 'node_modules/rhm-lab');
  const links = documents().flatMap((document) =>
    [...readFileSync(join(at, document), 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map(([, path]) => path)
      .filter((path) => !/^https?:/.test(path))
      .map((path) => join(dirname(document), path)),
  );
  assert.ok(links.length > 20);
  assert.equal(
    links.filter((path) => !existsSync(join(at, path))),
    [],
  );
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

const documented = () => {
  const texts = [...documents(), ...readdirSync('test/examples').map((name) => `test/examples/${name}`)]
    .filter((name) => /\.(md|mjs|js)$/.test(name))
    .map((name) => readFileSync(name, 'utf8'));
  const named = new Map<string, Set<string>>();
  for (const text of texts)
    for (const [, names, star, entry] of text.matchAll(/import (?:\{([^}]*)\}|\* as (\w+)) from '(rhm-lab[^']*)'/g)) {
      const used = star
        ? [...text.matchAll(new RegExp(`\\b${star}\\.(\\w+)`, 'g'))].map(([, name]) => name)
        : names.split(',');
      const set = named.get(entry) ?? new Set();
      for (const name of used) if (name.trim()) set.add(name.trim().split(' as ')[0]);
      named.set(entry, set);
    }
  const functions = new Set(
    texts.flatMap((text) => [...text.matchAll(/\b(?:lab|api)\.(\w+)\(/g)].map(([, name]) => name)),
  );
  return { named, functions };
};

test('everything that readme and examples import is exported, and every function of the laboratory that they call is there', async () => {
  const { named, functions } = documented();
  assert.ok(named.size >= 2 && functions.size > 4, [...named.keys()].join());
  const checks = [...named].map(
    ([entry, names]) => `import * as m${[...named.keys()].indexOf(entry)} from '${entry}';
for (const name of ${JSON.stringify([...names])}) if (!(name in m${[...named.keys()].indexOf(entry)})) console.log('${entry}: ' + name);`,
  );
  writeFileSync(
    join(folder, 'documented.mjs'),
    `${checks.join('\n')}\nimport { lab } from 'rhm-lab/node';\nfor (const name of ${JSON.stringify([...functions])}) if (typeof lab[name] !== 'function') console.log('lab.' + name);\n`,
  );
  const ran = await run(process.execPath, ['documented.mjs'], { cwd: folder });
  assert.equal([ran.code, ran.stdout, ran.stderr], [0, '', '']);
});

test('the reference: every export has its page, rhm serve shows it, and it asks for nothing else', async () => {
  const page = join(folder, 'node_modules/rhm-lab/dist/page');
  const pages = readdirSync(join(page, 'reference'), { recursive: true, encoding: 'utf8' });
  const isThere = (name: string) => pages.some((path) => path.endsWith(`.${name}.html`));
  for (const name of [...documented().named.values()].flatMap((names) => [...names]))
    if (!/^[A-Z_]+$/.test(name)) assert.ok(isThere(name), `${name} has no page`);
  const server = await serveFolder(page);
  const browser = await launchBrowser();
  try {
    const { page: opened, problems } = await openPage(
      browser,
      `${server.url}reference/interfaces/index.ExperimentInput.html`,
    );
    await opened.waitForSelector('text=patience');
    assert.match((await opened.textContent('body'))!, /vocabulary size; whole, 2 to 65536; default 16/);
    await opened.waitForTimeout(500);
    assert.equal(problems, []);
  } finally {
    await browser.close();
    await server.close();
  }
});

test('a server: page and elements can be imported, nothing starts', async () => {
  writeFileSync(
    join(folder, 'server.mjs'),
    "import * as web from 'rhm-lab/web';\nimport * as elements from 'rhm-lab/elements';\n" +
      "await import('./node_modules/rhm-lab/dist/page/elements.js');\nconsole.log(typeof web.lab.train, typeof elements.RhmGrammar);\n",
  );
  const ran = await run(process.execPath, ['server.mjs'], { cwd: folder });
  assert.equal([ran.code, ran.stdout, ran.stderr], [0, 'function function\n', '']);
});

test('CommonJS: require', async () => {
  const lines = ['rhm-lab', 'rhm-lab/node', 'rhm-lab/engine', 'rhm-lab/web', 'rhm-lab/elements'].map(
    (name) => `console.log(typeof require('${name}').${name === 'rhm-lab/elements' ? 'RhmGrammar' : 'InputError'});`,
  );
  writeFileSync(join(folder, 'required.cjs'), lines.join('\n'));
  // Node 20.19 and newer can require modules, with a warning.
  const ran = await run(process.execPath, ['--no-warnings', 'required.cjs'], { cwd: folder });
  assert.equal([ran.code, ran.stdout, ran.stderr], [0, 'function\n'.repeat(lines.length), '']);
});

// 300 MB of runtimes: only in the long form.
if (process.env.RHM_SOAK)
  test('the newest Node, and Bun: the bits of this Node, on the main thread and in a worker', async () => {
    const installed = await npm(['install', '--no-audit', '--no-fund', '--no-save', 'bun', 'node@latest'], folder);
    assert.is(installed.code, 0, installed.stderr);
    writeFileSync(
      join(folder, 'everywhere.mjs'),
      `import { lab, startWorker } from 'rhm-lab/node';
const experiment = { grammar: { v: 6, m: 2, L: 2 }, model: { kind: 'hcnn', width: 8 }, budget: { steps: 20, batch: 8 }, evaluation: { size: 32 } };
const options = { executor: 'wasm', threads: 1, simd: 'plain' };
const here = await lab.train(experiment, options);
const worker = await startWorker();
const there = await worker.api.train(experiment, options);
const { data } = await worker.api.logits({ experiment, weights: there.checkpoint }, [[0, 1, 2, 3]], options);
await worker.terminate();
console.log(JSON.stringify([here.loss, there.loss, [...data]]));`,
    );
    const said = async (command: string) => {
      const ran = await run(command, ['everywhere.mjs'], { cwd: folder });
      assert.is(ran.code, 0, ran.stderr);
      return ran.stdout;
    };
    const want = await said(process.execPath);
    for (const name of ['node/bin/node', '.bin/bun'])
      assert.is(await said(join(folder, 'node_modules', name)), want, name);
  });

for (const [module, moduleResolution] of [
  ['node16', 'node16'],
  ['esnext', 'bundler'],
] as const)
  test(`TypeScript, ${moduleResolution}: the declarations stand by themselves, and refuse what is wrong`, async () => {
    const typed = join(folder, moduleResolution);
    mkdirSync(typed, { recursive: true });
    cpSync('test/platform/fixtures/types.ts', join(typed, 'main.ts'));
    const lib = ['es2023', 'dom', 'dom.iterable'];
    const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: false };
    const compilerOptions = {
      ...strict,
      noEmit: true,
      target: 'es2022',
      module,
      moduleResolution,
      lib,
      types: [],
      skipLibCheck: false,
    };
    writeFileSync(join(typed, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['main.ts'] }));
    const checked = await run(resolve('node_modules/.bin/tsc'), ['-p', typed]);
    assert.equal([checked.code, checked.stdout], [0, '']);
  });

test.run();

function assertAdapters(ran: { code: number | null; stdout: string; stderr: string }, runtime: string): void {
  assert.is(ran.code, 0, ran.stderr);
  const adapters = JSON.parse(ran.stdout) as AdapterSummary[];
  assert.is(adapters.length, 2);
  for (const adapter of adapters) {
    assert.is(adapter.name, 'SwiftShader');
    assert.ok(adapter.runtime.startsWith(runtime), adapter.runtime);
  }
}
