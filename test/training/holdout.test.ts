import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exactFloors } from '../../src/analysis/curves.js';
import { contentHash } from '../../src/core/canonical.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { heldLanguage } from '../../src/core/holdout.js';
import type { EvalRecord } from '../../src/core/records.js';
import type { Rules } from '../../src/core/rules.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import { exactLosses, judge, lastTokens } from '../../src/theory/index.js';
import { batches, splits } from '../../src/training/batches.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { groupKey } from '../../src/training/groupKey.js';
import { describeTestSet } from '../../src/training/heldOut.js';
import { logitsOf } from '../../src/training/logits.js';
import { train, trainGroup } from '../../src/training/loop.js';
import { languageOf, membersOf, rulesOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { weightsOf } from '../../src/training/weights.js';

const test = suite('pairs of rules held out of training');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const base = {
  grammar: { v: 6, m: 2, s: 2, L: 3, seed: 3 },
  model: { kind: 'hcnn', width: 12 },
  budget: { batch: 16, steps: 6, sentences: 40 },
  evaluation: { size: 8, validation: 6, perDoubling: 1 },
  seed: 5,
} satisfies ExperimentInput;
const held = (holdout: { level: number; fraction: number; seed?: number }, change: ExperimentInput = {}) =>
  parseExperiment({ ...base, ...change, grammar: { ...base.grammar, holdout } });
const low = { level: 2, fraction: 0.5 };

async function run(
  experiment: ReturnType<typeof parseExperiment>,
  by = executor as Parameters<typeof train>[1]['executor'],
) {
  const folder = new MemoryFolder();
  const { records } = await train(experiment, { executor: by, folder });
  const weights = weightsOf((await folder.read(files.checkpoint))!, files.checkpoint, { which: 'last' });
  return { weights, loss: records.findLast((r): r is EvalRecord => r.type === 'eval')!.loss };
}

/** All sentences of a language, as text. */
async function sentencesOf(language: Rules): Promise<Set<string>> {
  const sampler = await createSampler(language);
  const source = { mode: 'permutation', key: [1, 2], size: 2n ** 4n * 6n * 2n ** 3n, first: 0, length: 0 } as const;
  const { heldPairs } = language;
  const size = heldPairs?.language === 'without' ? 6 * 2 ** 3 : 6 * 2 ** 7;
  const tokens = new Uint32Array(8 * size);
  sampler.tokens({ ...source, size: BigInt(size) }, 0, size, tokens);
  return new Set(Array.from({ length: size }, (_, i) => tokens.subarray(8 * i, 8 * i + 8).join()));
}

test('no split has a sentence with a held-out pair, and all are distinct', async () => {
  const experiment = held(low, { budget: { batch: 16, sentences: 34, epochs: 2 } });
  // 6 roots, 2 rules at three nodes, one of two at the four below: 48 sentences of 768.
  const allowed = await sentencesOf(languageOf(experiment, rulesOf(experiment), 'without'));
  assert.is(allowed.size, 48);
  const seen = new Set<string>();
  for (const split of splits)
    for await (const { tokens } of batches(experiment, { split }))
      for (let i = 0; i < tokens.length; i += 8) seen.add(tokens.subarray(i, i + 8).join());
  assert.equal([...seen].sort(), [...allowed].sort(), '34 to train on, 6 and 8 held out: the whole language');
  assert.throws(
    () => membersOf(held(low, { budget: { batch: 16, sentences: 40 } })),
    /budget\.sentences: 40 .* exceed the grammar's 48 derivations/,
  );
});

test('the test loss is that on sentences of the training language, by WebAssembly and by the reference', async () => {
  const experiment = held(low, {
    budget: { batch: 8, sentences: 32, steps: 20 },
    evaluation: { size: 8, perDoubling: 1 },
  });
  const { weights, loss } = await run(experiment);
  const [member] = membersOf(experiment);
  const sampler = await createSampler(heldLanguage(member.rules, low, 'without', 3));
  const tokens = new Uint32Array(64);
  sampler.tokens(member.test, 0, 8, tokens);
  const { data } = await logitsOf(experiment, weights, { shape: [8, 8], data: tokens }, executor);
  let sum = 0;
  for (let i = 0; i < 8; i++) {
    const row = [...data.subarray(6 * i, 6 * i + 6)];
    sum += Math.log(row.reduce((all, x) => all + Math.exp(x), 0)) - row[tokens[8 * i + 7]];
  }
  assert.ok(Math.abs(sum / 8 - loss) < 1e-5, `${sum / 8} ${loss}`);
  const reference = await run(experiment, referenceExecutor());
  assert.ok(Math.abs(reference.loss - loss) < 1e-4, `${reference.loss} ${loss}`);
});

test('the test loss comes with that of the exact predictor of the training language', async () => {
  const grammar = { v: 8, m: 4, L: 3, seed: 2, holdout: { level: 3, fraction: 0.25 } };
  const wide = parseExperiment({ ...base, grammar, evaluation: { size: 512 } });
  const [member] = membersOf(wide);
  const tokens = new Uint32Array(8 * 512);
  (await createSampler(member.language)).tokens(member.test, 0, 512, tokens);
  const { exact } = await describeTestSet(member);
  const { loss } = judge(lastTokens(member.language, tokens, 512).probabilities, tokens, 512);
  assert.ok(Math.abs(exact! - loss) < 1e-12, `${exact} ${loss}`);
  assert.ok(exact! < exactLosses(member.rules, tokens, 512)[3] - 0.1, 'below that of the whole grammar');
  const [part] = membersOf(parseExperiment({ ...wide, task: { kind: 'last', context: 4 }, model: { kind: 'fcn' } }));
  const [, , half] = exactLosses(member.rules, tokens, 512);
  const shorter = (await describeTestSet(part)).exact!;
  assert.ok(shorter > loss && Math.abs(shorter - half) < 0.1, `${shorter} ${half}`);
});

test('online too: the training language is learnt, below the loss that the whole grammar allows', async () => {
  const online = held(low, {
    model: { kind: 'hcnn', width: 32 },
    budget: { batch: 32, steps: 1500 },
    evaluation: { size: 512, perDoubling: 1 },
  });
  const { loss } = await run(online);
  const whole = exactFloors(parseExperiment(base), rulesOf(online))!;
  assert.ok(loss < 0.5 * whole[3], `loss ${loss}, H ${whole}`);
  assert.is(
    exactFloors(online, rulesOf(online)),
    undefined,
    'the steps of the whole grammar are not those of this one',
  );
});

test('replicas with other pairs train side by side to the bits they give alone', async () => {
  const change: ExperimentInput = {
    budget: { batch: 8, sentences: 32, steps: 5 },
    evaluation: { size: 4, perDoubling: 1 },
  };
  const several = [held(low, change), held({ level: 3, fraction: 0.5 }, change), held({ ...low, seed: 8 }, change)];
  assert.is(new Set(several.map(groupKey)).size, 1);
  assert.is.not(groupKey(several[0]), groupKey(parseExperiment({ ...base, ...change })), 'the sampler is another');
  const folders = several.map(() => new MemoryFolder());
  await trainGroup(
    several.map((experiment, i) => ({ experiment, folder: folders[i] })),
    { executor },
  );
  for (const [i, experiment] of several.entries()) {
    const together = weightsOf((await folders[i].read(files.checkpoint))!, files.checkpoint, { which: 'last' });
    assert.equal(together, (await run(experiment)).weights, `replica ${i}`);
  }
});

test('the sampler of every plan knows the pairs, that of a run without pairs does not', () => {
  const small = { budget: { batch: 8, sentences: 32, steps: 5 }, evaluation: { size: 4, validation: 4 } };
  const two = held(low, small);
  const more = { ...two, grammar: { ...two.grammar, m: 4 } };
  const samples = (experiment: typeof two) =>
    [...trainingProgram(membersOf(experiment), measures).program.plans.values()].flatMap(({ calls }) =>
      calls.filter(({ op }) => op === 'sample'),
    );
  const told = samples({ ...more, measures: ['invariance', 'grammaticality', 'readout'] });
  assert.ok(told.length > 6);
  assert.ok(told.every(({ params }) => params.holds === true));
  assert.ok(samples(parseExperiment(base)).every(({ params }) => params.holds === false));
  assert.throws(
    () => samples({ ...two, measures: ['invariance'] }), // m = 2
    /invariance needs rules to choose between, and grammar\.holdout leaves one below each/,
  );
});

test('pairs are part of a run’s name, and an experiment without them keeps its name', async () => {
  const plain = parseExperiment(base);
  assert.not.ok('holdout' in plain.grammar);
  const all = [plain, held(low), held({ ...low, seed: 3 }), held({ level: 3, fraction: 0.5 })];
  const names = await Promise.all(all.map(contentHash));
  assert.is(new Set(names).size, 4);
});

test('bad input is refused by its field', () => {
  const refuse = (grammar: object, message: RegExp, change: object = {}) =>
    assert.throws(() => parseExperiment({ ...base, ...change, grammar: { ...base.grammar, ...grammar } }), message);
  refuse(
    { holdout: { level: 2, fraction: 1 } },
    /grammar\.holdout\.fraction: 1 of m = 2 rules leaves no sentence; pass at most 0\.5/,
  );
  refuse(
    { holdout: { level: 2, fraction: 0.2 } },
    /grammar\.holdout\.fraction: 0\.2 of m = 2 rules holds none out; pass at least 0\.5/,
  );
  refuse({ holdout: { level: 2, fraction: 0 } }, /grammar\.holdout\.fraction: got 0/);
  refuse({ holdout: { level: 4, fraction: 0.5 } }, /grammar\.holdout\.level: got 4; .* to L = 3/);
  refuse({ holdout: { level: 1, fraction: 0.5 } }, /grammar\.holdout\.level: got 1/);
  refuse({ holdout: { fraction: 0.5 } }, /grammar\.holdout\.level: missing/);
  refuse({ holdout: { level: 2, fracton: 0.5 } }, /fracton/);
  refuse({ holdout: low, ruleProbabilities: { zipf: 1 } }, /grammar\.ruleProbabilities: got with grammar\.holdout/);
  refuse({ holdout: low, rootPrior: { zipf: 1 } }, /grammar\.rootPrior: got with grammar\.holdout/);
  const rows = { digest: '0123456789abcdef', rows: 5 };
  refuse({ holdout: low }, /grammar\.holdout: got with data, which/, { data: { train: rows, test: rows } });
});

test.run();
