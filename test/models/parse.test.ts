import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { train } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';

const test = suite('read-outs of every hidden symbol');
const executor = wasmExecutor({ threads: 1 });
test.after(() => executor.destroy());

const grammar = { v: 5, n: 3, m: 2, s: 2, L: 2, seed: 3 };

/** Logits [nodes, classes] of the first test sentence, and the values of the parameters after `change`. */
async function logitsOf(model: object, change: (name: string) => number, sentence = [0, 0, 0, 0]) {
  const members = membersOf(parseExperiment({ grammar, task: 'parse', model, seed: 2 } as never));
  let tensor: { name: string } | undefined;
  const training = trainingProgram(members, {}, ({ builder, model }) => {
    const tokens = builder.persistent('look/tokens', [4, 4], 'u32');
    const { logits } = model.forward(builder.plan('look'), { tokens, batch: 4, training: false });
    tensor = logits;
  });
  const trainer = await Trainer.create(members, executor, undefined, training);
  const weights = new Float32Array(training.program.parameterCount).fill(1);
  for (const { name } of training.model.parameters) {
    const { offset, shape } = training.program.tensors.get(name)!;
    const size = shape.reduce((a, b) => a * b, 1);
    for (let i = 0; i < size; i++) weights[offset + i] = change(name) * (1 + ((7 * i) % 11) / 5);
  }
  trainer.loaded.write(training.params, weights);
  trainer.loaded.write(
    training.program.tensors.get('look/tokens')!,
    Uint32Array.from([...sentence, ...new Array(12).fill(0)]),
  );
  await trainer.loaded.run('look');
  const all = await trainer.loaded.read(tensor as never);
  trainer.destroy();
  return [0, 1, 2].map((node) => [...all.subarray(node * 5, (node + 1) * 5)]);
}

for (const model of [
  { kind: 'hcnn', width: 4 },
  { kind: 'hlcn', width: 4 },
  { kind: 'mla', channels: 4, heads: 1 },
])
  test(`${model.kind}: the read-out of a level changes only the scores of its symbols, the root first`, async () => {
    const plain = await logitsOf(model, () => 1);
    for (const [level, own] of [
      [1, [1, 2]],
      [2, [0]],
    ] as const) {
      const changed = await logitsOf(model, (name) => (name === `readout.${level}` ? 3 : 1));
      for (const node of [0, 1, 2])
        for (let a = 0; a < 5; a++) {
          const factor = (own as readonly number[]).includes(node) ? 3 : 1;
          const want = factor * plain[node][a];
          assert.ok(Math.abs(want) > 1e-4, 'a score that says something');
          assert.ok(Math.abs(changed[node][a] - want) < 1e-4 * Math.abs(want), `level ${level}, node ${node}`);
        }
    }
  });

test('a transformer reads a symbol at its last token', async () => {
  const model = { kind: 'mla', channels: 4, heads: 1, residual: true };
  const passing = (name: string) => (name.startsWith('blocks') ? 0 : 1); // every position passes on its input
  const before = await logitsOf(model, passing);
  for (const [token, own] of [
    [0, []],
    [1, [1]],
    [2, []],
    [3, [0, 2]],
  ] as const) {
    const sentence = [0, 0, 0, 0];
    sentence[token] = 2;
    const after = await logitsOf(model, passing, sentence);
    const changed = [0, 1, 2].filter((node) => after[node].some((x, a) => Math.abs(x - before[node][a]) > 1e-4));
    assert.equal(changed, own, `token ${token}`);
  }
});

test('a CNN that shares weights learns every hidden symbol of sentences that it has not seen', async () => {
  const experiment = parseExperiment({
    grammar: { v: 6, m: 2, s: 2, L: 3, seed: 1 },
    ...{ task: 'parse', model: { kind: 'hcnn', width: 32 }, optimiser: { kind: 'sgd', rate: 1 } },
    budget: { batch: 32, steps: 400 },
    evaluation: { size: 256, perDoubling: 1 },
  });
  const { records } = await train(experiment, { executor, folder: new MemoryFolder() });
  const evals = records.flatMap((r) => (r.type === 'eval' ? [r] : []));
  assert.ok(Math.abs(evals[0].loss - Math.log(6)) < 0.3, 'of all symbols alike at the start');
  assert.ok(evals.at(-1)!.accuracy > 0.99, `${evals.at(-1)!.accuracy} of the symbols`);
});

test.run();
