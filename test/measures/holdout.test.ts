import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { grammarImage } from '../../src/core/grammarImage.js';
import { heldLanguage, heldSets } from '../../src/core/holdout.js';
import { sourceFromWords } from '../../src/core/sampleSource.js';
import { inOrder, shuffledOrder } from '../../src/core/shuffle.js';
import { probabilitiesOf } from '../../src/core/softmax.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import type { MeasureValue } from '../../src/models/measure.js';
import { sampleTree } from '../../src/reference/sample.js';
import { divergence, judge, twoPredictors } from '../../src/theory/index.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { logitsOf } from '../../src/training/logits.js';
import { train } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';
import { weightsOf } from '../../src/training/weights.js';
import { failure } from '../support/gpu.js';

const test = suite('measure holdout');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const base = {
  grammar: { v: 8, m: 4, s: 2, L: 3, seed: 2, holdout: { level: 3, fraction: 0.25 } },
  model: { kind: 'hcnn', width: 24 },
  budget: { batch: 32, steps: 400 },
  evaluation: { size: 1024, perDoubling: 1 },
  measures: ['holdout'],
  seed: 4,
} satisfies ExperimentInput;

async function measured(input: object, steps: number, by: Parameters<typeof Trainer.create>[1] = executor) {
  const members = membersOf(parseExperiment({ ...base, ...input }));
  const trainer = await Trainer.create(members, by, undefined, trainingProgram(members, measures));
  await trainer.advance(steps);
  const [values, evaluated] = [await trainer.measure(), await trainer.evaluate()];
  trainer.destroy();
  return { values, evaluated };
}

const pick = (values: readonly MeasureValue[], name: string, level?: number, replica = 0): number => {
  const found = values.filter((v) => v.name === name && v.level === level && v.replica === replica);
  assert.is(found.length, 1, `${name}, level ${level}`);
  return found[0].value;
};

test('on each set the output of the weights on its sentences, compared with both predictors, also with shuffled positions', async () => {
  for (const [name, change] of [
    ['in order', {}],
    ['shuffled', { grammar: { ...base.grammar, shuffle: 3 } }],
    [
      'a decoder',
      { model: { kind: 'clm', channels: 8, heads: 2, depth: 1 }, task: 'auto', budget: { batch: 8, steps: 20 } },
    ],
  ] as const) {
    const experiment = parseExperiment({ ...base, budget: { batch: 32, steps: 200 }, ...change });
    const folder = new MemoryFolder();
    const { records } = await train(experiment, { executor, folder, measures });
    const weights = weightsOf((await folder.read(files.checkpoint))!, files.checkpoint, { which: 'last' });
    const last = records.filter((r) => r.type === 'measure').filter((r) => r.step === experiment.budget.steps);
    const [{ rules, language, seed }] = membersOf(experiment);
    const seen = new Set<string>();
    for (const set of heldSets) {
      const rows: number[] = [];
      const held = heldLanguage(rules, base.grammar.holdout, set, 2);
      // The measure chooses the sentences of a set: they are read from its plan.
      const source = sourceIn(experiment, set);
      for (let i = 0; i < 1024; i++) rows.push(...sampleTree(grammarImage(held), source, i).symbols[3]);
      for (let i = 0; i < rows.length; i += 8) seen.add(rows.slice(i, i + 8).join());
      const tokens = Uint32Array.from(rows);
      const { shuffle } = experiment.grammar;
      const shown = shuffle === undefined ? tokens : inOrder(tokens, shuffledOrder(8, shuffle));
      const { data } = await logitsOf(experiment, weights, { shape: [1024, 8], data: shown }, executor);
      const each = data.length / 1024;
      const own = new Float64Array(8 * 1024);
      for (let b = 0; b < 1024; b++) own.set(probabilitiesOf(data.subarray((b + 1) * each - 8, (b + 1) * each)), 8 * b);
      const { loss, accuracy } = judge(own, tokens, 1024);
      const { grammar, surface } = twoPredictors(language, tokens, 1024);
      for (const [quantity, value] of [
        ['loss', loss],
        ['accuracy', accuracy],
        ['from-grammar', divergence(grammar, own, 1024)],
        ['from-surface', divergence(surface, own, 1024)],
      ] as const) {
        const got = pick(last, `${quantity}-${set}`);
        assert.ok(Math.abs(got - value) < 1e-5, `${name}, ${quantity}-${set}: ${got}, expected ${value}, seed ${seed}`);
      }
    }
    assert.ok(seen.size > 3000, 'sentences of three sets, hardly any twice');
  }
});

/** The words of the source from which the plan of a set draws. */
function sourceIn(experiment: ReturnType<typeof parseExperiment>, set: string) {
  const members = membersOf(experiment);
  if (set === 'without') return members[0].test;
  const { measures: built, program } = trainingProgram(members, measures);
  const call = program.plans.get(`measure/holdout/${set}`)!.calls.find(({ op }) => op === 'sample')!;
  const { data } = built[0].constants.find(({ tensor }) => tensor.name === call.inputs.source.name)!;
  return sourceFromWords(data as Uint32Array);
}

test('the set without pairs is the test set; a network that has learnt does worse on the others', async () => {
  const { values, evaluated } = await measured({}, 1200);
  assert.ok(Math.abs(pick(values, 'loss-without') - evaluated[0].loss) < 1e-5);
  assert.ok(Math.abs(pick(values, 'accuracy-without') - evaluated[0].accuracy) < 1e-9);
  assert.ok(pick(values, 'loss-context') > pick(values, 'loss-without') + 0.1);
  for (const set of heldSets) {
    const levels = [1, 2, 3].map((level) => pick(values, `grammatical-${set}`, level));
    assert.ok(levels[0] >= levels[1] && levels[1] >= levels[2] && levels[0] > 0.5, `${set}: ${levels}`);
    for (const from of ['from-grammar', 'from-surface']) assert.ok(pick(values, `${from}-${set}`) > 0);
  }
});

test('float64 measures the same, replicas with other pairs as when alone', async () => {
  const small = { model: { kind: 'hcnn', width: 4 }, budget: { batch: 4, steps: 9 } };
  const one = await measured(small, 3);
  const reference = await measured(small, 3, referenceExecutor());
  for (const [i, { name, value }] of one.values.entries())
    if (!name.startsWith('grammatical') && !name.startsWith('accuracy'))
      assert.ok(Math.abs(reference.values[i].value - value) < 1e-4, `${name}: ${reference.values[i].value} ${value}`);
  const two = await measured({ ...small, replicas: 2 }, 3);
  const second = await measured({ ...small, seed: 5, grammar: { ...base.grammar, seed: 2 } }, 3);
  for (const { name, level, value } of one.values) assert.is(pick(two.values, name, level, 0), value, name);
  for (const { name, level, value } of second.values) assert.is(pick(two.values, name, level, 1), value, name);
});

test('judged by hand: impossible sentences count separately, and the divergence of a distribution from itself is zero', () => {
  const p = Float64Array.of(0.5, 0.5, 0, 0.25, 0.5, 0.25, 1, 0, 0);
  const tokens = [9, 0, 9, 1, 9, 2];
  const { loss, possible, accuracy } = judge(p, tokens, 3);
  assert.ok(Math.abs(loss - Math.log(2)) < 1e-12);
  assert.is(possible, 2 / 3);
  assert.is(accuracy, 2 / 3);
  assert.is(divergence(p, p, 3), 0);
  const q = Float64Array.of(0.25, 0.5, 0.25, 0.25, 0.5, 0.25, 0.5, 0.25, 0.25);
  assert.ok(Math.abs(divergence(p, q, 3) - (0.5 * Math.log(2) + Math.log(2)) / 3) < 1e-12);
  assert.is(divergence(q, p, 3), Number.POSITIVE_INFINITY);
});

test('experiments to which it does not apply are refused', async () => {
  const refusal = async (change: object) =>
    (await failure(async () => trainingProgram(membersOf(parseExperiment({ ...base, ...change })), measures))).message;
  const { holdout: _, ...plain } = base.grammar;
  assert.match(
    await refusal({ grammar: plain }),
    /measures: holdout applies to pairs of rules held out.*set grammar\.holdout/,
  );
  assert.match(await refusal({ task: 'class' }), /measures: holdout uses a last token .*'last' or 'auto'/);
  const context = { task: { kind: 'last', context: 4 }, model: { kind: 'hcnn', width: 8, depth: 2 } };
  assert.match(await refusal(context), /whole contexts; leave task\.context out/);
});

test.run();
