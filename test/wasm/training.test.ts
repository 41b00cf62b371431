import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { membersOf } from '../../src/training/members.js';
import { Trainer } from '../../src/training/trainer.js';
import type { WasmProgram } from '../../src/wasm/executor.js';

const test = suite('training on WebAssembly');

const experiment = parseExperiment({
  grammar: { v: 8, m: 2, L: 3 },
  model: { kind: 'hcnn', width: 32 },
  budget: { batch: 32, steps: 200_000 },
  evaluation: { size: 512 },
  replicas: 2,
});

let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

/** Training losses of the first 50 steps, both replicas, from the ring of the last 64. */
async function firstLosses(executor: Executor): Promise<number[]> {
  const trainer = await Trainer.create(membersOf(experiment), executor);
  try {
    await trainer.advance(50);
    const record = await trainer.loaded.read(trainer.training.state.record);
    return [0, 1].flatMap((r) => Array.from({ length: 50 }, (_, step) => record[2 * (64 * r + step)]));
  } finally {
    trainer.destroy();
  }
}

test('the first 50 losses agree with float64 and with WebGPU to 1e-4', async () => {
  const wasm = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
  const got = await firstLosses(wasm);
  await wasm.destroy();
  assert.ok(got[49] < got[0] - 0.05, `the loss falls: ${got[0]}, ${got[49]}`);
  for (const executor of [referenceExecutor(), gpuExecutor(gpu)]) {
    const want = await firstLosses(executor);
    want.forEach((loss, i) => {
      if (!(Math.abs(got[i] - loss) <= 1e-4))
        assert.unreachable(`step ${i % 50}, replica ${i < 50 ? 0 : 1}: ${got[i]}, ${executor.description} ${loss}`);
    });
  }
});

test('memory stays flat over many steps', async () => {
  const wasm = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
  const trainer = await Trainer.create(
    membersOf(parseExperiment({ ...experiment, model: { kind: 'hcnn', width: 4 } })),
    wasm,
  );
  const before = (trainer.loaded as WasmProgram).arena.memory.buffer.byteLength;
  const host: number[] = [];
  for (let part = 0; part < 4; part++) {
    await trainer.advance(2500);
    host.push(process.memoryUsage().rss);
  }
  assert.is((trainer.loaded as WasmProgram).arena.memory.buffer.byteLength, before);
  const growth = host[3] - host[1];
  assert.ok(growth < 8 * 2 ** 20, `resident memory grew by ${growth} bytes over 5000 steps`);
  trainer.destroy();
  await wasm.destroy();
});

test.run();
