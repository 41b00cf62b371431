import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exactPlateaus } from '../../src/analysis/curves.js';
import { contentHash } from '../../src/core/canonical.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import type { EvalRecord, MeasureRecord } from '../../src/core/records.js';
import { inOrder, inverseOrder, shuffledOrder } from '../../src/core/shuffle.js';
import { Parser } from '../../src/grammar/parser.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import { batches } from '../../src/training/batches.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { generate } from '../../src/training/generate.js';
import { groupKey } from '../../src/training/groupKey.js';
import { logitsOf } from '../../src/training/logits.js';
import { train } from '../../src/training/loop.js';
import { membersOf, rulesOf } from '../../src/training/members.js';
import { weightsOf } from '../../src/training/weights.js';

const test = suite('shuffled positions');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const SEED = 9;
const base = {
  grammar: { v: 6, m: 2, s: 2, L: 3, seed: 3 },
  model: { kind: 'fcn', width: 32, depth: 2 },
  budget: { batch: 16, steps: 1500 },
  evaluation: { size: 96, perDoubling: 1 },
  seed: 5,
} satisfies ExperimentInput;
const shuffled = (change: ExperimentInput = {}) =>
  parseExperiment({ ...base, ...change, grammar: { ...base.grammar, shuffle: SEED } });
const order = shuffledOrder(8, SEED);

async function run(
  experiment: ReturnType<typeof parseExperiment>,
  with_ = executor as Parameters<typeof train>[1]['executor'],
) {
  const folder = new MemoryFolder();
  const { records } = await train(experiment, { executor: with_, folder, measures });
  const weights = weightsOf((await folder.read(files.checkpoint))!, files.checkpoint, { which: 'last' });
  return { records, weights, loss: records.findLast((r): r is EvalRecord => r.type === 'eval')!.loss };
}

test('a network reads every sentence in the same order, in training and in the test', async () => {
  const experiment = shuffled({ measures: ['grammaticality'] });
  const { records, weights, loss } = await run(experiment);
  const [member] = membersOf(experiment);
  const sampler = await createSampler(member.rules);
  const tokens = new Uint32Array(96 * 8);
  sampler.tokens(member.test, 0, 96, tokens);
  const shown = inOrder(tokens, order);
  const lossOn = async (rows: Uint32Array) => {
    const { data } = await logitsOf(experiment, weights, { shape: [96, 8], data: rows }, executor);
    let sum = 0;
    for (let i = 0; i < 96; i++) {
      const row = [...data.subarray(6 * i, 6 * i + 6)];
      sum += Math.log(row.reduce((all, x) => all + Math.exp(x), 0)) - row[tokens[8 * i + 7]];
    }
    return sum / 96;
  };
  assert.ok(Math.abs((await lossOn(shown)) - loss) < 1e-5, `${await lossOn(shown)} ${loss}`);
  assert.ok(Math.abs((await lossOn(tokens)) - loss) > 0.5, 'the order matters');
  // It has learnt from sentences in that order, far beyond a single pair of tokens.
  const H = exactPlateaus(rulesOf(experiment));
  assert.ok(loss < H[1] && H[1] - H[3] > 0.2, `loss ${loss}, H ${H}`);
  // The measure judges its last tokens by the grammar, whose order is that of the tree.
  const grammatical = records.filter((r): r is MeasureRecord => r.type === 'measure' && r.name === 'grammatical');
  assert.ok(grammatical.findLast((r) => r.level === 1)!.value > 0.9, JSON.stringify(grammatical.at(-1)));
});

test('float64 and WebAssembly read the same', async () => {
  const few = shuffled({
    budget: { batch: 8, steps: 3, accumulate: 2, sentences: 64 },
    model: { kind: 'hcnn', width: 12 },
  });
  const [a, b] = [await run(few), await run(few, referenceExecutor())];
  assert.ok(Math.abs(a.loss - b.loss) < 1e-4, `${a.loss} ${b.loss}`);
});

test('replicas side by side keep the orders of their grammar fields, and share no plan with unshuffled ones', () => {
  assert.is(groupKey(shuffled()), groupKey(parseExperiment({ ...base, grammar: { ...base.grammar, shuffle: 1 } })));
  assert.is.not(groupKey(shuffled()), groupKey(parseExperiment(base)));
});

test('sentences on the host come in the order in which they are shown, with their targets', async () => {
  const take = async (input: ExperimentInput) => (await batches(input, { count: 20, batch: 20 }).next()).value!;
  for (const change of [{}, { task: 'auto' as const, model: 'clm' as const }]) {
    const plain = await take({ ...base, ...change });
    const mixed = await take({ ...base, ...change, grammar: { ...base.grammar, shuffle: SEED } });
    assert.equal(mixed.tokens, inOrder(plain.tokens, order));
    const expected = Array.from(mixed.tokens).filter((_, i) => ('task' in change ? i % 8 > 0 : i % 8 === 7));
    assert.equal(Array.from(mixed.targets), expected);
  }
});

test('written sentences are judged in the order of the tree', async () => {
  const experiment = shuffled({
    task: 'auto',
    model: { kind: 'clm', channels: 16, heads: 2 },
    budget: { batch: 16, steps: 200 },
  });
  const { weights } = await run(experiment);
  const rules = rulesOf(experiment);
  const { sentences, grammatical } = await generate(experiment, rules, weights, executor, {
    count: 200,
    temperature: 1,
    seed: 1,
  });
  const parser = new Parser(rules);
  assert.equal(grammatical, parser.consistency(inOrder(sentences, inverseOrder(order)), 200));
  assert.is.not(grammatical[1], parser.consistency(sentences, 200)[1]);
});

test('a shuffle is part of the hash; with a window, with masks or with data it is refused', async () => {
  assert.is.not(await contentHash(shuffled()), await contentHash(parseExperiment(base)));
  const refuses = (change: object, pattern: RegExp) =>
    assert.throws(() => parseExperiment({ ...base, grammar: { ...base.grammar, shuffle: 2 }, ...change }), pattern);
  refuses(
    { task: { kind: 'last', context: 4 } },
    /grammar.shuffle: got 2 with task.context = 4: .*; leave one of the two out/,
  );
  refuses({ task: 'mask', model: 'mla' }, /grammar.shuffle: got 2 with task 'mask'/);
  const rows = { digest: '0'.repeat(16), rows: 4 };
  refuses({ data: { train: rows, test: rows } }, /grammar.shuffle: got 2 with data, whose/);
  refuses({ grammar: { ...base.grammar, shuffle: -1 } }, /grammar.shuffle: got -1/);
});

test.run();
