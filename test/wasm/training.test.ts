import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Experiment, parseExperiment } from '../../src/core/experiment.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { membersOf } from '../../src/training/members.js';
import { Trainer } from '../../src/training/trainer.js';
import { testAdapters } from '../support/gpu.js';

const test = suite('training on WebAssembly');

const experiments = {
  hcnn: { model: { kind: 'hcnn', width: 32 } },
  mla: { model: { kind: 'mla', channels: 16, heads: 2 }, optimiser: { kind: 'adamw', rate: 5e-3 } },
};

/** Training losses of the first 50 steps, both replicas, from the ring of the last 64. */
async function firstLosses(experiment: Experiment, executor: Executor): Promise<number[]> {
  const trainer = await Trainer.create(membersOf(experiment), executor);
  try {
    await trainer.advance(50);
    const record = await trainer.loaded.read(trainer.training.state.record);
    return [0, 1].flatMap((r) => Array.from({ length: 50 }, (_, step) => record[2 * (64 * r + step)]));
  } finally {
    trainer.destroy();
  }
}

for (const [name, input] of Object.entries(experiments))
  test(`${name}: the first 50 losses agree with float64 and with WGSL to 1e-4`, async () => {
    const experiment = parseExperiment({
      grammar: { v: 8, m: 2, L: 3 },
      budget: { batch: 32, steps: 200_000 },
      evaluation: { size: 512 },
      replicas: 2,
      ...input,
    });
    const wasm = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
    const got = await firstLosses(experiment, wasm);
    await wasm.destroy();
    assert.ok(got[49] < got[0] - 0.05, `the loss falls: ${got[0]}, ${got[49]}`);
    const check = async (executor: Executor) => {
      const want = await firstLosses(experiment, executor);
      want.forEach((loss, i) => {
        if (!(Math.abs(got[i] - loss) <= 1e-4))
          assert.unreachable(`step ${i % 50}, replica ${i < 50 ? 0 : 1}: ${got[i]}, ${executor.description} ${loss}`);
      });
    };
    await check(referenceExecutor());
    for (const adapter of testAdapters) {
      const gpu = await openNodeGpu({ adapter });
      await check(gpuExecutor(gpu)).finally(() => gpu.release());
    }
  });

test.run();
