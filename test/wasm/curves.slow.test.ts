import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Experiment, parseExperiment } from '../../src/core/experiment.js';
import { gpuExecutor, wasmExecutor } from '../../src/kernels/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { train } from '../../src/training/loop.js';
import { rulesOf } from '../../src/training/members.js';
import { softwareDrivers } from '../support/gpu.js';

/** The same experiment on both executors, from the first step to the last plateau. */
const test = suite('learning curves of WebAssembly and WGSL');

/** SwiftShader takes 14 minutes for these; if no faster driver is installed the networks are smaller, unless RHM_SOAK=1. */
const adapter = softwareDrivers[softwareDrivers.length - 1];
const full = adapter === 'lavapipe' || !!process.env.RHM_SOAK;

const common = {
  grammar: { v: full ? 8 : 5, m: 2, s: 2, L: 3, seed: full ? 1 : 2 },
  replicas: 4,
  evaluation: { size: full ? 1024 : 512, perDoubling: full ? 2 : 1 },
};
const experiments = {
  hcnn: {
    model: { kind: 'hcnn', width: full ? 32 : 16 },
    optimiser: { kind: 'sgd', rate: 1 },
    budget: full ? { batch: 32, steps: 1024 } : { batch: 16, steps: 512 },
  },
  mla: {
    model: full ? { kind: 'mla', channels: 32, heads: 4 } : { kind: 'mla', channels: 16, heads: 2 },
    optimiser: { kind: 'adamw', rate: full ? 5e-3 : 1e-2 },
    schedule: { kind: 'cosine' },
    budget: full ? { batch: 32, steps: 1448 } : { batch: 16, steps: 724 },
  },
};

/** Test losses [evaluation][replica], and the steps of the evaluations. */
async function curves(experiment: Experiment, executor: Executor) {
  const { records } = await train(experiment, { executor, folder: new MemoryFolder() });
  const steps: number[] = [];
  const losses: number[][] = [];
  for (const record of records)
    if (record.type === 'eval') {
      if (record.replica === 0) {
        steps.push(record.step);
        losses.push([]);
      }
      losses[losses.length - 1].push(record.loss);
    }
  return { steps, losses };
}

for (const [name, input] of Object.entries(experiments))
  test(`${name}: at every plateau the executors differ by less than the seeds do`, async () => {
    const experiment = parseExperiment({ ...common, ...input });
    const { H } = lossPlateaus(rulesOf(experiment));
    const wasm = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
    const mine = await curves(experiment, wasm);
    await wasm.destroy();
    const gpu = await openNodeGpu({ adapter });
    const theirs = await curves(experiment, gpuExecutor(gpu));
    await gpu.release();
    assert.equal(theirs.steps, mine.steps);

    // The point of the mean curve nearest to each plateau; for the last one the end of the run.
    const nearest = [1, 2, 3].map((ell) => {
      const distance = mine.losses.map((losses) => Math.abs(Math.log(mean(losses) / H[ell])));
      return ell < 3 ? distance.indexOf(Math.min(...distance)) : distance.length - 1;
    });
    assert.ok(nearest[0] < nearest[1] && nearest[1] < nearest[2], `plateaus at evaluations ${nearest}`);
    assert.ok(mean(mine.losses[nearest[2]]) < (H[2] + H[3]) / 2, `ends at ${mine.losses[nearest[2]]}, H = ${H}`);
    const told = nearest.map((at, i) => {
      const [a, b] = [mine.losses[at], theirs.losses[at]];
      const apart = Math.sqrt(mean(a.map((loss, r) => (loss - b[r]) ** 2)));
      const text = `H(${i + 1}) = ${H[i + 1].toFixed(4)}, step ${mine.steps[at]}: ${a.map(show)} and ${b.map(show)}`;
      assert.ok(apart <= deviation(a) && apart <= deviation(b), `${text} differ by ${apart}, seeds by ${deviation(a)}`);
      return `${text}; executors ${apart.toExponential(1)} apart, seeds ${deviation(a).toExponential(1)}`;
    });
    console.log([adapter, ...told].join('\n'));
  });

const show = (loss: number) => loss.toFixed(4);
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const deviation = (values: readonly number[]) =>
  Math.sqrt(values.reduce((sum, x) => sum + (x - mean(values)) ** 2, 0) / (values.length - 1));

test.run();
