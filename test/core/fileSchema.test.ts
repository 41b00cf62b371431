/** The JSON Schemas of experiment and grid files against the program, by an independent validator. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { contentHash } from '../../src/core/canonical.js';
import { InputError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { experimentFileSchema } from '../../src/core/fileSchema.js';
import { modelKinds } from '../../src/core/modelFacts.js';
import { expandGrid } from '../../src/sweep/grid.js';
import { gridJsonSchema } from '../../src/sweep/gridSchema.js';

const test = suite('JSON Schemas of files');
const ajv = new Ajv2020({ strict: false, allErrors: true });
const experiment = ajv.compile(experimentFileSchema());
const grid = ajv.compile(gridJsonSchema());

const takes = (value: unknown): boolean => {
  try {
    parseExperiment(value);
    return true;
  } catch (error) {
    assert.instance(error, InputError);
    return false;
  }
};

const good: unknown[] = [
  {},
  { model: 'hcnn' },
  { model: { width: 64 } },
  { model: { kind: 'mla', heads: 4 } },
  { $schema: 'https://example.org/experiment.json', model: 'clm', task: 'auto' },
  { optimiser: 'lion' },
  { optimiser: { rate: 0.1 } },
  { model: 'mla', optimiser: { rate: 0.1 } },
  { model: 'mla', optimiser: { beta2: 0.9 } },
  { optimiser: { kind: 'adamw', rate: 0.1, clip: 1 } },
  { task: 'class' },
  { task: { kind: 'last', context: 4 } },
  { schedule: 'cosine' },
  { schedule: { warmup: 10 } },
  { grammar: { v: 8, rootPrior: { zipf: 1 }, ruleProbabilities: [null, 'uniform', [0.5, 0.5]] } },
  { budget: { batch: 8, sentences: 64, patience: 2 }, evaluation: { validation: 16 } },
  { from: { run: '0123456789abcdef', step: 3, checkpoint: 'fedcba9876543210' } },
];
const bad: unknown[] = [
  3,
  [],
  { model: 'hcn' },
  { model: { widht: 64 } },
  { model: { kind: 'mla', width: 3 } },
  { model: { heads: 4 } },
  { optimiser: 'adam' },
  { optimiser: { kind: 'sgd', beta1: 0.5 } },
  { optimiser: { rate: -1 } },
  { task: 'lst' },
  { schedule: { kind: 'linear' } },
  { grammar: { v: 0 } },
  { grammar: { v: 1.5 } },
  { seed: '3' },
  { wdith: 3 },
  { from: { run: 'x', step: 3, checkpoint: 'fedcba9876543210' } },
  { from: { run: '0123456789abcdef' } },
];

test('experiments: the schema accepts what the program accepts, and refuses what it refuses', () => {
  for (const value of good) {
    assert.ok(takes(value), `the program takes ${JSON.stringify(value)}`);
    assert.ok(experiment(value), `${JSON.stringify(value)}: ${ajv.errorsText(experiment.errors)}`);
  }
  for (const value of bad) {
    assert.not.ok(takes(value), `the program refuses ${JSON.stringify(value)}`);
    assert.not.ok(experiment(value), JSON.stringify(value));
  }
  for (const kind of modelKinds()) {
    assert.ok(experiment({ model: kind }), kind);
    const whole = JSON.parse(JSON.stringify(parseExperiment({ model: kind })));
    assert.ok(experiment(whole), `${kind}: ${ajv.errorsText(experiment.errors)}`);
  }
});

test('$schema does not affect the run', async () => {
  const [with_, without] = [parseExperiment({ $schema: 'x', model: 'hcnn' }), parseExperiment({ model: 'hcnn' })];
  assert.is(await contentHash(with_), await contentHash(without));
  assert.equal((await expandGrid({ $schema: 'x', base: { model: 'hcnn' } })).runs.length, 1);
});

test('grids: the examples, every form of a value, and mistyped names', async () => {
  const examples = readdirSync('test/examples').filter((name) => name.endsWith('.yaml'));
  assert.ok(examples.length >= 3);
  const base = { model: 'hcnn', grammar: { v: 8, L: 2 }, evaluation: { size: 16 }, budget: { batch: 8 } };
  const grids: unknown[] = [
    ...examples.map((name) => parse(readFileSync(join('test/examples', name), 'utf8'))),
    { $schema: 'x', base, seeds: 2 },
    { base: { ...base, 'model.width': 8, model: { width: 4 } } },
    { base, grid: { 'model.width': [8, 16], model: ['hcnn', 'hlcn'] } },
    { base, grid: { 'optimiser.rate': { from: 0.1, to: 1, count: 3, spacing: 'log' } } },
    { base, grid: { $c: [1, 2] }, derive: { 'budget.steps': '$c * 100' } },
    {
      base,
      grid: { 'grammar.m': { from: 2, to: 4, step: 1 } },
      derive: { 'budget.sentences': { P_ell: 1, times: 1 } },
    },
    { base, zip: { 'grammar.m': [2, 3], 'model.width': [8, 16] }, filter: 'grammar.m > 2' },
    { base, zip: [{ 'grammar.m': [2, 3] }], filter: ['grammar.m > 2'], seeds: { from: 3, count: 2 } },
    { base, blocks: [{ grid: { 'model.width': [8] } }, { seeds: [1, 5] }] },
    { base: { ...base, 'grammar.ruleProbabilities.zipf': 1 }, grid: { 'budget.steps': { expr: '2 ** 4' } } },
  ];
  for (const value of grids) {
    assert.ok(grid(value), `${JSON.stringify(value)}: ${ajv.errorsText(grid.errors)}`);
    assert.ok((await expandGrid(value)).runs.length > 0);
  }
  for (const value of [
    { bass: base },
    { base: { ...base, modle: 'hcnn' } },
    { base: { model: { widht: 8 } } },
    { base, grid: { 'model.widht': [8, 16] } },
    { base, grid: { 'model.width': { from: 1, too: 2 } } },
    { base, seeds: -1 },
    { base, blocks: [{ gird: {} }] },
    { base, search: { steps: [] } },
  ])
    assert.not.ok(grid(value), JSON.stringify(value));
});

test('a mistyped field is answered with the whole name of the one that is meant', () => {
  for (const [value, wanted] of [
    [{ model: { widht: 64 } }, /^model\.widht: no such field; did you mean model\.width\?$/],
    [{ widht: 64 }, /^widht: no such field; did you mean model\.width\?$/],
    [{ model: { rate: 1 } }, /^model\.rate: no such field; did you mean optimiser\.rate\?$/],
    [{ grammar: { stesp: 1 } }, /^grammar\.stesp: no such field; did you mean budget\.steps\?$/],
    [{ modle: 'hcnn' }, /^modle: no such field; did you mean model\?$/],
    [
      { model: { channels: 64 } },
      /^model\.channels: no such field of hcnn \(of mla, .*\); there are kind, width.*; rhm fields --yaml --model hcnn prints a file with all$/,
    ],
    [
      { optimiser: { kind: 'sgd', beta1: 0.9 } },
      /^optimiser\.beta1: no such field of sgd \(of adamw, lion\); there are kind, rate, momentum, weightDecay, clip$/,
    ],
    [
      { grammar: { holdout: null } },
      /^grammar\.holdout: got null, as of a line without fields below it; set fields below it \(level, fraction, seed\), or leave it out$/,
    ],
    [{ chanels: 64 }, /^chanels: no such field; there are grammar, task/],
    [{ model: 'mla', chanels: 64 }, /^chanels: no such field; did you mean model\.channels\?$/],
    [{ budget: { zzzzz: 1 } }, /^budget\.zzzzz: no such field; there are batch, accumulate, steps/],
  ] satisfies [object, RegExp][])
    assert.throws(
      () => parseExperiment(value),
      (error: Error) => wanted.test(error.message) || assert.unreachable(error.message),
    );
});

test.run();
