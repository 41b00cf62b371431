import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import type { GpuSession } from '../../src/gpu/device.js';
import type { AdapterTraits, Lowering } from '../../src/gpu/dispatch.js';
import { GpuExecutor } from '../../src/gpu/executor.js';
import { embedBackward, embedBackwardVariant } from '../../src/kernels/embedBackward.js';
import { kernelOf, referenceExecutor } from '../../src/kernels/index.js';
import { fuseUpdates } from '../../src/kernels/shared/fuseUpdate.js';
import { measures } from '../../src/measures/index.js';
import type { Executor } from '../../src/plan/executor.js';
import type { Call } from '../../src/plan/types.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';
import { smallTiles } from './embedBackwardShapes.js';

const test = suite('plain SGD inside the products');
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

const base = {
  grammar: { v: 8, m: 2, s: 2, L: 3 },
  model: { kind: 'hcnn', width: 20 },
  optimiser: { kind: 'sgd', rate: 0.5 },
  budget: { batch: 12, steps: 100 },
  evaluation: { size: 16 },
  schedule: { kind: 'cosine', warmup: 3 },
  replicas: 3,
} satisfies ExperimentInput;

const programOf = (input: ExperimentInput) => trainingProgram(membersOf(parseExperiment(input)), measures).program;
const callsOf = (input: ExperimentInput) => fuseUpdates(programOf(input)).plans.get('train')!.calls;
const fusedIn = (calls: readonly Call[]) =>
  calls.filter(({ op, inputs }) => ['matmul', 'embedBackward'].includes(op) && inputs.pace);

test('every weight whose gradient a product has; the rate is known earlier, nothing is left for sgd', () => {
  const before = programOf(base).plans.get('train')!.calls;
  const calls = callsOf(base);
  assert.equal(
    fusedIn(calls).map(({ label }) => label),
    ['readout gradient', 'hidden.2 gradient', 'hidden.1 gradient', 'hidden.0 gradient'],
  );
  const at = (label: string) => calls.findIndex((call) => call.label === label);
  assert.ok(at('loss') < at('pace') && at('pace') < at('readout gradient'));
  assert.ok(at('hidden.1 input gradient') < at('hidden.1 gradient'));
  assert.is(calls.filter(({ op }) => op === 'sgd').length, 0);
  assert.is(calls.length, before.length - 1);
});

test('a network whose filters have biases keeps sgd for those', () => {
  const calls = callsOf({ ...base, model: { kind: 'hcnn', width: 20, bias: true } });
  assert.is(fusedIn(calls).length, 4);
  assert.equal(
    calls.filter(({ op }) => op === 'sgd').map(({ outputs: { params } }) => [params.offset, params.shape[1]]),
    [
      [320, 64], // the bias of hidden.0 (16 x 20)
      [320 + 64 + 832, 64], // between hidden.1 (40 x 20) and hidden.2
      [320 + 2 * (64 + 832), 64],
    ],
  );
});

const untouched: Record<string, ExperimentInput> = {
  momentum: { ...base, optimiser: { kind: 'sgd', rate: 0.5, momentum: 0.9 } },
  decay: { ...base, optimiser: { kind: 'sgd', rate: 0.5, weightDecay: 0.1 } },
  clipping: { ...base, optimiser: { kind: 'sgd', rate: 0.5, clip: 1 } },
  accumulation: { ...base, budget: { batch: 4, steps: 100, accumulate: 3 } },
  'norms of the gradient': { ...base, measures: ['norms'] },
  adamw: { ...base, optimiser: { kind: 'adamw', rate: 0.01 } },
};
for (const [name, input] of Object.entries(untouched))
  test(`${name}: nothing changes`, () => {
    assert.equal(callsOf(input), programOf(input).plans.get('train')!.calls);
  });

const isProduct = (call: Call, traits: AdapterTraits) =>
  call.op === 'matmul' ||
  (call.op === 'embedBackward' &&
    embedBackwardVariant(embedBackward.typed(call), { ...traits, software: false }) === 'product');

/** Weights after some steps, all replicas. */
async function weightsAfter(input: ExperimentInput, executor: Executor, steps: number): Promise<Float32Array[]> {
  const trainer = await Trainer.create(membersOf(parseExperiment(input)), executor);
  try {
    await trainer.advance(steps);
    return (await trainer.state()).map(({ params }) => params as Float32Array);
  } finally {
    trainer.destroy();
  }
}

/** The weights are bit-identical whether updates are inside the products or separate, and agree with float64 within f32. */
async function assertSame(input: ExperimentInput, lower: Lowering<Call>, tuned?: Map<string, string>): Promise<void> {
  const open = (prepare?: typeof fuseUpdates) =>
    new GpuExecutor(gpu, lower, tuned, { maxInvocations: 256 }, undefined, prepare);
  const [fused, separate] = [open(fuseUpdates), open()];
  const mine = await weightsAfter(input, fused, 5);
  assert.equal(mine, await weightsAfter(input, separate, 5));
  const exact = await weightsAfter(input, referenceExecutor(), 5);
  for (const [r, weights] of mine.entries())
    for (const [i, w] of weights.entries())
      assert.ok(Math.abs(w - exact[r][i]) <= 1e-4 * Math.max(1, Math.abs(exact[r][i])), `${r} ${i}: ${w}`);
}

const models: Record<string, ExperimentInput> = {
  hcnn: base,
  'hcnn, odd width, biases': { ...base, model: { kind: 'hcnn', width: 21, bias: true } },
  hlcn: { ...base, model: { kind: 'hlcn', width: 12 } },
  'hcnn, gradient of the embedding in ranges': { ...base, budget: { batch: 256, steps: 100 } },
};
for (const [name, input] of Object.entries(models))
  for (const software of [true, false])
    test(`${name}: the bits of separate updates, products for ${software ? 'processors' : 'GPUs'}`, async () => {
      // Products as on a GPU, everything else as on a CPU: kernels that are slow to compile there are not tested here.
      const lower: Lowering<Call> = (call, traits, scratch) =>
        kernelOf(call).webgpu(call, { ...traits, software: software || !isProduct(call, traits) }, scratch);
      await assertSame(input, lower, software ? undefined : smallTiles);
    });

for (const variant of ['memory', 'registers'])
  test(`the bits of separate updates, gradient of the embedding in ${variant}`, async () => {
    const lower: Lowering<Call> = (call, traits, scratch) =>
      kernelOf(call).webgpu(call, { ...traits, software: call.op !== 'embedBackward' }, scratch);
    await assertSame(base, lower, new Map([['embedBackward', variant]]));
  });

test.run();
