import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import type { EvalRecord, RunRecord, TestRecord } from '../../src/core/records.js';
import { decodeSafetensors, type SafeFile } from '../../src/core/safetensors.js';
import { makeDataset } from '../../src/grammar/dataset.js';
import { derivationSource } from '../../src/grammar/index.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { maskedLosses } from '../../src/theory/masked.js';
import { exactLosses } from '../../src/theory/predictor.js';
import { batches } from '../../src/training/batches.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { type TrainOptions, train, trainGroup } from '../../src/training/loop.js';
import { isLimitedBySteps, membersOf, plannedSteps, rulesOf } from '../../src/training/members.js';

const test = suite('validation set, patience and the test at the end');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const base = {
  grammar: { v: 6, m: 2, s: 2, L: 3, seed: 3 },
  model: { kind: 'hcnn', width: 12 },
  optimiser: { kind: 'sgd', rate: 2 },
  budget: { batch: 8, sentences: 100, steps: 3000, patience: 2 },
  evaluation: { size: 128, validation: 64, perDoubling: 2 },
  seed: 5,
} satisfies ExperimentInput;

type Change = { [section in keyof typeof base]?: Record<string, unknown> };
const make = (change: Change = {}) =>
  parseExperiment({
    ...base,
    ...Object.fromEntries(
      Object.entries(change).map(([key, part]) => [
        key,
        { ...(base as unknown as Record<string, object>)[key], ...part },
      ]),
    ),
  });

async function run(e = make(), options: Partial<TrainOptions> = {}, folder = new MemoryFolder()) {
  const result = await train(e, { executor, folder, ...options });
  const evals = result.records.filter((r): r is EvalRecord => r.type === 'eval');
  const tests = result.records.filter((r): r is TestRecord => r.type === 'test');
  return { result, evals, tests, folder, safe: decodeSafetensors((await folder.read(files.checkpoint))!) };
}

const weightsOf = (safe: SafeFile) =>
  [...safe.tensors].map(([name, { data }]) => [name, Array.from(data as Float32Array)]);

test('the three sets are disjoint, nested in P, and the test set stays in its place', () => {
  const rules = rulesOf(make());
  const plain = makeDataset(rules, 5, { sentences: 100, testSize: 128 });
  const {
    train: small,
    validation,
    test: held,
    distinct,
  } = makeDataset(rules, 5, {
    sentences: 100,
    testSize: 128,
    validationSize: 64,
  });
  assert.ok(distinct);
  assert.equal(held, plain.test);
  assert.is(validation.first + validation.length, held.first);
  assert.equal({ ...validation, first: 0, length: 0 }, { ...derivationSource(rules, 5) });
  assert.ok(small.first + small.length <= validation.first);
  const all = Number(derivationSource(rules, 5).size);
  const fits = { sentences: all - 192, testSize: 128, validationSize: 64 };
  assert.ok(makeDataset(rules, 5, fits));
  assert.throws(
    () => membersOf(make({ budget: { sentences: all - 191 } })),
    new RegExp(
      `budget.sentences: ${all - 191} to train on, 64 to validate on and 128 to test on exceed the grammar's ${all}`,
    ),
  );
});

test('weighted grammars and online runs: three separate streams', () => {
  const weighted = rulesOf(make({ grammar: { ruleProbabilities: { zipf: 1 } } }));
  for (const sentences of [undefined, 100]) {
    const {
      train: a,
      validation: b,
      test: c,
      distinct,
    } = makeDataset(weighted, 5, {
      sentences,
      testSize: 32,
      validationSize: 32,
    });
    assert.not(distinct);
    assert.is(new Set([a, b, c].map(({ key }) => key.join())).size, 3);
  }
});

test('bad input is refused by name before anything is written', () => {
  assert.throws(() => make({ budget: { patience: 0 } }), /budget.patience: got 0; pass a number above 1/);
  assert.throws(() => make({ budget: { patience: 1 } }), /budget.patience: got 1; pass a number above 1/);
  assert.throws(
    () => make({ evaluation: { validation: 0 } }),
    /evaluation.validation: got 0; pass a whole number from 1/,
  );
  assert.throws(() => make({ evaluation: { validation: undefined } }), /patience.*pass evaluation.validation too/);
});

test('without evaluation.validation hash, records and sources do not change', async () => {
  const { patience: _, ...budget } = base.budget;
  const e = parseExperiment({ ...base, budget: { ...budget, steps: 20 }, evaluation: { size: 128, perDoubling: 2 } });
  assert.is(await contentHash(e), '76d7b7f4b93c62ae');
  const { tests, evals } = await run(e);
  assert.is(tests.length, 0);
  assert.ok(evals.every((r) => !('set' in r)));
});

test('stops when the validation loss has not improved for its patience, never within the first epochs', async () => {
  const { result, evals, tests, safe } = await run();
  assert.is(result.reason, 'done');
  const best = evals.reduce((a, b) => (b.loss < a.loss ? b : a));
  const last = evals[evals.length - 1];
  assert.ok(last.step < 3000, 'it ended by itself');
  const epoch = 100 / 8;
  const limit = 2 * Math.max(best.step, epoch);
  assert.ok(
    last.step >= limit && evals[evals.length - 2].step < limit,
    `${last.step} is the first look after ${limit}`,
  );
  assert.ok(evals.every((r) => r.set === 'validation'));
  assert.equal(
    tests.map(({ step, validation }) => ({ step, validation })),
    [{ step: best.step, validation: best.loss }],
  );
  assert.is(tests[0].samples, 8 * best.step);
  assert.is(JSON.parse(safe.metadata.progress)[0].bestStep, best.step);
  assert.is(result.records.at(-1)!.type, 'end');
  // One epoch alone would end too early: a set of one batch has epochs of one step.
  const slow = await run(
    make({ budget: { sentences: 2000 / 8, steps: 60, patience: 1.5 }, optimiser: { rate: 1e-6 } }),
  );
  assert.ok(slow.evals.at(-1)!.step >= Math.min(60, (1.5 * 250) / 8));
});

test('the test record is the loss of the best weights on the test set, and the exact predictor’s on the same sentences', async () => {
  const { tests, safe } = await run();
  const best = new Map([...safe.tensors].filter(([name]) => name.startsWith('best/')).map(([n, t]) => [n.slice(5), t]));
  // The same weights evaluated by a run without a validation set: its first evaluation is after a step with a rate of nearly 0.
  const { patience: _, ...budget } = base.budget;
  const frozen = parseExperiment({
    ...base,
    optimiser: { kind: 'sgd', rate: 1e-30 },
    budget: { ...budget, steps: 1 },
    evaluation: { size: 128 },
  });
  const again = await run(frozen, { init: { metadata: {}, tensors: best } });
  assert.is(again.evals[0].loss, tests[0].loss);
  assert.is(again.evals[0].accuracy, tests[0].accuracy);
  const [member] = membersOf(make());
  const sampler = await createSampler(member.rules);
  const tokens = new Uint32Array(128 * 8);
  sampler.tokens(member.test, 0, 128, tokens);
  assert.is(tests[0].exact, exactLosses(member.rules, tokens, 128)[3]);
});

test('for masked tokens the exact loss is that of inference with the masks of the test set', async () => {
  for (const model of ['unet', 'clm'] as const) {
    const experiment = parseExperiment({
      ...{ ...base, model: model === 'unet' ? { kind: model, width: 8 } : { kind: model, channels: 8, heads: 2 } },
      ...{ task: 'mask', optimiser: { kind: 'sgd', rate: 0.1 }, budget: { ...base.budget, steps: 3 } },
    });
    const { tests } = await run(experiment);
    const [member] = membersOf(experiment);
    const sampler = await createSampler(member.rules);
    const tokens = new Uint32Array(128 * 8);
    sampler.tokens(member.test, 0, 128, tokens);
    const seen: number[] = [];
    for await (const batch of batches(experiment, { split: 'test' })) seen.push(...batch.tokens);
    const exact = maskedLosses(member.rules, tokens, seen, 128, { causal: model === 'clm' })[3];
    assert.ok(exact > 0.1 && Math.abs(tests[0].exact! - exact) < 1e-12, `${tests[0].exact} and ${exact}`);
    assert.ok(tests[0].loss > exact);
  }
});

test('early stopping never uses the test set: another one gives the same weights and the same stop', async () => {
  // Online and for a weighted grammar the sets are streams; with 2^53 derivations or more they are far apart.
  for (const change of [
    { budget: { sentences: undefined, steps: 400 } },
    { grammar: { ruleProbabilities: { zipf: 0.5 } } },
    { grammar: { v: 16, m: 10, L: 4 }, budget: { steps: 200 } },
  ]) {
    const one = await run(make(change));
    const other = await run(make({ ...change, evaluation: { size: 77 } }));
    assert.not.equal(one.tests[0].loss, other.tests[0].loss);
    assert.equal(weightsOf(one.safe), weightsOf(other.safe));
    assert.equal(
      one.evals.map(({ elapsed_ms: _, ...r }) => r),
      other.evals.map(({ elapsed_ms: _, ...r }) => r),
    );
  }
});

test('stopLoss refers to the validation loss', async () => {
  const { evals } = await run(make({ budget: { stopLoss: 1.5 } }));
  assert.ok(evals.at(-1)!.loss <= 1.5 && evals.slice(0, -1).every((r) => r.loss > 1.5));
});

test('packed, resumed and killed between checkpoint and record: the same records', async () => {
  const strip = (records: readonly RunRecord[]) =>
    records
      .filter((r) => r.type !== 'start' && !(r.type === 'end' && r.reason === 'interrupted'))
      .map((r) => (r.type === 'eval' ? { ...r, elapsed_ms: 0 } : r));
  const experiments = [make(), make({ budget: { sentences: 40 } }), make({ grammar: { seed: 9 } })];
  const alone = await Promise.all(experiments.map((e) => run(e)));
  const folders = experiments.map(() => new MemoryFolder());
  const together = await trainGroup(
    experiments.map((experiment, i) => ({ experiment, folder: folders[i] })),
    { executor },
  );
  together.forEach((r, i) => {
    assert.ok(r.reason === 'done');
    assert.equal(strip(r.records), strip(alone[i].result.records));
  });
  const folder = new MemoryFolder();
  const controller = new AbortController();
  const onRecord = (r: RunRecord) => {
    if (r.type === 'eval' && r.step >= 8) controller.abort();
  };
  await run(make(), { signal: controller.signal, onRecord }, folder);
  const resumed = await run(make(), { resume: true }, folder);
  assert.equal(strip(resumed.result.records), strip(alone[0].result.records));
  // Without its last two lines: killed after the checkpoint of the end.
  const text = new TextDecoder().decode(await folder.read(files.records));
  await folder.write(files.records, text.split('\n').slice(0, -3).join('\n').concat('\n'));
  const repaired = await run(make(), { resume: true }, folder);
  assert.equal(strip(repaired.result.records), strip(alone[0].result.records));
});

test('stopped while the best weights are tested: the weights of the checkpoint are the current ones, and resuming gives the same records', async () => {
  const folder = new MemoryFolder();
  const controller = new AbortController();
  let tests = 0;
  const stopping: Executor = {
    kind: executor.kind,
    description: executor.description,
    load: async (...args: Parameters<typeof executor.load>) => {
      const loaded = await executor.load(...args);
      return new Proxy(loaded, {
        get(target, key) {
          const value = target[key as keyof typeof target] as unknown;
          if (key !== 'run') return typeof value === 'function' ? value.bind(target) : value;
          return (plan: string, count?: number) => {
            if (plan === 'evaluate') {
              tests++;
              controller.abort();
            }
            return target.run(plan, count);
          };
        },
      });
    },
  };
  // Chunks of an odd size: more than one, so that the signal is checked between them.
  const e = make({ grammar: { m: 3 }, evaluation: { size: 1031 * 2 } });
  const reference = await run(e);
  const stopped = await run(e, { executor: stopping, signal: controller.signal }, folder);
  assert.is(stopped.result.reason, 'interrupted');
  assert.ok(tests > 0 && stopped.tests.length === 0);
  const resumed = await run(e, { resume: true }, folder);
  const strip = ({ result }: typeof reference) =>
    result.records
      .filter((r) => r.type === 'eval' || r.type === 'test' || (r.type === 'end' && r.replica === 0))
      .map((r) => (r.type === 'eval' ? { ...r, elapsed_ms: 0 } : r));
  assert.equal(strip(resumed), strip(reference));
  assert.equal(weightsOf(resumed.safe), weightsOf(reference.safe));
});

test('weighted grammars: repeats among the P draws and test sentences seen in training are counted', async () => {
  const e = make({ grammar: { ruleProbabilities: { zipf: 1 } }, budget: { steps: 4 } });
  const { tests } = await run(e);
  const [{ rules, train: draws, test: held }] = membersOf(e);
  const sampler = await createSampler(rules);
  const text = (source: typeof draws, count: number) => {
    const tokens = new Uint32Array(count * 8);
    sampler.tokens({ ...source, length: 0, orderKey: undefined }, 0, count, tokens);
    return Array.from({ length: count }, (_, i) => tokens.subarray(8 * i, 8 * i + 8).join());
  };
  const seen = new Set(text(draws, 100));
  assert.is(tests[0].repeats, 100 - seen.size);
  assert.is(tests[0].leaked, text(held, 128).filter((s) => seen.has(s)).length);
  assert.ok(tests[0].repeats! > 0 && tests[0].leaked! > 0, 'the case has some of each');
  assert.is((await run(make({ budget: { steps: 4 } }))).tests[0].repeats, undefined);
});

test('planned steps: patience alone leaves room for 128 epochs, and 2^14 steps at least', () => {
  const steps = (budget: Record<string, unknown>) => plannedSteps(make({ budget: { steps: undefined, ...budget } }));
  assert.is(steps({}), 2 ** 14);
  assert.is(steps({ sentences: 8000 }), 128000);
  assert.is(steps({ epochs: 3 }), Math.ceil(300 / 8));
  const e = make({ budget: { steps: 300 } });
  assert.equal(
    [200, 201].map((step) => isLimitedBySteps(e, step)),
    [false, true],
  );
});

test.run();
