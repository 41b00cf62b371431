import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { addTestBatch, declareClock } from '../../src/measures/batch.js';
import { measures } from '../../src/measures/index.js';
import type { Tensor } from '../../src/plan/types.js';
import { consistentTrees } from '../../src/theory/index.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';
import { failure } from '../support/gpu.js';

const test = suite('sentences parsed');
const executor = wasmExecutor({ threads: 1 });
test.after(() => executor.destroy());

const input: ExperimentInput = {
  grammar: { v: 6, n: 4, m: 3, s: 2, L: 3, seed: 2 },
  ...{ task: 'parse', model: { kind: 'hcnn', width: 24 }, optimiser: { kind: 'sgd', rate: 1 } },
  ...{ budget: { batch: 32 }, measures: ['parsing'], replicas: 2, seed: 1 },
};

test('fractions are those of the labels of the same sentences, before and while a network learns', async () => {
  const members = membersOf(parseExperiment(input));
  let look: { symbols: Tensor; logits: Tensor } | undefined;
  const training = trainingProgram(members, measures, (context) => {
    const plan = context.builder.plan('look');
    const tokens = context.builder.persistent('look/tokens', [512, 8], 'u32');
    const symbols = context.builder.persistent('look/symbols', [512, 7], 'u32');
    addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, 'look') });
    look = { symbols, logits: context.model.forward(plan, { tokens, batch: 512, training: false }).logits };
  });
  const trainer = await Trainer.create(members, executor, undefined, training);
  const wholly: number[][] = [];
  for (const steps of [0, 60, 60]) {
    if (steps) await trainer.advance(steps);
    const values = await trainer.measure();
    await trainer.loaded.run('look');
    const [symbols, logits] = [await trainer.loaded.read(look!.symbols), await trainer.loaded.read(look!.logits)];
    for (const replica of [0, 1]) {
      const truth = Array.from({ length: 512 }, (_, b) => [
        ...symbols.subarray((replica * 512 + b) * 7).subarray(0, 7),
      ]);
      const scores = truth.map((_, b) =>
        Array.from({ length: 7 }, (_, node) => {
          const at = ((replica * 512 + b) * 7 + node) * 6;
          return [...logits.subarray(at, at + 6)];
        }),
      );
      const each = scores.map((rows) => rows.map((row) => row.indexOf(Math.max(...row))));
      const trees = scores.map((rows) => [...consistentTrees(members[replica].rules, rows.flat(), 1, 6)]);
      const fraction = (hits: boolean[]) => hits.filter(Boolean).length / hits.length;
      const same = (a: number[][], b: number[][], from = 0, to = 7) =>
        fraction(a.map((row, i) => row.slice(from, to).join() === b[i].slice(from, to).join()));
      const right = (labels: number[][], from: number, to: number) =>
        fraction(labels.flatMap((row, i) => row.slice(from, to).map((a, k) => a === truth[i][from + k])));
      const value = (name: string, level?: number) => {
        const found = values.filter((x) => x.replica === replica && x.name === name && x.level === level);
        assert.is(found.length, 1, `${name} ${level}`);
        return found[0].value;
      };
      for (const [name, labels] of [
        ['parsed', each],
        ['parsed-consistent', trees],
      ] as const) {
        assert.is(value(name), same(labels, truth));
        for (const [level, from, to] of [
          [3, 0, 1],
          [2, 1, 3],
          [1, 3, 7],
        ])
          assert.ok(Math.abs(value(name, level) - right(labels, from, to)) < 1e-12);
      }
      assert.is(value('consistent'), same(each, trees));
      wholly.push([value('parsed'), value('parsed-consistent'), value('consistent')]);
    }
  }
  trainer.destroy();
  const [before, after] = [wholly[0], wholly[4]];
  assert.ok(before[0] < 0.05 && before[2] < 0.2, `labels of random weights: ${before}`);
  assert.ok(after[0] > 0.02 && after[0] < 0.5 && after[1] > 0.5 && after[1] < 1, `after training: ${after}`);
});

test('networks that predict something else, and sizes that would not fit, are refused', async () => {
  const build = (change: object) => {
    const members = membersOf(parseExperiment({ ...input, replicas: 1, ...change }));
    return async () => trainingProgram(members, measures);
  };
  assert.match(
    (await failure(build({ task: 'last' }))).message,
    /parsing applies to networks that predict every hidden symbol; take task.kind 'parse', or probes/,
  );
  const large = { grammar: { v: 256, m: 4, L: 10 }, model: { kind: 'fcn', width: 4 } };
  assert.match(
    (await failure(build(large))).message,
    /parsing of 1023 hidden symbols of 256 would hold \d+ numbers, over/,
  );
});

test.run();
