import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { InputError, ShapeError } from '../../src/core/errors.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import type { DefinedKind } from '../../src/core/modelTypes.js';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { lab, startWorker, sweep } from '../../src/entry/node.js';
import { defineModel, loadModels, type ModelDefinition } from '../../src/models/define.js';
import { createModel } from '../../src/models/index.js';
import type { Net } from '../../src/models/net.js';
import { openSweepFolder } from '../../src/platform/sweepFolder.js';
import { checkModel } from '../../src/training/checkModel.js';
import { lastJson, rhm } from '../support/run.js';

const test = suite('models of other people');

const script = pathToFileURL(resolve('dist/worker.node.js'));
const grammar = { v: 6, m: 2, s: 2, L: 3, seed: 4 };

/** A module of a model without any import: it needs only \`net\`. */
const source = (kind: string) => `
export const tower = {
  kind: '${kind}',
  title: 'tower of windows',
  options: {
    width: { type: 'integer', default: 12, min: 4, max: 512, about: 'channels' },
    norm: { type: 'boolean', default: true },
    init: { type: 'choice', of: ['normal', 'zeros'], default: 'normal' },
    extra: { type: 'number' },
  },
  tasks: ['last', 'class'],
  optimiser: { kind: 'adamw', rate: 0.01 },
  forward(net, { width, norm, init }) {
    const { v, s, L, length, classes, task } = net.shape;
    const hidden = [];
    const weight = (name, rows, columns) => net.parameter({ name, shape: [rows, columns], init, disk: [{ name, shape: [rows, columns], start: 0, strides: [columns, 1] }] });
    let x = net.embed('first', weight('first', s * v, width), width, { filter: s, length, whitened: true, masked: task === 'last' ? length - 1 : -1, scale: (s * v) ** -0.5, relu: true });
    for (let k = 1; k < L; k++) {
      if (norm) x = net.norm('norm' + k, x);
      x = net.windows('layer' + k, x, weight('layer' + k, s * width, width), s, width, { local: false, scale: (s * width) ** -0.5, relu: true });
      hidden.push({ name: 'layer' + k, activation: x, positions: x.shape[2], units: width });
    }
    return { logits: net.linear('readout', net.mean('mean', x), classes, { scale: width ** -0.5 }), hidden };
  },
};
`;

function moduleOf(kind: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'rhm-models-')), `${kind}.mjs`);
  writeFileSync(file, source(kind));
  return file;
}

const experimentOf = (kind: string, more: Record<string, unknown> = {}): ExperimentInput => ({
  grammar,
  model: { kind: kind as DefinedKind },
  budget: { batch: 20, steps: 30 },
  evaluation: { size: 64 },
  measures: ['invariance', 'norms'],
  ...more,
});

test("a module's model is one of the program's: options, default optimiser, gradients, records, measures", async () => {
  const url = pathToFileURL(moduleOf('tower')).href;
  assert.equal(await loadModels([url]), ['tower']);
  const parsed = parseExperiment(experimentOf('tower'));
  assert.equal(parsed.model as unknown, { kind: 'tower', width: 12, norm: true, init: 'normal' });
  assert.is(parsed.optimiser.kind, 'adamw');
  assert.is(parsed.optimiser.rate, 0.01);
  const { ok, parameters } = await checkModel(experimentOf('tower'));
  assert.ok(ok, JSON.stringify(parameters));
  const run = await lab.train(experimentOf('tower'), { executor: 'wasm', threads: 1 });
  assert.is(run.reason, 'done');
  assert.ok(run.checkpoint!.length > 0);
});

test('packed replicas and a single run get the same weights; a checkpoint continues to the same bits', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rhm-tower-'));
  const wasm = { executor: 'wasm', threads: 1 } as const;
  const whole = await lab.train(experimentOf('tower', { replicas: 3 }), { ...wasm, folder: join(folder, 'pack') });
  const records = parseRecords(readFileSync(join(folder, 'pack/records.jsonl'), 'utf8')).records;
  const of = (replica: number) => records.flatMap((r) => (r.type === 'eval' && r.replica === replica ? [r.loss] : []));
  const alone = await lab.train(experimentOf('tower', { seed: 2 }), { ...wasm, folder: join(folder, 'alone') });
  const own = parseRecords(readFileSync(join(folder, 'alone/records.jsonl'), 'utf8')).records;
  assert.equal(
    of(2),
    own.flatMap((r) => (r.type === 'eval' ? [r.loss] : [])),
  );
  assert.is(whole.reason, alone.reason);
  assert.ok(records.some((r) => r.type === 'measure' && r.name === 'S_rule'));
});

test('a worker thread imports the module by its URL', async () => {
  const url = pathToFileURL(moduleOf('tower2')).href;
  const { api, terminate } = await startWorker(script);
  try {
    assert.equal(await api.loadModels([url]), ['tower2']);
    const there = await api.train(experimentOf('tower2'), { executor: 'wasm', threads: 1 });
    await loadModels([url]);
    const here = await lab.train(experimentOf('tower2'), { executor: 'wasm', threads: 1 });
    const weights = (bytes: Uint8Array) => [...decodeSafetensors(bytes, 'x').tensors].map(([n, t]) => `${n} ${t.data}`);
    assert.equal(weights(there.checkpoint!), weights(here.checkpoint!));
  } finally {
    await terminate();
  }
});

test('a sweep in worker threads trains it', async () => {
  const store = mkdtempSync(join(tmpdir(), 'rhm-tower-sweep-'));
  const url = pathToFileURL(moduleOf('tower3')).href;
  const grid = { base: experimentOf('tower3', { measures: [] }), grid: { seed: [1, 2], 'model.width': [8, 12] } };
  const options = { models: [url], executor: 'wasm', workers: 2, script } as const;
  const { trained, failed } = await sweep(grid, store, options);
  assert.equal(failed, []);
  assert.is(trained, 4);
  assert.ok(openSweepFolder(store));
});

test('the command line: train and sweep with --models, workers as processes; the hash is that of its experiment', async () => {
  const file = moduleOf('tower4');
  const out = mkdtempSync(join(tmpdir(), 'rhm-tower-cli-'));
  const set = [
    '--set',
    'grammar.v=6',
    'grammar.m=2',
    'grammar.L=3',
    'model=tower4',
    'budget.steps=10',
    'evaluation.size=64',
  ];
  const wasm = ['--executor', 'wasm', '--threads', '1', '--models', file];
  const trained = await rhm(['train', ...set, '--out', join(out, 'run'), ...wasm, '--json']);
  assert.is(trained.code, 0, trained.stderr);
  await loadModels([pathToFileURL(file).href]);
  const model = { kind: 'tower4' };
  const same = { grammar: { v: 6, m: 2, L: 3 }, model, budget: { steps: 10 }, evaluation: { size: 64 } };
  assert.is(lastJson(trained).hash, await contentHash(parseExperiment(same)));
  const grid = join(out, 'grid.json');
  writeFileSync(grid, JSON.stringify({ base: same, grid: { seed: [1, 2] } }));
  const swept = await rhm([
    'sweep',
    'run',
    grid,
    '--out',
    join(out, 'store'),
    ...wasm,
    '--workers',
    '2',
    '--isolate',
    'process',
    '--json',
  ]);
  assert.is(swept.code, 0, swept.stderr);
  const unknown = await rhm(['train', ...set, '--out', join(out, 'other'), '--executor', 'wasm']);
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /tower4/);
});

const refused: Record<string, [ModelDefinition | (() => ModelDefinition), RegExp]> = {
  'a name of the program': [{ kind: 'hcnn', forward: () => never() }, /hcnn comes with the program/],
  'a name that is no word': [{ kind: 'my model', forward: () => never() }, /my model/],
  'no forward pass': [{ kind: 'x' } as ModelDefinition, /x: it has no forward pass/],
  'an unknown task': [
    { kind: 'x', tasks: ['translate' as never], forward: () => never() },
    /x: tasks: got "translate"; pass some of/,
  ],
  'an unknown type of option': [
    { kind: 'x', options: { a: { type: 'text' as never } }, forward: () => never() },
    /x: option a: type: got "text"; pass integer, number, boolean, choice/,
  ],
  'a default outside its bounds': [
    { kind: 'x', options: { a: { type: 'integer', default: 3, min: 4 } }, forward: () => never() },
    /x: option a: its default 3/,
  ],
  'a choice of nothing': [
    { kind: 'x', options: { a: { type: 'choice', of: [] } }, forward: () => never() },
    /a choice needs names/,
  ],
};
const never = (): never => {
  throw new Error('not planned');
};
for (const [name, [definition, message]] of Object.entries(refused))
  test(`${name} is refused when defined`, () => {
    assert.throws(
      () => defineModel(definition as ModelDefinition),
      (error: unknown) => error instanceof InputError && message.test(error.message),
    );
  });

const start = (net: Net, width = 8) =>
  net.embed('start', net.parameter({ name: 'start', shape: [6, width], init: 'normal', disk: [] }), width, {
    ...{ length: 8, whitened: false, scale: 1 },
  });
const misplanned: Record<string, [ModelDefinition['forward'], RegExp]> = {
  nothing: [() => undefined as never, /model bad: its forward pass returns nothing/],
  'logits of another shape': [
    (net) => net.mean('mean', start(net)),
    /model bad: its logits are \[1,1,8\]; return \[1,1,6\]/,
  ],
  'logits of one dimension too many': [
    (net) => net.embed('start', net.matrix('start', 6, 8), 8, { length: 6, whitened: false, scale: 1 }),
    /model bad: its logits are \[1,1,6,8\]; return \[1,1,6\]/,
  ],
  'a shape that does not fit': [
    (net) =>
      net.windows('level 2', start(net), net.parameter({ name: 'w', shape: [24, 6], init: 'normal', disk: [] }), 3, 6, {
        local: false,
        scale: 1,
      }),
    /level 2/,
  ],
  'no parameter': [(net) => net.plan.program.persistent('fixed', [net.batch, 6]), /fixed: it depends on no parameter/],
};
for (const [name, [forward, message]] of Object.entries(misplanned))
  test(`a forward pass that returns ${name} is refused when planned`, () => {
    defineModel({ kind: 'bad', forward });
    assert.throws(
      () => createModel(parseExperiment({ grammar, model: 'bad' })),
      (error: unknown) =>
        (error instanceof InputError || error instanceof ShapeError) && message.test((error as Error).message),
    );
  });

test('a module without a model, and one that cannot be read, are named', async () => {
  const empty = join(mkdtempSync(join(tmpdir(), 'rhm-models-')), 'empty.mjs');
  writeFileSync(empty, 'export const answer = 42;');
  for (const [url, message] of [
    [pathToFileURL(empty).href, /empty.mjs exports no model/],
    ['file:///nowhere/at/all.mjs', /all.mjs cannot be imported/],
  ] as const)
    await loadModels([url]).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, message),
    );
});

test.run();
