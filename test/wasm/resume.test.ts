import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WorkerError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { parseRecords, type RunRecord } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import type { Thread } from '../../src/core/wasmThreads.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, wasmExecutor } from '../../src/kernels/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { type TrainOptions, train } from '../../src/training/loop.js';
import { failure } from '../support/gpu.js';

/** Runs that are continued by another executor or by other threads. */
const test = suite('runs that change hands');

const experiments = {
  hcnn: { model: { kind: 'hcnn', width: 16 }, optimiser: { kind: 'sgd', rate: 1, momentum: 0.5 } },
  mla: { model: { kind: 'mla', channels: 16, heads: 2 }, optimiser: { kind: 'adamw', rate: 5e-3 } },
} as const;
const parse = (kind: keyof typeof experiments, steps = 128) =>
  parseExperiment({
    grammar: { v: 8, m: 2, s: 2, L: 2, seed: 2 },
    budget: { batch: 32, steps },
    evaluation: { size: 256, perDoubling: 1 },
    ...experiments[kind],
  });

let gpu: GpuSession;
const wasm = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => {
  await wasm.destroy();
  await gpu.release();
});

const evalsOf = (records: readonly RunRecord[]) => records.flatMap((r) => (r.type === 'eval' ? [r] : []));
const checkpointOf = (folder: MemoryFolder) => decodeSafetensors(folder.contents.get(files.checkpoint)!);

for (const kind of ['hcnn', 'mla'] as const)
  for (const way of ['wasm to webgpu', 'webgpu to wasm'])
    test(`${kind}, ${way}: the other executor continues the checkpoint along the same curve`, async () => {
      const experiment = parse(kind);
      const go = (executor: Executor, folder: MemoryFolder, options: Partial<TrainOptions> = {}) =>
        train(experiment, { executor, folder, ...options });
      const [first, second] = way.startsWith('wasm') ? [wasm, gpuExecutor(gpu)] : [gpuExecutor(gpu), wasm];
      const whole = await go(first, new MemoryFolder());

      const folder = new MemoryFolder();
      const controller = new AbortController();
      const onRecord = (r: RunRecord) => {
        if (r.type === 'eval' && r.step === 32) controller.abort();
      };
      assert.is((await go(first, folder, { signal: controller.signal, onRecord })).reason, 'interrupted');
      const resumed = await go(second, folder, { resume: true });
      assert.is(resumed.reason, 'done');
      const starts = resumed.records.flatMap((r) => (r.type === 'start' ? [r] : []));
      assert.equal(
        starts.map((r) => [r.executor, r.step]),
        [
          [first.kind, 0],
          [second.kind, 32],
        ],
      );
      const [a, b] = [evalsOf(whole.records), evalsOf(resumed.records)];
      assert.equal(
        b.map((r) => [r.step, r.samples]),
        a.map((r) => [r.step, r.samples]),
      );
      assert.ok(a[0].loss - a[a.length - 1].loss > 0.3, `it learns: ${a.map((r) => r.loss)}`);
      for (const [i, { loss, step }] of a.entries()) {
        // Up to the hand-over the same executor computed; after it, roundings differ.
        if (step <= 32) assert.is(b[i].loss, loss);
        else assert.ok(Math.abs(b[i].loss - loss) <= 1e-4, `step ${step}: ${b[i].loss}, uninterrupted ${loss}`);
      }
    });

test('a thread that dies during a run: WorkerError, and the checkpoint continues to the same bits', async () => {
  const experiment = parse('hcnn', 4096);
  const whole = new MemoryFolder();
  const uninterrupted = await train(experiment, { executor: wasm, folder: whole });

  const threads: Thread[] = [];
  const spawn = (source: string) => {
    threads.push(spawnNodeThread(source));
    return threads[threads.length - 1];
  };
  const folder = new MemoryFolder();
  const mortal = wasmExecutor({ threads: 3, spawn, cutAll: true });
  const onRecord = (r: RunRecord) => {
    if (r.type === 'eval' && r.step === 64) void threads[1].kill();
  };
  const error = await failure(() => train(experiment, { executor: mortal, folder, onRecord, checkpointMs: 0 }));
  assert.instance(error, WorkerError);
  assert.match(error.message, /thread 2 of 3: ended with exit code 1; continue the run from its last checkpoint/);
  const { step } = checkpointOf(folder).metadata;
  assert.ok(Number(step) > 0 && Number(step) < 4096, `the last checkpoint is of step ${step}`);

  // The same executor, with new threads.
  const resumed = await train(experiment, { executor: mortal, folder, resume: true });
  await mortal.destroy();
  assert.is(resumed.reason, 'done');
  const still = (records: readonly RunRecord[]) => evalsOf(records).map((r) => ({ ...r, elapsed_ms: 0 }));
  assert.equal(still(resumed.records), still(uninterrupted.records));
  assert.equal([...checkpointOf(folder).tensors], [...checkpointOf(whole).tensors]);
  const written = parseRecords(new TextDecoder().decode(folder.contents.get(files.records)));
  assert.equal(written.problems, []);
});

test.run();
