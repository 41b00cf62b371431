import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError, InputError } from '../../src/core/errors.js';
import { type Experiment, type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { parseRecords, type RunRecord } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { files, MemoryFolder, type RunFolder } from '../../src/training/folder.js';
import { groupKey } from '../../src/training/groupKey.js';
import { type GroupResult, type TrainResult, train, trainGroup } from '../../src/training/loop.js';
import { weightsOf } from '../../src/training/weights.js';
import { failure } from '../support/gpu.js';

const test = suite('runs that train side by side');
const wasm = wasmExecutor();
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => {
  await wasm.destroy();
  await gpu.release();
});

const base = {
  grammar: { v: 6, m: 2, s: 2, L: 2 },
  model: { kind: 'hcnn', width: 8 },
  optimiser: { kind: 'sgd', rate: 0.5, momentum: 0.9 },
  budget: { batch: 8, steps: 60 },
  evaluation: { size: 32, perDoubling: 2 },
  measures: ['invariance', 'grammaticality'],
  seed: 5,
} satisfies ExperimentInput;
const evalsOf = (records: readonly RunRecord[], replica: number) =>
  records.flatMap((r) => (r.type === 'eval' && r.replica === replica ? [r] : []));
const zipf = { v: 6, m: 3, s: 2, L: 2, ruleProbabilities: { zipf: 1 } };

/** They differ in everything in which runs of one plan may differ. */
const convolutional: ExperimentInput[] = [
  base,
  { ...base, seed: 6, grammar: { ...base.grammar, n: 3, seed: 9 }, replicas: 2 },
  { ...base, grammar: zipf, optimiser: { kind: 'sgd', rate: 0.1, weightDecay: 0.01 }, measures: base.measures },
  // Plain SGD: fused into the products if trained alone, but not together with the others.
  {
    ...base,
    optimiser: { kind: 'sgd', rate: 0.5 },
    schedule: { kind: 'cosine', warmup: 7 },
    budget: { batch: 8, steps: 33 },
  },
  { ...base, budget: { batch: 8, sentences: 12, epochs: 9 }, evaluation: { size: 32, perDoubling: 5 } },
  { ...base, grammar: { ...base.grammar, seed: 3 }, optimiser: { kind: 'sgd', rate: 1e5, momentum: 0.9 } }, // diverges
  { ...base, seed: 1, budget: { batch: 8, steps: 200, stopLoss: 1.7 }, grammar: { ...base.grammar, seed: 3 } },
];
const attention: ExperimentInput[] = [1, 2, 3].map((seed) => ({
  ...base,
  seed,
  grammar: { ...base.grammar, m: seed + 1 },
  model: { kind: 'mla', channels: 8, heads: 2 },
  optimiser: { kind: 'adamw', rate: 0.01 / seed, beta2: 0.9 + 0.01 * seed, clip: 1 },
  budget: { batch: 4, accumulate: 2, steps: 10 * seed },
  measures: [],
}));

/** Their tokens are masked by different laws: a fraction, places, any number. */
const masked: ExperimentInput[] = [
  ...[{ fraction: 0.25 }, { fraction: 1 }, { positions: [3] }, { positions: [0, 2] }, {}].map(
    (law, i): ExperimentInput => ({
      ...base,
      task: { kind: 'mask', ...law },
      model: { kind: 'unet', width: 8 },
      seed: i,
      budget: { batch: 4, steps: 12 },
      measures: ['readout'],
    }),
  ),
];

/** What must not depend on the other runs of a plan. */
function outcome(records: RunRecord[], checkpoint: Uint8Array | undefined) {
  const { metadata, tensors } = decodeSafetensors(checkpoint!);
  return {
    records: records.flatMap((r): RunRecord[] =>
      r.type === 'start' ? [] : r.type === 'eval' ? [{ ...r, elapsed_ms: 0 }] : [r],
    ),
    step: metadata.step,
    progress: metadata.progress,
    tensors: [...tensors].map(([name, { shape, data }]) => [name, shape, bitsOf(data)]),
  };
}

/** Weights of a diverged run are NaN, which equals nothing. */
const bitsOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength);

const written = async (folder: RunFolder) =>
  parseRecords(new TextDecoder().decode(await folder.read(files.records))).records;
const ofFolder = async (folder: RunFolder) => outcome(await written(folder), await folder.read(files.checkpoint));

async function alone(experiment: Experiment, executor: Executor) {
  const folder = new MemoryFolder();
  await train(experiment, { executor, folder, measures });
  return ofFolder(folder);
}

async function lastWeights(experiment: Experiment) {
  const folder = new MemoryFolder();
  await train(experiment, { executor: wasm, folder, measures });
  return weightsOf((await folder.read(files.checkpoint))!, 'checkpoint', { which: 'last' }).tensors;
}

async function sameAsAlone(inputs: readonly ExperimentInput[], executor: Executor): Promise<TrainResult[]> {
  const experiments = inputs.map(parseExperiment);
  const folders = experiments.map((_, i) => new MemoryFolder(`run ${i}`));
  const results = await trainGroup(
    experiments.map((experiment, i) => ({ experiment, folder: folders[i] })),
    { executor, measures },
  );
  for (const [i, experiment] of experiments.entries()) {
    const want = await alone(experiment, executor);
    const got = await ofFolder(folders[i]);
    assert.equal(got.records, want.records, `records of run ${i}`);
    assert.equal(got, want, `run ${i}`);
    const result = results[i] as TrainResult;
    assert.equal(JSON.parse(JSON.stringify(result.records)), JSON.parse(JSON.stringify(await written(folders[i]))));
  }
  return results as TrainResult[];
}

test('each run of a group gives the records and the bits that it gives alone, on WebAssembly', async () => {
  await sameAsAlone(convolutional, wasm);
  await sameAsAlone(attention, wasm);
  await sameAsAlone(masked, wasm);
});

test('the same on the float64 reference', async () => {
  const small = { steps: 9, batch: 4 };
  const short = (input: ExperimentInput) => ({
    ...input,
    measures: [],
    budget: { ...(input.budget as object), ...small },
  });
  await sameAsAlone(convolutional.slice(0, 4).map(short), referenceExecutor());
  await sameAsAlone(attention.map(short), referenceExecutor());
  await sameAsAlone(masked.map(short), referenceExecutor());
});

// Software drivers take 200 ms per evaluation of the measures: fewer of them, in fewer steps, with the same kinds of end.
test('the same on WebGPU', async () => {
  const fewer: Record<number, number> = { 60: 9, 33: 8 };
  const short = (input: ExperimentInput): ExperimentInput => {
    const { steps } = input.budget as { steps?: number };
    const perDoubling = input.evaluation === base.evaluation ? 1 : 2;
    const budget = steps && fewer[steps] ? { ...base.budget, steps: fewer[steps] } : input.budget;
    return { ...input, budget, evaluation: { size: 32, perDoubling } };
  };
  const results = await sameAsAlone(convolutional.map(short), gpuExecutor(gpu));
  assert.equal(
    results.map(({ reason }) => reason),
    ['done', 'done', 'done', 'done', 'done', 'diverged', 'done'],
  );
  assert.ok(
    results[6].records.every((r) => r.type !== 'eval' || r.step < 200),
    'it stopped at its loss',
  );
  await sameAsAlone(attention, gpuExecutor(gpu));
});

test('the group holds runs of every kind of end', async () => {
  const results: Awaited<ReturnType<typeof alone>>[] = [];
  for (const input of convolutional) results.push(await alone(parseExperiment(input), wasm));
  const ends = results.map(
    ({ records, step }) => [records.at(-1)!.type === 'end' && records.at(-1), Number(step)] as const,
  );
  assert.equal(ends[5][0], { type: 'end', replica: 0, reason: 'diverged' });
  assert.ok(ends[6][1] < 200, 'stopLoss');
  assert.is(ends[3][1], 33);
});

test('a replica that ends before the others of its run keeps its weights, and their step', async () => {
  const pair = { ...base, replicas: 2, seed: 5, grammar: { ...base.grammar, seed: 3 }, measures: [] };
  const whole = new MemoryFolder();
  const { records } = await train(parseExperiment(pair), { executor: wasm, folder: whole, measures });
  const lossAt = (replica: number) =>
    records.flatMap((r) => (r.type === 'eval' && r.step === 8 && r.replica === replica ? [r.loss] : []))[0];
  const [low, high] = [lossAt(0), lossAt(1)].sort((a, b) => a - b);
  const stopped = parseExperiment({ ...pair, budget: { ...base.budget, stopLoss: (low + high) / 2 } });
  const folder = new MemoryFolder();
  await train(stopped, { executor: wasm, folder, measures });
  const ends = (await written(folder)).filter((r) => r.type === 'eval');
  const lastStep = (replica: number) =>
    Math.max(...ends.flatMap((r) => (r.type === 'eval' && r.replica === replica ? [r.step] : [])));
  assert.not.equal(lastStep(0), lastStep(1), 'the replicas end at different steps');
  for (const replica of [0, 1]) {
    const { metadata, tensors } = weightsOf((await folder.read(files.checkpoint))!, 'checkpoint', {
      which: 'last',
      replica,
    });
    assert.is(Number(metadata.step), lastStep(replica));
    const single = parseExperiment({
      ...pair,
      replicas: 1,
      seed: 5 + replica,
      budget: { batch: 8, steps: lastStep(replica) },
    });
    assert.equal([...tensors], [...(await lastWeights(single))], `replica ${replica}`);
  }
});

test('what must agree is in the key, what may differ is not', async () => {
  const key = (input: ExperimentInput) => groupKey(parseExperiment(input));
  for (const input of convolutional) assert.is(key(input), key(base));
  const others: ExperimentInput[] = [
    { ...base, grammar: { ...base.grammar, v: 7 } },
    { ...base, grammar: { ...base.grammar, L: 4 } },
    { ...base, grammar: { ...base.grammar, m: 1 } },
    { ...base, task: 'class' },
    { ...base, task: { kind: 'last', context: 2 }, model: { kind: 'hcnn', width: 8, depth: 1 } },
    { ...base, model: { kind: 'hcnn', width: 9 } },
    { ...base, model: { kind: 'hcnn', width: 8, scaling: 'standard' } },
    { ...base, optimiser: { kind: 'adamw' } },
    { ...base, optimiser: { ...base.optimiser, clip: 2 } },
    { ...base, budget: { ...base.budget, batch: 4 } },
    { ...base, budget: { ...base.budget, accumulate: 2 } },
    { ...base, evaluation: { size: 64 } },
    { ...base, measures: ['invariance'] },
  ];
  assert.is(new Set([base, ...others].map(key)).size, others.length + 1);
  const runs = [base, others[0]].map((input) => ({ experiment: parseExperiment(input), folder: new MemoryFolder() }));
  const error = await failure(() => trainGroup(runs, { executor: wasm, measures }));
  assert.instance(error, InputError);
  assert.match(error.message, /number 1 cannot share a plan with number 0/);
  for (const { folder } of runs) assert.is(folder.contents.size, 0);
});

test('aborted and resumed together, from different steps: the bits of uninterrupted runs', async () => {
  const experiments = [
    base,
    { ...base, seed: 6, replicas: 2 },
    { ...base, seed: 7, budget: { batch: 8, steps: 40 } },
  ].map(parseExperiment);
  const folders = experiments.map(() => new MemoryFolder());
  const abortAt = (step: number, which: number[]) => {
    const controller = new AbortController();
    return trainGroup(
      which.map((i) => ({ experiment: experiments[i], folder: folders[i], resume: true })),
      {
        executor: wasm,
        measures,
        signal: controller.signal,
        onRecord: (r) => r.type === 'eval' && r.step >= step && controller.abort(),
      },
    );
  };
  assert.equal(
    (await abortAt(8, [0, 1])).map((r) => r.reason),
    ['interrupted', 'interrupted'],
  );
  assert.equal(
    (await abortAt(3, [2])).map((r) => r.reason),
    ['interrupted'],
  );
  assert.equal(
    (await abortAt(23, [0, 1, 2])).map((r) => r.reason),
    ['interrupted', 'interrupted', 'interrupted'],
  );
  assert.equal(
    (await abortAt(1e9, [0, 1, 2])).map((r) => r.reason),
    ['done', 'done', 'done'],
  );
  for (const [i, folder] of folders.entries()) {
    const got = await ofFolder(folder);
    const records = got.records.filter((r) => !(r.type === 'end' && r.replica === undefined));
    assert.equal({ ...got, records }, await alone(experiments[i], wasm), `run ${i}`);
  }
  const asleep = (): Promise<Executor> => Promise.reject(new Error('complete runs need no executor'));
  const again = await trainGroup(
    experiments.map((experiment, i) => ({ experiment, folder: folders[i], resume: true })),
    { executor: asleep, measures },
  );
  assert.equal(
    again.map((r) => r.reason),
    ['done', 'done', 'done'],
  );
});

test('a run that ends is complete when it is reported, while the others continue', async () => {
  const experiments = convolutional.map(parseExperiment);
  const folders = experiments.map(() => new MemoryFolder());
  const told: [number, GroupResult['reason']][] = [];
  let released = 0;
  await trainGroup(
    experiments.map((experiment, i) => ({ experiment, folder: folders[i] })),
    {
      executor: wasm,
      measures,
      async onEnd(result, index) {
        told.push([index, result.reason]);
        assert.equal(await ofFolder(folders[index]), await alone(experiments[index], wasm));
        released++;
      },
    },
  );
  assert.is(released, experiments.length);
  assert.equal(told.map(([i]) => i).sort(), [0, 1, 2, 3, 4, 5, 6]);
  const place = (run: number) => told.findIndex(([index]) => index === run);
  assert.ok(place(3) < place(0), '33 steps before 60');
  assert.is(told[place(5)][1], 'diverged');
});

test('a folder that fails ends its own run; the others keep their bits', async () => {
  for (const allowed of [0, 2, 3, 6, 9]) {
    const experiments = [base, { ...base, seed: 6 }, { ...base, seed: 7 }].map(parseExperiment);
    const folders = experiments.map(() => new MemoryFolder());
    let writes = 0;
    const full = async () => {
      if (++writes > allowed) throw new FileError('the disk is full');
    };
    const inner = folders[1];
    const failing: RunFolder = {
      name: 'failing',
      read: (file) => inner.read(file),
      write: (file, bytes) => full().then(() => inner.write(file, bytes)),
      append: (file, text) => full().then(() => inner.append(file, text)),
      release: () => inner.release(),
    };
    const results = await trainGroup(
      experiments.map((experiment, i) => ({ experiment, folder: i === 1 ? failing : folders[i] })),
      { executor: wasm, measures, checkpointMs: 0 },
    );
    assert.equal(
      results.map((r) => r.reason),
      ['done', 'failed', 'done'],
    );
    assert.instance((results[1] as { error: unknown }).error, FileError);
    for (const i of [0, 2]) assert.equal(await ofFolder(folders[i]), await alone(experiments[i], wasm));
    await trainGroup([{ experiment: experiments[1], folder: inner, resume: true }], { executor: wasm, measures });
    assert.equal(await ofFolder(inner), await alone(experiments[1], wasm), `after ${allowed} writes`);
  }
});

test('a run that cannot start fails alone, before anything is computed', async () => {
  const held = new MemoryFolder();
  await train(parseExperiment({ ...base, seed: 99 }), { executor: wasm, folder: held, measures });
  const good = new MemoryFolder();
  const results = await trainGroup(
    [
      { experiment: parseExperiment(base), folder: held },
      { experiment: parseExperiment({ ...base, budget: { batch: 8, sentences: 300 } }), folder: new MemoryFolder() },
      { experiment: parseExperiment(base), folder: good },
    ],
    { executor: wasm, measures },
  );
  assert.equal(
    results.map((r) => r.reason),
    ['failed', 'failed', 'done'],
  );
  for (const i of [0, 1]) assert.instance((results[i] as { error: unknown }).error, InputError);
  assert.equal(await ofFolder(good), await alone(parseExperiment(base), wasm));
});

test('resumed when only one replica is left, and not the first: it continues with its own sentences', async () => {
  // Replica 0 reaches stopLoss long before replica 1, which is interrupted later.
  const experiment = parseExperiment({
    ...base,
    replicas: 2,
    measures: [],
    budget: { batch: 8, steps: 400, stopLoss: 1.2 },
  });
  const whole = await train(experiment, { executor: wasm, folder: new MemoryFolder() });
  const lasts = [0, 1].map((replica) => Math.max(...evalsOf(whole.records, replica).map((r) => r.step)));
  const [early, late] = lasts[0] < lasts[1] ? [0, 1] : [1, 0];
  assert.is(early, 0, `the replicas end at ${lasts}`);
  const folder = new MemoryFolder();
  const controller = new AbortController();
  const onRecord = (r: RunRecord) => {
    if (r.type === 'end' && r.replica === early) controller.abort();
  };
  const stopped = await train(experiment, { executor: wasm, folder, signal: controller.signal, onRecord });
  assert.is(stopped.reason, 'interrupted');
  const resumed = await train(experiment, { executor: wasm, folder, resume: true });
  assert.equal(
    evalsOf(resumed.records, late).map((r) => r.loss),
    evalsOf(whole.records, late).map((r) => r.loss),
  );
});

test.run();
