import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as z from 'zod';
import { predictedPower } from '../../src/analysis/exponents.js';
import { InputError } from '../../src/core/errors.js';
import { type Experiment, experimentFields, experimentJsonSchema, parseExperiment } from '../../src/core/experiment.js';
import { modelFacts, modelKinds, modelOrder, registerModel } from '../../src/core/modelFacts.js';
import { models } from '../../src/models/index.js';
import { scopeOf } from '../../src/sweep/scope.js';

const test = suite('facts of models');

test('each model of the program has facts, and each row a model', () => {
  assert.equal(modelKinds(), Object.keys(models));
  const colours = modelKinds().map((kind) => modelFacts(kind).colour);
  assert.is(new Set(colours).size, colours.length, 'one colour each');
});

test('an unregistered name has facts, but no place in an experiment', () => {
  const facts = modelFacts('stranger');
  assert.is(facts.title, 'stranger');
  assert.is(facts.family, undefined);
  assert.is(facts.optimiser.kind, 'sgd');
  assert.is(facts.colour, modelKinds().length);
  assert.is(predictedPower('stranger' as never, 2), undefined);
  assert.throws(
    () => parseExperiment({ model: 'stranger' }),
    /model.kind: got "stranger"; pass one of hcnn, hlcn, fcn, mla, clm, unet$/,
  );
});

test('a registered model is parsed with its own fields and trained with its own optimiser', () => {
  const fields = { cells: z.number().int().min(1).max(64).default(8).describe('cells of the ring') };
  registerModel('ring', { fields, optimiser: { kind: 'adamw', rate: 0.01 }, family: 'cnn', title: 'ring of cells' });
  const at = (input: object) =>
    parseExperiment(input) as unknown as { model: object; optimiser: Experiment['optimiser'] };
  assert.equal(at({ model: 'ring' }).model, { kind: 'ring', cells: 8 });
  assert.is(at({ model: 'ring' }).optimiser.kind, 'adamw');
  assert.is(at({ model: 'ring' }).optimiser.rate, 0.01);
  assert.is(at({ model: 'ring', optimiser: { rate: 0.1 } }).optimiser.kind, 'adamw');
  assert.is(at({ model: 'ring', optimiser: 'sgd' }).optimiser.rate, 1);
  assert.throws(
    () => at({ model: { kind: 'ring', cells: 65 } }),
    /model.cells: got 65; pass a whole number from 1 to 64/,
  );
  assert.throws(() => at({ model: { kind: 'ring', cell: 6 } }), /model.cell: no such field; did you mean model\.cells/);
  assert.throws(() => at({ model: 'ringg' }), /pass one of hcnn, hlcn, fcn, mla, clm, unet, ring$/);
  assert.ok(experimentFields().includes('model.cells'));
  assert.match(JSON.stringify(experimentJsonSchema()), /cells of the ring/);
  assert.is(modelOrder('ring'), 6);
  assert.is(predictedPower('ring' as never, 2), 3);
  const experiment = { model: { kind: 'ring' }, grammar: { v: 8, m: 2, s: 2, L: 2 } };
  const { functions } = scopeOf(experiment, new Map());
  assert.is(functions.P(2, undefined), functions.P(2, 'cnn'));
  assert.equal(parseExperiment({ model: 'hcnn' }).model.kind, 'hcnn', 'the others stay');
});

test('names that are taken or not words are refused', () => {
  const refused = (kind: string, says: RegExp, row = {}) => {
    try {
      registerModel(kind, row);
    } catch (error) {
      assert.instance(error, InputError);
      assert.match((error as Error).message, says);
      return;
    }
    assert.unreachable(kind);
  };
  refused('hcnn', /hcnn comes with the program/);
  for (const kind of ['', 'a b', '1st', '__proto__']) refused(kind, /pass a letter, then/);
  refused('mine', /the field kind is the model's name/, { fields: { kind: z.string() } });
});

test.run();
