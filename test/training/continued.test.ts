/** Runs that continue from another one's checkpoint: `from` in the experiment, `rhm train --from`. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/index.js';
import { contentHash } from '../../src/core/canonical.js';
import { InputError } from '../../src/core/errors.js';
import { type Experiment, type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { parseRecords, type RunRecord } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { mergeSections } from '../../src/core/settings.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { readRunFolders } from '../../src/platform/runFolders.js';
import { expandGrid } from '../../src/sweep/grid.js';
import { continuedExperiment, type Parent } from '../../src/training/continued.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { checkRun } from '../../src/training/integrity.js';
import { type TrainOptions, train } from '../../src/training/loop.js';
import { failure } from '../support/gpu.js';
import { rhm } from '../support/run.js';

const test = suite('runs that continue another one');
const executor = wasmExecutor();
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-continued-'));
});
test.after(async () => {
  await executor.destroy();
  rmSync(scratch, { recursive: true, force: true });
});

const base: ExperimentInput = {
  grammar: { v: 6, m: 2, s: 2, L: 2, seed: 3 },
  model: { kind: 'hcnn', width: 8 },
  optimiser: { kind: 'adamw', rate: 0.01 },
  budget: { batch: 8, steps: 200 },
  evaluation: { size: 32, perDoubling: 1 },
  replicas: 2,
  seed: 5,
};
const make = (changes: ExperimentInput = {}): Experiment => parseExperiment(mergeSections(base, changes));

const go = (folder: MemoryFolder, experiment: Experiment, options: Partial<TrainOptions> = {}) =>
  train(experiment, { executor, folder, ...options });

/** Trains until `step`: to the end, or stopped once the evaluation before it exists. */
async function parentAt(step: number, experiment = make()): Promise<Parent> {
  const folder = new MemoryFolder('parent');
  const stop = new AbortController();
  const control = ({ step: now }: { step: number }) => {
    if (now >= step) stop.abort();
    return step;
  };
  await go(folder, experiment, { control, signal: stop.signal });
  const checkpoint = (await folder.read(files.checkpoint))!;
  assert.is(Number(decodeSafetensors(checkpoint).metadata.step), step);
  return { name: 'parent', hash: await contentHash(experiment), experiment, checkpoint };
}

const tensorsIn = async (folder: MemoryFolder) => [
  ...decodeSafetensors((await folder.read(files.checkpoint))!).tensors,
];
const evalsIn = (records: readonly RunRecord[], from = 0) =>
  records.flatMap((r) => (r.type === 'eval' && r.step > from ? [{ ...r, elapsed_ms: 0 }] : []));

test('continued with nothing changed: the bits of the uninterrupted run, in a run with another name', async () => {
  const whole = new MemoryFolder();
  const { records, hash } = await go(whole, make());
  const parent = await parentAt(70);
  const experiment = await continuedExperiment(parent, make());
  assert.equal(experiment.from, { run: hash, step: 70, checkpoint: experiment.from!.checkpoint });
  const folder = new MemoryFolder();
  const result = await go(folder, experiment, { parent });
  assert.is.not(result.hash, hash);
  assert.is(result.hash, await contentHash(JSON.parse(new TextDecoder().decode(await folder.read(files.experiment)))));
  assert.equal(evalsIn(result.records), evalsIn(records, 70));
  assert.equal(await tensorsIn(folder), await tensorsIn(whole));
  const text = async (file: string) => new TextDecoder().decode(await folder.read(file));
  const contents = { name: 'child', experiment: await text(files.experiment), records: await text(files.records) };
  const checkpoint = await folder.read(files.checkpoint);
  assert.equal(await checkRun({ ...contents, checkpoint }), { faults: [], unchecked: [] });
});

test('a finished run is extended to the bits of the longer one, if the schedule does not depend on the length', async () => {
  const whole = new MemoryFolder();
  const { records } = await go(whole, make({ budget: { steps: 300 } }));
  const parent = await parentAt(128, make({ budget: { steps: 128 }, schedule: { warmup: 50 } }));
  const plain = await parentAt(128, make({ budget: { steps: 128 } }));
  const folder = new MemoryFolder();
  const result = await go(folder, await continuedExperiment(plain, make({ budget: { steps: 300 } })), {
    parent: plain,
  });
  assert.equal(evalsIn(result.records), evalsIn(records, 127)); // its first evaluation is where the other run ended
  assert.equal(await tensorsIn(folder), await tensorsIn(whole));
  assert.is(
    (await continuedExperiment(parent, make({ budget: { steps: 300 }, schedule: { warmup: 50 } }))).from!.step,
    128,
  );

  const cosine = { schedule: { kind: 'cosine' } } as const;
  const annealed = await parentAt(40, make({ ...cosine, budget: { steps: 40 } }));
  await refused(
    annealed,
    { ...cosine, budget: { steps: 300 } },
    /^budget\.steps: got 300, .* planned for 40, .*cosine/,
  );
  await refused(annealed, { budget: { steps: 40 } }, /^budget\.steps: got 40, run .* has done 40 already/);
  // Another schedule is a change that was requested.
  assert.is((await continuedExperiment(annealed, make({ budget: { steps: 300 } }))).from!.step, 40);
  const half = await parentAt(20, make({ ...cosine, budget: { steps: 40 } }));
  assert.is((await continuedExperiment(half, make({ ...cosine, budget: { steps: 40 } }))).from!.step, 20);
});

async function refused(parent: Parent, changes: ExperimentInput, pattern: RegExp): Promise<void> {
  const error = await failure(() => continuedExperiment(parent, make(changes)));
  assert.instance(error, InputError);
  assert.match(error.message, pattern);
}

test('other settings from there on: the rate takes effect; weights, moments, step and place in the data are kept', async () => {
  const parent = await parentAt(64);
  const folder = new MemoryFolder();
  const experiment = await continuedExperiment(
    parent,
    make({ optimiser: { rate: 1e-9 }, evaluation: { perDoubling: 64 } }),
  );
  const { records } = await go(folder, experiment, { parent });
  const [first, ...rest] = evalsIn(records).filter((e) => e.replica === 0);
  assert.is(first.step, 64, 'where its own evaluations begin');
  assert.is(first.samples, 64 * 8);
  for (const { loss } of rest) assert.ok(Math.abs(loss - first.loss) < 1e-4, 'at such a rate nothing moves');
  const before = decodeSafetensors(parent.checkpoint).tensors;
  const after = decodeSafetensors((await folder.read(files.checkpoint))!).tensors;
  const clock = (of: typeof before) => of.get('replica.0/state/clock')!.data;
  assert.equal([...clock(before)].slice(0, 2), [64, 64 * 8]);
  assert.equal([...clock(after)].slice(0, 2), [200, 200 * 8]);
  const moment = 'replica.1/optimiser/moment1/readout';
  assert.ok(before.get(moment)!.data.some((x) => x !== 0) && after.get(moment)!.data.some((x) => x !== 0));
});

test('the best weights so far remain the best if the loss rises from there on', async () => {
  const parent = await parentAt(70);
  const experiment = await continuedExperiment(parent, make({ optimiser: { rate: 0.9 } }));
  const folder = new MemoryFolder();
  await go(folder, experiment, { parent });
  const before = decodeSafetensors(parent.checkpoint);
  const after = decodeSafetensors((await folder.read(files.checkpoint))!);
  const best = (file: typeof before) =>
    JSON.parse(file.metadata.progress).map((p: { bestLoss: number; bestStep: number }) => [p.bestLoss, p.bestStep]);
  assert.equal(best(after), best(before));
  for (const [name, { data }] of before.tensors)
    if (name.includes('/best/')) assert.equal(after.tensors.get(name)!.data, data);
});

test('the new folder continues without the other run, from its first step on', async () => {
  const parent = await parentAt(64);
  const experiment = await continuedExperiment(parent, make({ optimiser: { rate: 0.02 } }));
  const whole = new MemoryFolder();
  await go(whole, experiment, { parent });
  const folder = new MemoryFolder();
  const stop = new AbortController();
  // Stopped by any end of the process, before anything was evaluated.
  const crash = new Error('crash');
  const control = () => {
    throw crash;
  };
  assert.is(await failure(() => go(folder, experiment, { parent, control })), crash);
  assert.is(decodeSafetensors((await folder.read(files.checkpoint))!).metadata.step, '64');
  const onRecord = (r: RunRecord) => r.type === 'eval' && r.step >= 128 && stop.abort();
  assert.is((await go(folder, experiment, { resume: true, signal: stop.signal, onRecord })).reason, 'interrupted');
  assert.is((await go(folder, experiment, { resume: true })).reason, 'done');
  assert.equal(await tensorsIn(folder), await tensorsIn(whole));
  const records = parseRecords(new TextDecoder().decode(await folder.read(files.records))).records;
  const wanted = parseRecords(new TextDecoder().decode(await whole.read(files.records))).records;
  assert.equal(evalsIn(records), evalsIn(wanted));
});

test('the continued run is part of the name: hash, step and state, but not the times', async () => {
  const parent = await parentAt(64);
  const again = await parentAt(64);
  const other = await parentAt(65);
  const changed = parentAt(64, make({ optimiser: { rate: 0.02 } }));
  const names = await Promise.all(
    [parent, again, other, await changed].map(async (one) =>
      contentHash(await continuedExperiment(one, make({ budget: { steps: 300 } }))),
    ),
  );
  assert.is(names[1], names[0], 'trained twice, to the same bits');
  assert.is(new Set(names).size, 3);
  const plain = await contentHash(make({ budget: { steps: 300 } }));
  assert.not.ok(names.includes(plain));
  // If the checkpoint has advanced in the meantime, the experiment no longer names it.
  const experiment = await continuedExperiment(parent, make({ budget: { steps: 300 } }));
  const error = await failure(() => go(new MemoryFolder(), experiment, { parent: other }));
  assert.match(error.message, /^from: the experiment continues run \w+ at step 64 .* at step 65/);
  assert.match((await failure(() => go(new MemoryFolder(), experiment))).message, /pass that run's folder with --from/);
});

test('another grammar, shape, data or optimiser is refused with the name of the field', async () => {
  const parent = await parentAt(32);
  for (const [changes, field] of [
    [{ grammar: { m: 3 } }, 'grammar.m: got 3, .* has 2: it would be another language'],
    [{ grammar: { seed: 4 } }, 'grammar.seed: got 4'],
    [{ task: { context: 2 } }, 'task.context: got 2, .* has none'],
    [{ model: { kind: 'hcnn', width: 16 } }, 'model.width: got 16, .* has 8: its weights'],
    [{ model: 'fcn' }, 'model.kind: got "fcn"'],
    [{ optimiser: { kind: 'sgd' } }, 'optimiser.kind: got "sgd", .*moments'],
    [{ budget: { batch: 16 } }, 'budget.batch: got 16, .*steps times batch'],
    [{ budget: { accumulate: 2 } }, 'budget.accumulate: got 2'],
    [{ budget: { sentences: 64 } }, 'budget.sentences: got 64'],
    [{ evaluation: { size: 64 } }, 'evaluation.size: got 64, .*best loss'],
    [{ evaluation: { validation: 16 } }, 'evaluation.validation: got 16'],
    [{ replicas: 3 }, 'replicas: got 3'],
    [{ seed: 6 }, 'seed: got 6'],
    [{ budget: { steps: 32 } }, 'budget.steps: got 32, run \\w+ has done 32 already'],
  ] satisfies [ExperimentInput, string][])
    await refused(parent, changes, new RegExp(`^${field}`));
  for (const changes of [
    { measures: ['norms'] },
    { budget: { stopLoss: 0.1 } },
    { schedule: { kind: 'cosine' } },
    { optimiser: { weightDecay: 0.1, clip: 1 } },
  ] satisfies ExperimentInput[])
    assert.is((await continuedExperiment(parent, make(changes))).from!.step, 32);
});

test('a run that has ended early continues only if its reason is gone; a diverged one never', async () => {
  const single = { replicas: 1, budget: { stopLoss: 1.7 } };
  const stopped = await (async () => {
    const folder = new MemoryFolder('parent');
    const experiment = make(single);
    const { step, reason } = await go(folder, experiment);
    assert.is(reason, 'done');
    assert.ok(step < 200);
    return {
      name: 'parent',
      hash: await contentHash(experiment),
      experiment,
      checkpoint: (await folder.read(files.checkpoint))!,
    };
  })();
  await refused(stopped, single, /^budget\.stopLoss: got 1\.7, run \w+ has ended at 1\.\d+ nats; pass a lower/);
  const lower = await continuedExperiment(stopped, make({ replicas: 1, budget: { stopLoss: 1.3 } }));
  const { records } = await go(new MemoryFolder(), lower, { parent: stopped });
  assert.ok(evalsIn(records).at(-1)!.step > lower.from!.step);
  const wild = { replicas: 1, optimiser: { kind: 'sgd', rate: 1e6 } } as const;
  const folder = new MemoryFolder('parent');
  const experiment = make(wild);
  assert.is((await go(folder, experiment)).reason, 'diverged');
  const diverged = {
    name: 'parent',
    hash: await contentHash(experiment),
    experiment,
    checkpoint: (await folder.read(files.checkpoint))!,
  };
  await refused(diverged, { ...wild, budget: { steps: 900 } }, /has diverged at step \d+/);
});

test('a sweep refuses it; an analysis leaves it out and reports it', async () => {
  const from = { run: '0'.repeat(16), step: 1, checkpoint: 'f'.repeat(16) };
  assert.match(
    (await failure(() => expandGrid({ base: { model: 'hcnn', from } }))).message,
    /from: a sweep cannot continue another run/,
  );
  assert.throws(() => parseExperiment({ from: { ...from, run: 'x' } }), /from\.run: got "x"/);
});

test('rhm train --from: a new folder, refusals before anything is written, resumed without the other run', async () => {
  const path = (name: string) => join(scratch, name);
  const wasm = ['--executor', 'wasm', '--threads', '1'];
  const fields = 'model=hcnn model.width=8 grammar.v=6 grammar.m=2 grammar.L=2 budget.batch=8 evaluation.size=32'.split(
    ' ',
  );
  const parent = await rhm(['train', '--set', ...fields, 'budget.steps=60', '--out', path('parent'), ...wasm]);
  assert.is(parent.code, 0, parent.stderr);
  const before = readFileSync(path('parent/records.jsonl'), 'utf8');
  const child = [
    'train',
    '--from',
    path('parent'),
    '--set',
    'budget.steps=90',
    'optimiser.rate=0.5',
    '--out',
    path('child'),
    ...wasm,
  ];
  const ran = await rhm(child);
  assert.is(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /continuing \w{16} from step 60 on WebAssembly/);
  const written = JSON.parse(readFileSync(path('child/experiment.json'), 'utf8'));
  const { hash } = JSON.parse(before.split('\n')[0]);
  assert.equal(
    [written.from.run, written.from.step, written.optimiser.rate, written.budget.steps],
    [hash, 60, 0.5, 90],
  );
  assert.is(readFileSync(path('parent/records.jsonl'), 'utf8'), before);
  for (const [args, pattern] of [
    [['--from', path('parent'), '--set', 'grammar.m=3', 'budget.steps=90'], /^InputError: grammar\.m: got 3/],
    [
      ['--from', path('parent'), '--set', 'optimiser=adamw', 'budget.steps=90'],
      /^InputError: optimiser\.kind: got "adamw"/,
    ],
    [['--from', path('parent')], /^InputError: budget\.steps: got 60, run \w+ has done 60 already/],
    [['--from', path('parent'), '--init', 'x', '--set', 'budget.steps=90'], /^InputError: --init: /],
    [['--from', path('nobody'), '--set', 'budget.steps=90'], /nobody: no such run/],
    [[path('child/experiment.json')], /^InputError: from: the experiment continues run \w+ at step 60; pass/],
  ] satisfies [string[], RegExp][]) {
    const { code, stderr } = await rhm(['train', ...args, '--out', path('refused'), ...wasm]);
    assert.is(code, 2, stderr);
    assert.match(stderr, pattern);
    assert.not(existsSync(path('refused')), args.join(' '));
  }
  rmSync(path('parent'), { recursive: true });
  const resumed = await rhm(['train', path('child/experiment.json'), '--out', path('child'), '--resume', ...wasm]);
  assert.is(resumed.code, 0, resumed.stderr);
  assert.match(resumed.stdout, /done at step 90 of 90/);
  const error = await failure(() => analyze(readRunFolders([path('child')])));
  assert.match(error.message, /child: left out, since it continues \w{16} from step 60/);
});

test.run();
