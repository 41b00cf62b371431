import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import type { EvalRecord } from '../../src/core/records.js';
import { inOrder, shuffledOrder } from '../../src/core/shuffle.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { logitsOf } from '../../src/training/logits.js';
import { train } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { weightsOf } from '../../src/training/weights.js';
import { networkOrder, wiringOf } from '../../src/training/wiring.js';

const test = suite('networks wired along a tree');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const grammar = { v: 8, m: 2, s: 2, L: 4, seed: 1 } as const;
const base = {
  grammar: { ...grammar, shuffle: 7 },
  model: { kind: 'hcnn', width: 16 },
  budget: { batch: 16, sentences: 2048, steps: 60 },
  evaluation: { size: 64, perDoubling: 1 },
  seed: 5,
} satisfies ExperimentInput;
const wired = (kind: 'hcnn' | 'hlcn', wiring?: 'true' | 'learned', change: object = {}) =>
  parseExperiment({ ...base, model: { kind, width: 16, ...(wiring && { wiring }) }, ...change });
const identity = [...Array(16).keys()];

async function run(experiment: ReturnType<typeof wired>) {
  const folder = new MemoryFolder();
  const { records } = await train(experiment, { executor, folder });
  const weights = weightsOf((await folder.read(files.checkpoint))!, files.checkpoint, { which: 'last' });
  return { loss: records.findLast((r): r is EvalRecord => r.type === 'eval')!.loss, weights };
}

test('the orders: as shown, along the true tree, along the one found from the training set', () => {
  const shown = shuffledOrder(16, 7);
  assert.equal(networkOrder(membersOf(wired('hcnn'))[0]), shown);
  assert.is(wiringOf(membersOf(wired('hcnn'))[0]), undefined);
  assert.equal([...networkOrder(membersOf(wired('hcnn', 'true'))[0])!], identity);
  // hcnn: aligned with the order of the tree. hlcn: every group of every level together, in any order.
  assert.equal([...networkOrder(membersOf(wired('hcnn', 'learned'))[0])!], identity);
  const places = [...networkOrder(membersOf(wired('hlcn', 'learned'))[0])!];
  assert.is(places[15], 15);
  for (const size of [2, 4, 8])
    for (let at = 0; at < 16; at += size)
      assert.is(new Set(places.slice(at, at + size).map((place) => Math.floor(place / size))).size, 1);
});

test('wired along the true or the found tree it learns as without a shuffle, to the same bits', async () => {
  const plain = await run(parseExperiment({ ...base, grammar }));
  const [truth, learned, shown] = [
    await run(wired('hcnn', 'true')),
    await run(wired('hcnn', 'learned')),
    await run(wired('hcnn')),
  ];
  assert.is(truth.loss, plain.loss);
  assert.is(learned.loss, plain.loss);
  assert.is.not(shown.loss, plain.loss);
});

test('given sentences are read in the order in which they are shown', async () => {
  const experiment = wired('hlcn', 'learned');
  const { weights, loss } = await run(experiment);
  const [member] = membersOf(experiment);
  const sampler = await createSampler(member.rules);
  const tokens = new Uint32Array(64 * 16);
  sampler.tokens(member.test, 0, 64, tokens);
  const rows = { shape: [64, 16], data: inOrder(tokens, shuffledOrder(16, 7)) };
  const { data } = await logitsOf(experiment, weights, rows, executor);
  let sum = 0;
  for (let i = 0; i < 64; i++) {
    const row = [...data.subarray(8 * i, 8 * i + 8)];
    sum += Math.log(row.reduce((all, x) => all + Math.exp(x), 0)) - row[tokens[16 * i + 15]];
  }
  assert.ok(Math.abs(sum / 64 - loss) < 1e-5, `${sum / 64} ${loss}`);
});

test('too little data is refused before anything is trained, naming what would be enough; so is a wiring without a shuffle', async () => {
  const refused = async (experiment: ReturnType<typeof wired>, pattern: RegExp) => {
    let message = '';
    await train(experiment, { executor, folder: new MemoryFolder() }).catch((error) => {
      message = String(error);
    });
    assert.match(message, pattern);
  };
  const few = { ...base.budget, sentences: 32 };
  await refused(
    wired('hlcn', 'learned', { budget: few }),
    /model.wiring: the tree found from P = 32 sentences has confidence 0.\d\d at level \d, expected 0.9; take more sentences \(the law of token pairs: \d+\), or wiring 'true'/,
  );
  assert.throws(
    () => parseExperiment({ ...base, grammar, model: { kind: 'hcnn', wiring: 'learned' } }),
    /model.wiring: got 'learned' without grammar.shuffle/,
  );
  assert.throws(
    () => parseExperiment({ ...base, model: { kind: 'fcn', wiring: 'true' } }),
    /model.wiring: no such field/,
  );
});

test.run();
