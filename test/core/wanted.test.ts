import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { optimisers } from '../../src/core/optimisers.js';

/** What the refusal of a field tells: its name, the value, and what it accepts, from the bounds of the schema. */
const test = suite('refusals of an experiment');

const refusals: [object, string][] = [
  [{ grammar: { v: '6' } }, 'grammar.v: got "6"; pass a whole number from 2 to 65536'],
  [{ grammar: { L: 2.5 } }, 'grammar.L: got 2.5; pass a whole number from 1 to 20'],
  [{ grammar: { L: 21 } }, 'grammar.L: got 21; pass a whole number from 1 to 20'],
  [{ grammar: 5 }, 'grammar: got 5; pass an object with the fields v, n, m, s, L, '],
  [{ grammar: { rules: 'x' } }, 'grammar.rules: got "x"; pass a list: the rules: '],
  [{ grammar: { rules: [[[[0, 'a']]]] } }, 'grammar.rules.0.0.0.1: got "a"; pass a whole number of at least 0'],
  [
    { grammar: { rootPrior: 'x' } },
    'grammar.rootPrior: got "x"; pass probabilities of the root symbols: "uniform", or {"zipf": ...}, or a list',
  ],
  [{ grammar: { rootPrior: { zipf: -1 } } }, 'grammar.rootPrior.zipf: got -1; pass a number of at least 0'],
  [{ optimiser: { rate: Number.NaN } }, 'optimiser.rate: got NaN; pass a number above 0, at most 1000000'],
  [{ optimiser: { rate: Number.POSITIVE_INFINITY } }, 'optimiser.rate: got Infinity; pass a number above 0'],
  [{ optimiser: { kind: 'adamw', beta1: 3 } }, 'optimiser.beta1: got 3; pass a number from 0 to 0.9999'],
  [
    { optimiser: { kind: 'sgd', beta1: 0.9 } },
    'optimiser.beta1: no such field of sgd (of adamw, lion); there are kind, rate, momentum, ',
  ],
  [
    { optimiser: 3 },
    `optimiser: got 3; pass one of ${Object.keys(optimisers).join(', ')}, alone or as the field kind of an object`,
  ],
  [{ model: null }, 'model: got null; pass one of hcnn, hlcn, fcn, mla, clm, unet, alone or '],
  [{ model: 'cnn' }, 'model.kind: got "cnn"; pass one of hcnn, hlcn, fcn, mla, clm, unet'],
  [{ model: { kind: 'hcnn', bias: 'yes' } }, 'model.bias: got "yes"; pass true or false'],
  [{ model: { kind: 'hcnn', scaling: 'big' } }, 'model.scaling: got "big"; pass one of mean-field, standard'],
  [{ model: { kind: 'clm', dropout: 1 } }, 'model.dropout: got 1; pass a number from 0 to 0.9'],
  [{ task: 'root' }, 'task.kind: got "root"; pass one of last, class, auto, mask, parse'],
  [{ measures: 'norms' }, 'measures: got "norms"; pass a list of names, for example ["norms"]'],
  [{ measures: [3] }, 'measures.0: got 3; pass a name, as text'],
  [{ seed: -1 }, 'seed: got -1; pass a whole number of at least 0'],
  [{ budget: { stopLoss: '1' } }, 'budget.stopLoss: got "1"; pass a number of at least 0'],
  [{ budget: { steps: [1] } }, 'budget.steps: got [1]; pass a whole number from 1 to 2147483648'],
  [{ seed: 'x'.repeat(200) }, `seed: got "${'x'.repeat(76)}...; pass a whole number`],
];

for (const [input, says] of refusals)
  test(says.slice(0, 60), () => {
    try {
      parseExperiment(input);
    } catch (error) {
      assert.instance(error, InputError);
      assert.is((error as Error).message.slice(0, says.length), says);
      return;
    }
    assert.unreachable(`${JSON.stringify(input)} was taken`);
  });

test('several faults are all reported', () => {
  assert.throws(() => parseExperiment({ grammar: { v: 0 }, replicas: 0 }), /grammar.v: got 0; .*; replicas: got 0; /);
});

test.run();
