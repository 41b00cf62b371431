import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import { grammarImage } from '../../src/core/grammarImage.js';
import { drawFrom, largest } from '../../src/core/softmax.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import type { MeasureSpec, MeasureValue } from '../../src/models/measure.js';
import { sampleTree } from '../../src/reference/sample.js';
import { similarity } from '../../src/reference/similarity.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { train } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';
import { failure } from '../support/gpu.js';

const test = suite('measures');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const general = Object.entries<MeasureSpec>(measures).flatMap(([name, { needs }]) => (needs ? [] : [name]));

const hcnn = {
  grammar: { v: 6, m: 2, s: 2, L: 3, seed: 2 },
  model: { kind: 'hcnn', width: 32 },
  optimiser: { kind: 'sgd', rate: 1 },
  budget: { batch: 32, steps: 1500 },
  evaluation: { size: 64, perDoubling: 1 },
  measures: general,
  seed: 1,
};

async function measured(input: object, steps: number): Promise<MeasureValue[]> {
  const members = membersOf(parseExperiment({ ...hcnn, ...input }));
  const trainer = await Trainer.create(members, executor, undefined, trainingProgram(members, measures));
  await trainer.advance(steps);
  const values = await trainer.measure();
  trainer.destroy();
  return values;
}

const pick = (values: MeasureValue[], name: string, layer?: number, level?: number, replica = 0): number => {
  const found = values.filter(
    (v) => v.name === name && v.layer === layer && v.level === level && v.replica === replica,
  );
  assert.is(found.length, 1, `${name}, layer ${layer}, level ${level}: ${found.length} values`);
  return found[0].value;
};

test('a trained hcnn is invariant to synonyms if its layers see whole blocks, and speaks the grammar', async () => {
  const before = await measured({}, 1);
  const after = await measured({}, 1500);
  const ratio = (values: MeasureValue[], layer: number, level: number) =>
    (1 - pick(values, 'S_rule', layer, level)) / (1 - pick(values, 'S_symbol', layer, level));
  assert.ok(ratio(before, 3, 1) > 0.6 && ratio(before, 3, 2) > 0.6, 'no invariance at the start');
  assert.ok(ratio(after, 3, 1) < 0.25 && ratio(after, 2, 1) < 0.5, `${ratio(after, 3, 1)} ${ratio(after, 2, 1)}`);
  assert.ok(ratio(after, 3, 2) < 0.6);
  assert.ok(pick(after, 'S_symbol', 3, 1) < 0.9, 'a symbol still makes a difference');
  for (const name of ['grammatical', 'grammatical-sampled']) {
    assert.ok(pick(before, name, undefined, 1) < 0.7);
    assert.ok(pick(after, name, undefined, 1) > 0.95, `${name}: ${pick(after, name, undefined, 1)}`);
    for (const level of [2, 3])
      assert.ok(pick(after, name, undefined, level) <= pick(after, name, undefined, level - 1), 'levels are nested');
  }
  assert.ok(pick(after, 'readout', 3, 2) > pick(before, 'readout', 3, 2) - 0.05);
  assert.ok(pick(after, 'readout', 2, 1) > 0.95);
});

test('S_rule and S_symbol are those of activations computed by hand in float64', async () => {
  const members = membersOf(parseExperiment({ ...hcnn, model: { kind: 'hcnn', width: 5 }, measures: ['invariance'] }));
  const training = trainingProgram(members, measures);
  const trainer = await Trainer.create(members, referenceExecutor(), undefined, training);
  const values = await trainer.measure();
  const [{ rules, test: source }] = members;
  const image = grammarImage(rules);
  const { params } = (await trainer.state())[0];
  const { offset } = training.program.tensors.get('hidden.0')!;
  const weights = params.subarray(offset, offset + 2 * 6 * 5); // [offset in the window, symbol, channel]
  // The first layer by hand: sum of the rows of both tokens, whitened; the last token of the sentence is masked.
  const layer = (tokens: Uint32Array) => {
    const out: number[] = [];
    for (let t = 0; t < 4; t++)
      for (let c = 0; c < 5; c++) {
        let sum = 0;
        for (let j = 0; j < 2; j++)
          for (let u = 0; u < 6; u++) {
            const masked = 2 * t + j === 7;
            const x = masked ? 6 ** -0.5 : (Number(tokens[2 * t + j] === u) - 1 / 6) / Math.sqrt(1 - 1 / 6);
            sum += x * weights[(j * 6 + u) * 5 + c];
          }
        out.push(Math.max(0, sum / Math.sqrt(12)));
      }
    return out;
  };
  for (const level of [1, 2])
    for (const [k, kind] of (['rule', 'symbol'] as const).entries()) {
      const tensor = training.program.tensors.get(`measure/invariance/${kind}.${level}`)!;
      const words = (await trainer.loaded.read(tensor)) as Uint32Array;
      assert.equal([...words.subarray(0, 4)], [k + 1, 3 - level, 2 ** (3 - level) - 2, 1]);
      const change = {
        kind,
        depth: words[1],
        position: words[2],
        different: true,
        key: [words[4], words[5]] as const,
      };
      const batch = Array.from({ length: 512 }, (_, i) => [
        sampleTree(image, source, i).symbols[3],
        sampleTree(image, source, i, change).symbols[3],
      ]);
      const [a, b] = [0, 1].map((i) => Float64Array.from(batch.flatMap((pair) => layer(pair[i]))));
      const want = similarity(512, 20, a, b);
      const got = pick(values, `S_${kind}`, 1, level);
      assert.ok(Math.abs(got - want) < 1e-6, `level ${level}, ${kind}: ${got}, by hand ${want}`); // inputs are f32 data
    }
  trainer.destroy();
});

test('every model that has hidden layers is measured, replicas as when alone', async () => {
  const grammar = { v: 5, m: 2, s: 2, L: 2, seed: 3 };
  for (const [task, model] of [
    ['last', { kind: 'hlcn', width: 8 }],
    ['class', { kind: 'hcnn', width: 8 }],
    ['last', { kind: 'fcn', width: 8 }],
    ['last', { kind: 'mla', channels: 8, heads: 2 }],
    ['auto', { kind: 'clm', channels: 8, heads: 2 }],
    ['mask', { kind: 'unet', width: 8 }],
    ['mask', { kind: 'mla', channels: 8, heads: 2 }],
  ] as const) {
    const hasLast = task !== 'class' && task !== 'mask'; // a last token predicted from all others
    const fitting = task === 'mask' ? [...general, 'validity'] : general;
    const names = fitting.filter((n) => hasLast || n !== 'grammaticality');
    const input = { grammar, task, model, optimiser: undefined, measures: names };
    const both = await measured({ ...input, replicas: 2, seed: 1 }, 3);
    assert.ok(
      both.every((v) => Number.isFinite(v.value)),
      model.kind,
    );
    assert.equal(
      both.filter((v) => v.replica === 1),
      (await measured({ ...input, seed: 2 }, 3)).map((v) => ({ ...v, replica: 1 })),
      model.kind,
    );
    const similarities = both.filter((v) => v.name.startsWith('S_')).map((v) => v.value);
    assert.ok(similarities.every((s) => s >= -1 && s <= 1 + 1e-6) && new Set(similarities).size > 2);
  }
});

test('sentences are measured with the masks of the test set', async () => {
  const read = async (fraction: number) => {
    const model = { kind: 'unet', width: 16 };
    const values = await measured({ model, task: { kind: 'mask', fraction }, measures: ['readout', 'gdv'] }, 1);
    return { layer1: pick(values, 'readout', 1, 1), layer3: pick(values, 'readout', 3, 1) };
  };
  const few = await read(0.125);
  assert.ok(few.layer1 > 0.6, `one of eight tokens: ${few.layer1}`);
  const all = await read(1); // every sentence looks the same
  assert.ok(all.layer1 < 0.5 && all.layer3 < 0.5, `${all.layer1}, ${all.layer3}`);
});

test('norms are those of the weights and of the gradient', async () => {
  const members = membersOf(parseExperiment({ ...hcnn, replicas: 2, measures: ['norms'] }));
  const trainer = await Trainer.create(members, executor, undefined, trainingProgram(members, measures));
  await trainer.advance(2);
  const values = await trainer.measure();
  const gradient = await trainer.loaded.read(trainer.loaded.program.tensors.get('grads')!);
  const half = gradient.length / 2;
  for (const [replica, { params }] of (await trainer.state()).entries()) {
    for (const [name, row] of [
      ['weight-norm', params],
      ['gradient-norm', gradient.subarray(replica * half, (replica + 1) * half)],
    ] as const) {
      const want = Math.hypot(...row);
      const got = pick(values, name, undefined, undefined, replica);
      assert.ok(Math.abs(got - want) <= 1e-5 * want, `${name}: ${got}, ${want}`);
    }
  }
  trainer.destroy();
});

test('a replica whose weights are NaN has no read-out, the other keeps its own', async () => {
  const members = membersOf(parseExperiment({ ...hcnn, replicas: 2, measures: ['readout'] }));
  const trainer = await Trainer.create(members, executor, undefined, trainingProgram(members, measures));
  const { params } = trainer.training;
  trainer.loaded.write(params, new Float32Array(params.replicaStride).fill(Number.NaN), 1);
  const values = await trainer.measure();
  for (const { replica, value } of values) assert.is(Number.isNaN(value), replica === 1);
  assert.is(values.length, 2 * 3 * 3);
  trainer.destroy();
});

test('draws follow softmax at a temperature', () => {
  const logits = [0, Math.log(3), Number.NEGATIVE_INFINITY];
  const count = (temperature: number) =>
    Array.from({ length: 1000 }, (_, i) => drawFrom(logits, (i + 0.5) / 1000, temperature)).filter((x) => x === 1)
      .length;
  assert.is(count(1), 750);
  assert.is(count(0.5), 900);
  assert.is(largest([1, 3, 3]), 1);
  assert.is(drawFrom(logits, 1 - 2 ** -53), 1);
});

test('records carry them; unknown names and impossible ones are refused', async () => {
  const folder = new MemoryFolder();
  const short = {
    ...hcnn,
    budget: { batch: 8, steps: 3 },
    measures: ['invariance', 'grammaticality', 'readout', 'norms'],
  };
  const { records } = await train(parseExperiment(short), { executor, folder, measures });
  const at2 = records.filter((r) => r.type === 'measure' && r.step === 2);
  assert.is(at2.length, 2 * 2 * 3 + 2 * 3 + 3 * 3 + 2);
  assert.ok(at2.every((r) => r.type === 'measure' && r.samples === 16));
  const refuse = async (input: object, says: RegExp) => {
    const error = await failure(() =>
      train(parseExperiment({ ...short, ...input }), { executor, folder: new MemoryFolder(), measures }),
    );
    assert.match(error.message, says);
  };
  await refuse({ measures: ['invariants'] }, /measures: got "invariants"; did you mean invariance\?/);
  await refuse(
    { task: 'class', measures: ['grammaticality'] },
    /measures: grammaticality needs a last token predicted from all others; pass task.kind 'last' or 'auto'/,
  );
  await refuse({ model: { kind: 'fcn', depth: 0 }, measures: ['readout'] }, /which a perceptron lacks/);
  await refuse({ grammar: { v: 6, m: 1, L: 2 }, measures: ['invariance'] }, /pass grammar.m >= 2/);
});

test.run();
