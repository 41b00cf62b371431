import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SCALING_WORDS, scalingWords, UNIT_EXPONENT } from '../../src/core/clock.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { grammarImage } from '../../src/core/grammarImage.js';
import { makeRules } from '../../src/core/rules.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { modelShape } from '../../src/models/types.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import { softmax } from '../../src/reference/softmax.js';
import { treeLogic } from '../../src/reference/treeLogic.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { groupKey } from '../../src/training/groupKey.js';
import { addLogicGradient } from '../../src/training/logic.js';
import { train } from '../../src/training/loop.js';
import { checkGradient, randoms } from '../kernels/finiteDifferences.js';

const test = suite('logic of the grammar in the loss');

const grammar = { v: 5, n: 4, m: 2, s: 2, L: 3, seed: 3 };
const weights = { parent: 0.7, tuple: 0.4, exclusive: 0.3 };
const experiment = parseExperiment({
  grammar,
  task: { kind: 'parse', logic: weights },
  model: { kind: 'hcnn', width: 8 },
});
const shape = modelShape(experiment);
const [batch, nodes, classes] = [2, 7, 5];
const image = grammarImage(makeRules({ v: 5, n: 4, m: 2, s: 2, L: 3 }, 3));

/** Weighted violations of scores [batch, nodes, classes]: means over sentences and the nodes of each term. */
function penalty(logits: Float64Array): number {
  const p = new Float64Array(logits.length);
  softmax(batch * nodes, classes, logits, p);
  const violations = new Float64Array(batch * nodes * 3);
  treeLogic({ batch, nodes, classes, s: 2, L: 3, ...weights }, 1, image, p, violations, undefined);
  const total = (term: number) => violations.reduce((sum, x, i) => (i % 3 === term ? sum + x : sum), 0);
  return (
    (weights.parent * total(0) + weights.tuple * total(1)) / (batch * 3) +
    (weights.exclusive * total(2)) / (batch * nodes)
  );
}

test('the gradient by scores is added to that of the labels, times the loss factor', async () => {
  const logits = randoms(batch * nodes * classes, 7).map((x) => 2 * x);
  const start = randoms(logits.length, 8);
  for (const exponent of [UNIT_EXPONENT, UNIT_EXPONENT + 3]) {
    const builder = new ProgramBuilder(1);
    const plan = builder.plan('gradient');
    const from = builder.persistent('logits', [batch, nodes, classes]);
    const to = builder.persistent('dLogits', [batch, nodes, classes]);
    const rules = builder.persistent('grammar', [image.length], 'u32');
    const scaling = builder.persistent('scaling', [SCALING_WORDS], 'u32');
    addLogicGradient(plan, { weights, grammar: rules, shape }, from, to, scaling);
    const loaded = await referenceExecutor().load(builder.build());
    loaded.write(from, logits);
    loaded.write(to, start);
    loaded.write(rules, image);
    const words = new Uint32Array(SCALING_WORDS);
    words[scalingWords.exponent] = exponent;
    loaded.write(scaling, words);
    await loaded.run('gradient');
    const factor = 2 ** (exponent - UNIT_EXPONENT);
    const gradient = Float64Array.from(await loaded.read(to), (x, i) => (x - start[i]) / factor);
    checkGradient('scores', logits, gradient, () => penalty(logits));
    loaded.destroy();
  }
});

test('weights are constants of a plan: runs with other weights do not share it, and the weights change what is learnt', async () => {
  const other = (logic: object | undefined) =>
    parseExperiment({
      ...{ grammar, model: { kind: 'hcnn', width: 8 }, task: { kind: 'parse', ...(logic && { logic }) } },
      ...{ budget: { batch: 8, steps: 6 }, evaluation: { size: 16 } },
    });
  assert.is.not(groupKey(other(weights)), groupKey(other({ ...weights, parent: 0.6 })));
  assert.is.not(groupKey(other(weights)), groupKey(other(undefined)));
  const executor = wasmExecutor({ threads: 1 });
  const losses = [];
  for (const logic of [undefined, weights, { parent: 0 }]) {
    const { records } = await train(other(logic), { executor, folder: new MemoryFolder() });
    losses.push(records.flatMap((r) => (r.type === 'eval' ? [r.loss] : [])).at(-1)!);
  }
  await executor.destroy();
  assert.is(losses[2], losses[0], 'a weight of 0 is none');
  assert.ok(Math.abs(losses[1] - losses[0]) > 1e-5, 'and others change the weights');
});

test.run();
