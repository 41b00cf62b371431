import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { parseExperiment } from '../../src/core/experiment.js';
import type { EvalRecord, TestRecord } from '../../src/core/records.js';
import type { SafeFile } from '../../src/core/safetensors.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { exactLosses } from '../../src/theory/predictor.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { groupKey } from '../../src/training/groupKey.js';
import { logitsOf } from '../../src/training/logits.js';
import { train } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { weightsOf } from '../../src/training/weights.js';

const test = suite('the last position alone is evaluated');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const base = {
  grammar: { v: 6, m: 2, s: 2, L: 3, seed: 3 },
  task: { kind: 'auto', context: 4 },
  model: { kind: 'clm', channels: 8, heads: 2 },
  budget: { batch: 8, sentences: 100, steps: 40 },
  seed: 5,
} as const;
const sizes = { size: 96, perDoubling: 1 };
const every = parseExperiment({ ...base, evaluation: sizes });
const last = parseExperiment({ ...base, evaluation: { ...sizes, positions: 'last' } });

async function run(experiment: typeof last) {
  const folder = new MemoryFolder();
  const { records } = await train(experiment, { executor, folder });
  const checkpoint = (await folder.read(files.checkpoint))!;
  return {
    evals: records.filter((r): r is EvalRecord => r.type === 'eval'),
    weights: weightsOf(checkpoint, files.checkpoint, { which: 'last' }),
  };
}

const plain = ({ tensors }: SafeFile) =>
  [...tensors].map(([name, { data }]) => [name, Array.from(data as Float32Array)]);

test('the loss is that of the last token, the training is the same', async () => {
  const [a, b] = [await run(every), await run(last)];
  assert.equal(plain(b.weights), plain(a.weights));
  const [member] = membersOf(last);
  const sampler = await createSampler(member.rules);
  const all = new Uint32Array(96 * 8);
  sampler.tokens(member.test, 0, 96, all);
  const tokens = new Uint32Array(96 * 4);
  for (let i = 0; i < 96; i++) tokens.set(all.subarray(8 * i + 4, 8 * i + 8), 4 * i);
  const { data } = await logitsOf(last, b.weights, { shape: [96, 4], data: tokens }, executor);
  const losses = [0, 0]; // losses of the last token, and of all three
  let right = 0;
  for (let i = 0; i < 96; i++)
    for (let t = 0; t < 3; t++) {
      const row = [...data.subarray((3 * i + t) * 6, (3 * i + t + 1) * 6)];
      const target = tokens[4 * i + t + 1];
      const loss = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[target];
      losses[1] += loss / 96 / 3;
      if (t < 2) continue;
      losses[0] += loss / 96;
      if (row.every((x) => x <= row[target])) right++;
    }
  assert.ok(Math.abs(b.evals.at(-1)!.loss - losses[0]) < 1e-5, `${b.evals.at(-1)!.loss} ${losses[0]}`);
  assert.ok(Math.abs(a.evals.at(-1)!.loss - losses[1]) < 1e-5, `${a.evals.at(-1)!.loss} ${losses[1]}`);
  assert.is(b.evals.at(-1)!.accuracy, Math.fround(right / 96));
  assert.ok(Math.abs(losses[0] - losses[1]) > 0.01, 'the two are told apart');
});

test('float64 agrees', async () => {
  const reference = referenceExecutor();
  const { records } = await train(parseExperiment({ ...last, budget: { ...last.budget, steps: 3 } }), {
    executor: reference,
    folder: new MemoryFolder(),
  });
  const { records: single } = await train(parseExperiment({ ...last, budget: { ...last.budget, steps: 3 } }), {
    executor,
    folder: new MemoryFolder(),
  });
  const loss = (list: typeof records) => list.findLast((r): r is EvalRecord => r.type === 'eval')!.loss;
  assert.ok(Math.abs(loss(records) - loss(single)) < 1e-4, `${loss(records)} ${loss(single)}`);
});

test('with a validation set: the exact loss of the window comes with the test loss', async () => {
  const validated = parseExperiment({ ...last, evaluation: { ...last.evaluation, validation: 64 } });
  const { records } = await train(validated, { executor, folder: new MemoryFolder() });
  const tested = records.find((r): r is TestRecord => r.type === 'test')!;
  const [member] = membersOf(validated);
  const sampler = await createSampler(member.rules);
  const tokens = new Uint32Array(96 * 8);
  sampler.tokens(member.test, 0, 96, tokens);
  assert.ok(Math.abs(tested.exact! - exactLosses(member.rules, tokens, 96)[2]) < 1e-12);
});

test('runs that differ in their evaluation share no plan, and have different hashes', async () => {
  assert.is.not(groupKey(every), groupKey(last));
  assert.is.not(await contentHash(every), await contentHash(last));
});

test.run();
