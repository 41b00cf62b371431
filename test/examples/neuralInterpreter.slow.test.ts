/** The example network of routed functions: gradients, training, a worker thread in Node and a worker in a page. */
import { rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DefinedKind } from '../../src/core/modelTypes.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { lab, startWorker } from '../../src/entry/node.js';
import type * as Web from '../../src/entry/web.js';
import { loadModels } from '../../src/models/define.js';
import { checkModel } from '../../src/training/checkModel.js';
import { launchBrowser, openPage } from '../support/browser.js';
import { deno, lastJson, rhm } from '../support/run.js';
import { serve } from '../support/server.js';

const test = suite('example: neural interpreter');

const file = 'test/examples/neuralInterpreter.mjs';
const module = pathToFileURL(resolve(file)).href;
const grammar = { v: 8, m: 2, s: 2, L: 3, seed: 1 };
const wasm = { executor: 'wasm', threads: 1, simd: 'plain' } as const;
const short = {
  grammar,
  model: { kind: 'interpreter' as DefinedKind, channels: 16, heads: 2, functions: 2 },
  budget: { batch: 16, steps: 20 },
  evaluation: { size: 64 },
};
const weights = (bytes: Uint8Array) =>
  [...decodeSafetensors(bytes, 'checkpoint').tensors].map(([name, { data }]) => `${name} ${data}`);

test.before(async () => void (await loadModels([module])));

test('its gradients are those of finite differences', async () => {
  const { ok, parameters } = await checkModel(short);
  assert.ok(parameters.length > 20);
  assert.ok(ok, parameters.map((p) => `${p.name} ${p.error}`).join(', '));
});

test('it learns the grammar like the transformer: below the first two steps', async () => {
  const H2 = 0.234; // nats, of this grammar
  for (const model of ['interpreter' as DefinedKind, { kind: 'mla', channels: 32, heads: 4 }] as const) {
    const options = { grammar, model, budget: { batch: 32, steps: 1000 }, evaluation: { size: 1024 } };
    const { loss } = await lab.train({ ...options, optimiser: { kind: 'adamw', rate: 0.003 } }, wasm);
    assert.ok(Number(loss) < H2, `${JSON.stringify(model)}: ${loss}`);
  }
});

test('a worker thread and a page in Chromium, whose workers import it by URL, get the weights of this thread', async () => {
  const here = weights((await lab.train(short, wasm)).checkpoint!);
  const { api, terminate } = await startWorker(pathToFileURL(resolve('dist/worker.node.js')));
  try {
    assert.equal(await api.loadModels([module]), ['interpreter']);
    assert.equal(weights((await api.train(short, wasm)).checkpoint!), here);
  } finally {
    await terminate();
  }
  const server = await serve({ '/dist/': resolve('dist'), '/examples/': resolve('test/examples') }, false);
  const browser = await launchBrowser();
  try {
    const { page } = await openPage(browser, server.origin);
    const checkpoint = await page.evaluate(
      async ({ origin, experiment, options }) => {
        const web = (await import(`${origin}/dist/web.js`)) as typeof Web;
        const { api, terminate } = await web.startWorker();
        await api.loadModels([`${origin}/examples/neuralInterpreter.mjs`]);
        const run = await api.train(experiment, options);
        await terminate();
        return [...run.checkpoint!];
      },
      { origin: server.origin, experiment: short, options: wasm },
    );
    assert.equal(weights(Uint8Array.from(checkpoint)), here);
  } finally {
    await browser.close();
    await server.close();
  }
});

test('a worker in Deno imports it too', async () => {
  const script = resolve('build', `interpreter-${process.pid}.mjs`);
  writeFileSync(
    script,
    `import { startWorker } from ${JSON.stringify(pathToFileURL(resolve('dist/deno.js')).href)};
const { api, terminate } = await startWorker();
await api.loadModels([${JSON.stringify(module)}]);
const { reason, loss } = await api.train(${JSON.stringify(short)}, ${JSON.stringify(wasm)});
await terminate();
console.log(JSON.stringify({ reason, loss }));
`,
  );
  try {
    const { code, stdout, stderr } = await deno(['run', '-A', script]);
    assert.is(code, 0, stderr);
    const { loss } = await lab.train(short, wasm);
    assert.equal(JSON.parse(stdout), { reason: 'done', loss });
  } finally {
    rmSync(script);
  }
});

test('the command line takes it by --models, replicas side by side and on WebGPU', async () => {
  const out = resolve('build', `interpreter-${process.pid}`);
  const set = [
    'model.kind=interpreter',
    'model.channels=16',
    'model.heads=2',
    'grammar.v=8',
    'grammar.m=2',
    'grammar.L=2',
  ];
  const { code, stdout, stderr } = await rhm([
    ...['train', '--models', file, '--set', ...set, 'budget.steps=20', 'evaluation.size=64', 'replicas=2'],
    ...['measures=["readout","gdv"]', '--adapter', 'swiftshader', '--out', out, '--json'],
  ]);
  assert.is(code, 0, stderr);
  assert.is(lastJson({ stdout }).reason, 'done');
});

test.run();
