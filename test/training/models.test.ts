import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Experiment, parseExperiment } from '../../src/core/experiment.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { models } from '../../src/models/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { membersOf } from '../../src/training/members.js';
import { Trainer } from '../../src/training/trainer.js';
import { smallCases } from './cases.js';

const test = suite('whole models');
const STEPS = 10;

let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

const trainerOf = (experiment: Experiment, executor: Executor) => Trainer.create(membersOf(experiment), executor);

/** Training losses [steps][R] and weights [R, P] after this many steps, replicas side by side. */
async function firstSteps(experiment: Experiment, executor: Executor) {
  const trainer = await trainerOf(experiment, executor);
  const losses: number[][] = [];
  for (let step = 0; step < STEPS; step++) {
    await trainer.advance(1);
    losses.push(await trainingLosses(trainer, step));
  }
  const weights = (await trainer.state()).map((s) => s.params);
  const evaluation = await trainer.evaluate();
  trainer.destroy();
  return { losses, weights, evaluation };
}

async function trainingLosses(trainer: Trainer, step: number): Promise<number[]> {
  const { record } = trainer.training.state;
  const ring = record.shape[1];
  const values = await trainer.loaded.read(record);
  return trainer.members.map((_, r) => values[(r * ring + (step % ring)) * 2]);
}

test('every model is among the cases', () => {
  const kinds = new Set(Object.values(smallCases).map((c) => parseExperiment(c).model.kind));
  assert.equal([...kinds].sort(), Object.keys(models).sort());
});

for (const [name, input] of Object.entries(smallCases)) {
  const experiment = parseExperiment(input);

  test(`${name}: gradient against finite differences`, async () => {
    const alone = parseExperiment({
      ...input,
      replicas: 1,
      budget: { ...experiment.budget, accumulate: 1 },
      optimiser: { ...experiment.optimiser, clip: undefined },
    });
    const trainer = await trainerOf(alone, referenceExecutor());
    const { params, state } = trainer.training;
    const { loaded } = trainer;
    const x = (await loaded.read(params)) as Float64Array;
    await trainer.advance(1);
    const gradient = (await loaded.read(loaded.program.tensors.get('grads')!)) as Float64Array;
    const loss = async () => {
      loaded.write(params, x);
      loaded.write(state.clock, new Uint32Array(8));
      await loaded.run('train');
      return (await trainingLosses(trainer, 0))[0];
    };
    for (const { name: parameter, shape } of trainer.training.model.parameters) {
      const { offset } = loaded.program.tensors.get(parameter)!;
      const size = shape.reduce((a, b) => a * b, 1);
      const part = (array: Float64Array) => array.subarray(offset, offset + size);
      assert.ok(
        part(gradient).some((g) => g !== 0),
        `${parameter}: the gradient is zero everywhere`,
      );
      await checkGradient(parameter, part(x), part(gradient), loss);
    }
    trainer.destroy();
  });

  for (const kind of ['WebGPU', 'WebAssembly'])
    test(`${name}: ten losses and the weights as in float64, three seeds, ${kind}`, async () => {
      const executor = kind === 'WebGPU' ? gpuExecutor(gpu) : wasmExecutor();
      const want = await firstSteps(experiment, referenceExecutor());
      const got = await firstSteps(experiment, executor);
      assert.is.not(want.losses[0][0], want.losses[0][1], 'replicas have seeds of their own');
      for (let step = 0; step < STEPS; step++)
        got.losses[step].forEach((loss, r) => {
          close(`loss ${step} of replica ${r}`, loss, want.losses[step][r], 1);
        });
      got.weights.forEach((row, r) => {
        row.forEach((w, i) => {
          close(`weight ${i} of replica ${r}`, w, want.weights[r][i], 1);
        });
      });
      got.evaluation.forEach(({ loss }, r) => {
        close(`test loss of replica ${r}`, loss, want.evaluation[r].loss, 1);
      });
    });
}

test('a clipped gradient has the requested norm and keeps its direction', async () => {
  const input = smallCases['hcnn, clipped gradients'];
  const gradientOf = async (clip: number | undefined) => {
    const experiment = parseExperiment(input);
    const trainer = await trainerOf(
      { ...experiment, optimiser: { ...experiment.optimiser, clip } },
      referenceExecutor(),
    );
    await trainer.advance(1);
    const { loaded } = trainer;
    const gradient = (await loaded.read(loaded.program.tensors.get('grads')!)) as Float64Array;
    return [0, 1, 2].map((r) => gradient.subarray((r * gradient.length) / 3, ((r + 1) * gradient.length) / 3));
  };
  const norm = (x: Float64Array) => Math.hypot(...x);
  const whole = await gradientOf(undefined);
  const clipped = await gradientOf(0.05);
  whole.forEach((gradient, r) => {
    assert.ok(norm(gradient) > 0.1);
    assert.ok(Math.abs(norm(clipped[r]) - 0.05) < 1e-12);
    gradient.forEach((g, i) => {
      assert.ok(Math.abs((g * 0.05) / norm(gradient) - clipped[r][i]) < 1e-12);
    });
  });
});

test.run();

/** Central differences, extrapolated once (h and 2h): their error is about 1e-9. The seeds avoid the kinks of ReLU. */
async function checkGradient(name: string, x: Float64Array, gradient: Float64Array, f: () => Promise<number>) {
  const h = 1e-4;
  const slope = async (i: number, step: number) => {
    const kept = x[i];
    x[i] = kept + step;
    const above = await f();
    x[i] = kept - step;
    const below = await f();
    x[i] = kept;
    return (above - below) / (2 * step);
  };
  const stride = Math.ceil(x.length / 40); // at most 40 elements of each parameter
  for (let i = 0; i < x.length; i += stride) {
    const numeric = (4 * (await slope(i, h)) - (await slope(i, 2 * h))) / 3;
    if (!(Math.abs(numeric - gradient[i]) <= 1e-7 * (1 + Math.abs(numeric))))
      assert.unreachable(`${name}[${i}]: gradient ${gradient[i]}, central difference ${numeric}`);
  }
}

/**
 * Ten steps in f32: each rounds sums of up to 40 terms of order 1 (sqrt(40) * 2^-24 = 4e-7), and the trained net amplifies a
 * difference by at most a few per step; 1e-4 leaves a factor of twenty.
 */
function close(what: string, got: number, want: number, scale: number): void {
  if (!(Math.abs(got - want) <= 1e-4 * (scale + Math.abs(want))))
    assert.unreachable(`${what}: ${got}, float64 ${want}`);
}
