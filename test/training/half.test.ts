import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { SCALING_WORDS, scalingWords, UNIT_EXPONENT } from '../../src/core/clock.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import type { Executor, HostArray } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { train, trainGroup } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { Trainer } from '../../src/training/trainer.js';
import { testAdapters } from '../support/gpu.js';

/** Training with half-precision factors, emulated: no matrix units are available in this suite. */
const test = suite('half precision');
const wasm = wasmExecutor({ emulateHalf: true });
test.after(() => wasm.destroy());

const cases = {
  'hcnn, plain SGD': { model: { kind: 'hcnn', width: 24 } },
  'hlcn, momentum': { model: { kind: 'hlcn', width: 12 }, optimiser: { kind: 'sgd', rate: 0.5, momentum: 0.9 } },
  'hcnn, accumulated and clipped': {
    model: { kind: 'hcnn', width: 16 },
    optimiser: { clip: 0.3 },
    budget: { accumulate: 2 },
  },
  'fcn, Lion': { model: { kind: 'fcn', width: 24, depth: 2 }, optimiser: { kind: 'lion', rate: 0.003 } },
  'mla, AdamW': { model: { kind: 'mla', channels: 16, heads: 2 } },
  'clm, AdamW': { task: { kind: 'auto' }, model: { kind: 'clm', channels: 16, heads: 2 } },
};
type Case = keyof typeof cases;
const experimentOf = (name: Case, part: object = {}, budget: object = {}) => {
  const own = cases[name] as { budget?: object };
  return parseExperiment({
    grammar: { v: 6, m: 2, s: 2, L: 2, seed: 3 },
    ...own,
    budget: { batch: 32, steps: 60, ...own.budget, ...budget },
    evaluation: { size: 128, perDoubling: 1 },
    precision: 'f16',
    ...part,
  });
};

async function after(
  steps: number,
  executor: Executor,
  experiment = experimentOf('hcnn, plain SGD'),
  exponent?: number,
) {
  const trainer = await Trainer.create(membersOf(experiment), executor);
  try {
    const { state, params } = trainer.training;
    const write = (tensor: NonNullable<typeof state.scaling>, row: Uint32Array) => trainer.loaded.write(tensor, row);
    if (exponent !== undefined && state.scaling) {
      const row = new Uint32Array(SCALING_WORDS * membersOf(experiment).length);
      for (let r = 0; r * SCALING_WORDS < row.length; r++) row[r * SCALING_WORDS + scalingWords.exponent] = exponent;
      write(state.scaling, row);
    }
    const before = Float64Array.from(await trainer.loaded.read(params));
    await trainer.advance(steps);
    const weights = Float64Array.from(await trainer.loaded.read(params));
    const scaling = state.scaling && (await trainer.loaded.read(state.scaling));
    const gradients = Float64Array.from(await trainer.loaded.read(trainer.training.gradients));
    return { before, weights, scaling, gradients, loss: (await trainer.evaluate())[0].loss };
  } finally {
    trainer.destroy();
  }
}

const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let [sum, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    sum += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(sum / size);
};

test('a run in half precision is a different run; f32 spelled out is not', async () => {
  const plain = parseExperiment({ model: 'hcnn' });
  assert.is(await contentHash(parseExperiment({ model: 'hcnn', precision: 'f32' })), await contentHash(plain));
  assert.not.ok('precision' in plain);
  assert.is.not(await contentHash(parseExperiment({ model: 'hcnn', precision: 'f16' })), await contentHash(plain));
  assert.throws(() => parseExperiment({ precision: 'bf16' }), /precision: got "bf16"; pass .*f32.*f16/);
});

test('without matrix units it is refused before the run, with the remedy', async () => {
  const executor = wasmExecutor();
  try {
    const folder = new MemoryFolder();
    let message = '';
    await train(experimentOf('hcnn, plain SGD'), { executor, folder }).catch((e: Error) => {
      message = e.message;
    });
    assert.match(message, /precision: f16 .* has none; pass --emulate-f16 .*f32/);
    assert.is(folder.contents.size, 0);
  } finally {
    await executor.destroy();
  }
});

for (const name of Object.keys(cases) as Case[]) {
  test(`${name}: the float64 reference with rounded factors, not the one without`, async () => {
    const experiment = experimentOf(name);
    const steps = 1;
    const got = await after(steps, wasm, experiment);
    const want = await after(steps, referenceExecutor(), experiment);
    const unrounded = await after(steps, referenceExecutor(), experimentOf(name, { precision: 'f32' }));
    const factor = 2 ** (want.scaling![scalingWords.exponent] - UNIT_EXPONENT);
    const gradients = want.gradients.map((g) => g / factor);
    const rounding = distance(unrounded.gradients, gradients);
    assert.ok(rounding > 1e-4, `rounding changes the gradients by ${rounding}`);
    const off = distance(
      got.gradients.map((g) => g / factor),
      gradients,
    );
    assert.ok(off < 0.2 * rounding, `${off} of ${rounding}`);
    assert.is(got.scaling![scalingWords.skipped], 0);
  });

  test(`${name}: learns as in f32`, async () => {
    const steps = 300;
    const half = await after(steps, wasm, experimentOf(name));
    const single = await after(steps, wasm, experimentOf(name, { precision: 'f32' }));
    assert.ok(Math.abs(half.loss - single.loss) < 0.03, `${half.loss} and ${single.loss}`);
    assert.ok(half.loss < 1.7, `${half.loss}`);
  });

  test(`${name}: a factor that does not fit leaves out the step, halves the loss's factor and is counted`, async () => {
    const experiment = experimentOf(name, { replicas: 2 });
    // At 2^60 every gradient exceeds the largest half; after about 60 - 20 halvings it does not.
    const first = await after(1, wasm, experiment, UNIT_EXPONENT + 60);
    assert.equal(first.weights, first.before, 'weights stay');
    assert.equal([...first.scaling!], [0, UNIT_EXPONENT + 59, 1, 0, 0, UNIT_EXPONENT + 59, 1, 0]);
    const later = await after(60, wasm, experiment, UNIT_EXPONENT + 60);
    const [, exponent, skipped] = later.scaling!;
    assert.is(exponent + skipped, UNIT_EXPONENT + 60);
    assert.ok(skipped > 20 && skipped < 60, `${skipped} steps left out`);
    assert.ok(distance(later.weights, later.before) > 1e-3, 'it goes on');
    assert.ok(later.weights.every(Number.isFinite));
  });
}

test('gradients that underflow without the factor do not with it', async () => {
  // 2^-13 for the mean over a batch, 2^-8 for the readout: about 2^-22 at the hidden layer, four units of a half.
  const experiment = (precision: string) =>
    experimentOf('hcnn, plain SGD', { model: { kind: 'hcnn', width: 256 }, precision }, { batch: 8192 });
  const gradientsOf = async (precision: string, exponent?: number) => {
    const { gradients, scaling } = await after(1, wasm, experiment(precision), exponent);
    const factor = scaling ? 2 ** (scaling[scalingWords.exponent] - UNIT_EXPONENT) : 1;
    return gradients.map((g) => g / factor);
  };
  const exact = await gradientsOf('f32');
  const scaled = distance(await gradientsOf('f16'), exact);
  const unscaled = distance(await gradientsOf('f16', UNIT_EXPONENT), exact);
  const tiny = distance(await gradientsOf('f16', UNIT_EXPONENT - 4), exact);
  assert.ok(scaled < 0.02, `with the factor: off by ${scaled}`);
  assert.ok(unscaled > 3 * scaled, `without: ${unscaled}`);
  assert.ok(tiny > 0.3, `at a sixteenth, as of a network 16 times as wide: ${tiny}`);
});

test('interrupted and resumed: the same bits, including the factor; records report it', async () => {
  const experiment = experimentOf('mla, AdamW');
  const [whole, parts] = [new MemoryFolder(), new MemoryFolder()];
  await train(experiment, { executor: wasm, folder: whole });
  const stop = new AbortController();
  const onRecord = (r: { type: string; step?: number }) => {
    if (r.type === 'eval' && r.step === 16) stop.abort();
  };
  await train(experiment, { executor: wasm, folder: parts, signal: stop.signal, onRecord });
  await train(experiment, { executor: wasm, folder: parts, resume: true });
  const tensors = (folder: MemoryFolder) =>
    [...decodeSafetensors(folder.contents.get(files.checkpoint)!).tensors].map(([key, { data }]) => [key, [...data]]);
  assert.equal(tensors(parts), tensors(whole));
  assert.ok(tensors(whole).some(([key]) => String(key).includes('state/scaling')));
  const { records } = parseRecords(new TextDecoder().decode(whole.contents.get(files.records)!));
  const evals = records.flatMap((r) => (r.type === 'eval' ? [r] : []));
  assert.ok(evals.length > 3);
  // Predictions of a batch times channels: 32 * 16.
  for (const { skipped, loss_scale } of evals) assert.equal([skipped, loss_scale], [0, 512]);
});

test('the norm of the gradient is that without the factor', async () => {
  const normOf = async (precision: string) => {
    const experiment = experimentOf('mla, AdamW', { precision, measures: ['norms'] }, { steps: 4 });
    const { records } = await train(experiment, { executor: wasm, folder: new MemoryFolder(), measures });
    return records.findLast((r) => r.type === 'measure' && r.name === 'gradient-norm') as { value: number };
  };
  const [half, single] = [await normOf('f16'), await normOf('f32')];
  assert.ok(Math.abs(half.value / single.value - 1) < 0.02, `${half.value} and ${single.value}`);
});

test('packed replicas give the bits that they give alone, each with its own factor', async () => {
  const seeds = [0, 1, 2];
  const alone = await Promise.all(seeds.map((seed) => after(20, wasm, experimentOf('hcnn, plain SGD', { seed }))));
  const packed = await after(20, wasm, experimentOf('hcnn, plain SGD', { replicas: 3 }));
  const row = packed.weights.length / 3;
  for (const [r, { weights }] of alone.entries())
    assert.equal([...packed.weights.subarray(r * row, (r + 1) * row)], [...weights]);
});

test('f32 and f16 do not train in one plan', async () => {
  const folders = [new MemoryFolder(), new MemoryFolder()];
  const experiments = ['f32', 'f16'].map((precision) => experimentOf('hcnn, plain SGD', { precision }));
  let message = '';
  await trainGroup(
    experiments.map((experiment, i) => ({ experiment, folder: folders[i] })),
    { executor: wasm },
  ).catch((e: Error) => {
    message = e.message;
  });
  assert.match(message, /cannot train in one plan|shape/);
});

for (const adapter of testAdapters)
  test(`${adapter}: emulated on a GPU, with updates inside the products: the same training as in WebAssembly`, async () => {
    const gpu = await openNodeGpu({ adapter });
    try {
      const executor = gpuExecutor(gpu, undefined, undefined, undefined, true);
      for (const name of ['hcnn, plain SGD', 'mla, AdamW'] as const) {
        const there = await after(3, executor, experimentOf(name));
        const here = await after(3, wasm, experimentOf(name));
        assert.ok(distance(there.weights, here.weights) < 2e-5, `${name}: ${distance(there.weights, here.weights)}`);
      }
      for (const variant of ['lanes', 'rows']) {
        const choose = (op: string) => (op === 'matmul' ? variant : undefined);
        const chosen = gpuExecutor(gpu, undefined, { choose }, undefined, true);
        const huge = await after(1, chosen, experimentOf('hcnn, plain SGD'), UNIT_EXPONENT + 60);
        assert.equal(huge.weights, huge.before, `${variant}: no product changed its weight in a step that is left out`);
        assert.is((huge.scaling as HostArray)[scalingWords.skipped], 1);
      }
    } finally {
      await gpu.release();
    }
  });

test.run();
