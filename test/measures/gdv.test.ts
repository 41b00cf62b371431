import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import { blend } from '../../src/kernels/blend.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { addTestBatch, declareClock, observedSymbols } from '../../src/measures/batch.js';
import { discrimination } from '../../src/measures/gdv.js';
import { measures } from '../../src/measures/index.js';
import type { MeasureValue } from '../../src/models/measure.js';
import { elementsPerReplica, type Tensor } from '../../src/plan/types.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';
import { uniforms } from '../support/random.js';

const test = suite('generalised discrimination value');
const executor = wasmExecutor();
test.after(() => executor.destroy());

/** The formula of the paper on points [B][D], in float64; constant dimensions are left out. */
function direct(points: readonly (readonly number[])[], classes: readonly number[]): number {
  const B = points.length;
  const columns = points[0].map((_, d) => points.map((x) => x[d])).filter((x) => x.some((value) => value !== x[0]));
  const scores = columns.map((x) => {
    const mean = x.reduce((a, b) => a + b, 0) / B;
    const deviation = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / B);
    return x.map((value) => (value - mean) / (2 * deviation));
  });
  const distance = (i: number, j: number) => Math.sqrt(scores.reduce((sum, z) => sum + (z[i] - z[j]) ** 2, 0));
  const kinds = [...new Set(classes)].filter((a) => classes.filter((c) => c === a).length > 1);
  const between = (a: number, b: number) => {
    const found: number[] = [];
    for (let i = 0; i < B; i++)
      for (let j = 0; j < B; j++) if (i !== j && classes[i] === a && classes[j] === b) found.push(distance(i, j));
    return found.reduce((x, y) => x + y, 0) / found.length;
  };
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const pairs = kinds.flatMap((a, i) => kinds.slice(i + 1).map((b) => between(a, b)));
  return (mean(kinds.map((a) => between(a, a))) - mean(pairs)) / Math.sqrt(scores.length);
}

/** The same from scalar products, as in the measure. */
function byProducts(points: readonly (readonly number[])[], classes: readonly number[]): number {
  const B = points.length;
  const scores = points[0].map((_, d) => {
    const x = points.map((p) => p[d]);
    const mean = x.reduce((a, b) => a + b, 0) / B;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / B;
    return x.map((value) => (0.5 * (value - mean)) / Math.sqrt(variance + 1e-10));
  });
  const products = points.flatMap((_, i) => points.map((_, j) => scores.reduce((sum, z) => sum + z[i] * z[j], 0)));
  return discrimination(products, classes);
}

const cloud = (count: number, dimensions: number, seed: number) => {
  const values = uniforms(count * dimensions, seed);
  return Array.from({ length: count }, (_, i) => [...values.subarray(i * dimensions, (i + 1) * dimensions)]);
};
const near = (got: number, want: number, bound: number, what = '') =>
  assert.ok(Math.abs(got - want) <= bound, `${what} ${got}, expected ${want}`);

test('two clusters that are points: -1', () => {
  const classes = Array.from({ length: 40 }, (_, i) => i % 2);
  near(
    byProducts(
      classes.map((a) => [a, 3 - 2 * a, 5 * a, 7]),
      classes,
    ),
    -1,
    1e-6,
  );
});

test('labels that are unrelated to the points: about 0', () => {
  const classes = Array.from(uniforms(200, 5), (x) => Math.floor(4 * (x + 0.5)));
  near(byProducts(cloud(200, 30, 6), classes), 0, 0.01);
});

test('the direct formula, which scaling, shifts and an order of the dimensions leave alone', () => {
  const classes = Array.from({ length: 60 }, (_, i) => (i * 7) % 5);
  const points = cloud(60, 9, 3).map((x, i) => x.map((value, d) => value + 0.3 * ((classes[i] * (d + 2)) % 3)));
  const want = direct(points, classes);
  assert.ok(want < -0.05 && want > -0.9, `${want} tells little`);
  near(byProducts(points, classes), want, 1e-8);
  const moved = points.map((x) => [...x].reverse().map((value, d) => (d + 0.5) * 40 * value - 17 * d));
  near(byProducts(moved, classes), want, 1e-8);
  near(
    byProducts(
      points.map((x) => [...x, 4, 0]),
      classes,
    ),
    want,
    1e-8,
    'dimensions that do not vary',
  );
});

test('classes of one point are left out; one class alone has no value', () => {
  const points = cloud(9, 4, 8);
  const classes = [0, 0, 0, 0, 1, 1, 1, 1, 2];
  near(byProducts(points, classes), direct(points, classes), 1e-8);
  assert.ok(Number.isNaN(byProducts(points, [0, 0, 0, 0, 0, 0, 0, 0, 2])));
});

for (const [name, input] of Object.entries({
  hcnn: { model: { kind: 'hcnn', width: 24 }, optimiser: { kind: 'sgd', rate: 1 } },
  mla: { model: { kind: 'mla', channels: 12, heads: 2 }, optimiser: { kind: 'adamw', rate: 5e-3 } },
  'clm, short context': { model: { kind: 'clm', channels: 8, heads: 2 }, task: { kind: 'auto', context: 6 } },
}))
  test(`${name}: the measure is the direct formula on the activations above each symbol`, async () => {
    const grammar = { v: 5, m: 2, s: 2, L: 3, seed: 2 };
    const members = membersOf(parseExperiment({ grammar, measures: ['gdv'], replicas: 2, seed: 1, ...input }));
    const kept: { tensor: Tensor; positions: number; units: number }[] = [];
    let symbols: Tensor | undefined;
    const training = trainingProgram(members, measures, (context) => {
      const { builder, model, shape } = context;
      const plan = builder.plan('look');
      const tokens = builder.persistent('look/tokens', [128, shape.d], 'u32');
      symbols = builder.persistent('look/symbols', [128, shape.d - 1], 'u32');
      addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, 'look') });
      for (const { activation, positions, units } of model.forward(plan, { tokens, batch: 128, training: false })
        .hidden) {
        const tensor = builder.persistent(`look/${kept.length}`, [128, positions, units]);
        const x = { ...activation, shape: [2, elementsPerReplica(tensor)] };
        blend(plan, { label: 'look', x, out: tensor, weights: { a: 0, b: 1 } });
        kept.push({ tensor, positions, units });
      }
    });
    const trainer = await Trainer.create(members, executor, undefined, training);
    await trainer.advance(300);
    const values = (await trainer.measure()).filter((v) => v.name === 'gdv');
    await trainer.loaded.run('look');
    const labels = await trainer.loaded.read(symbols!);
    const { firstToken, length } = training.shape;
    const seen = observedSymbols(training.shape).filter(({ lastToken }) => lastToken >= firstToken);
    assert.is(values.length, 2 * kept.length * seen.length);
    for (const [k, { tensor, positions, units }] of kept.entries()) {
      const all = await trainer.loaded.read(tensor);
      for (const { level, node, lastToken } of seen)
        for (const replica of [0, 1]) {
          const token = lastToken - firstToken;
          const oneEach = positions === length || positions === length - 1;
          const position = Math.min(positions - 1, oneEach ? token : Math.floor(token / (length / positions)));
          const points = Array.from({ length: 128 }, (_, i) => {
            const from = ((replica * 128 + i) * positions + position) * units;
            return [...all.subarray(from, from + units)];
          });
          const classes = points.map((_, i) => labels[(replica * 128 + i) * 7 + node]);
          const found = values.filter((v) => v.replica === replica && v.layer === k + 1 && v.level === level);
          assert.is(found.length, 1);
          // Products in f32 with K terms: a distance that is nearly 0 retains sqrt(2^-24 sqrt(K) |z|^2), over sqrt(D) about 1e-3.
          near(found[0].value, direct(points, classes), 1e-3, `layer ${k + 1}, level ${level}`);
        }
    }
    trainer.destroy();
  });

test('training separates symbols', async () => {
  const input = { grammar: { v: 6, m: 2, s: 2, L: 3, seed: 2 }, model: { kind: 'hcnn', width: 32 }, measures: ['gdv'] };
  const members = membersOf(parseExperiment({ ...input, budget: { batch: 32 }, optimiser: { kind: 'sgd', rate: 1 } }));
  const trainer = await Trainer.create(members, executor, undefined, trainingProgram(members, measures));
  const value = (values: MeasureValue[], layer: number, level: number) =>
    values.find((v) => v.layer === layer && v.level === level)!.value;
  const before = await trainer.measure();
  await trainer.advance(1500);
  const after = await trainer.measure();
  for (const [layer, level] of [
    [2, 1],
    [2, 2],
    [3, 1],
  ]) {
    const [from, to] = [before, after].map((values) => value(values, layer, level));
    assert.ok(to < from - 0.07 && to > -1.001, `layer ${layer}, level ${level}: ${from}, after training ${to}`);
  }
  trainer.destroy();
});

test.run();
