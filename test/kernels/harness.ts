import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError } from '../../src/core/errors.js';
import { threefry } from '../../src/core/threefry.js';
import type { GpuSession } from '../../src/gpu/device.js';
import type { GpuExecutor } from '../../src/gpu/executor.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import type { KernelCase, KernelSpec } from '../../src/kernels/shared/types.js';
import { checkCase, runCase } from '../../src/kernels/tools/check.js';
import { type PlanBuilder, ProgramBuilder } from '../../src/plan/builder.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import type { WasmExecutor } from '../../src/wasm/executor.js';

/** Whole numbers for random shapes: low <= draw(low, high) <= high. */
export type Draw = (low: number, high: number) => number;

export interface SuiteOptions {
  /** A random case; called 200 times with numbers from a fixed seed. */
  property?: (draw: Draw) => Omit<KernelCase, 'name'>;
}

/**
 * A suite with every case of an operation: WebGPU and WebAssembly against float64, and the same bits on a second run, with more
 * replicas and with more threads; with `property` also 200 random shapes. Add more tests to it, then call run().
 */
export function kernelSuite(spec: KernelSpec, options: SuiteOptions = {}) {
  const test = suite(`kernel ${spec.op}`);
  let gpu: GpuSession;
  let executor: GpuExecutor;
  test.before(async () => {
    gpu = await openNodeGpu();
    executor = gpuExecutor(gpu);
  });
  test.after(async () => gpu.release());
  assert.ok(spec.cases.length > 0, 'an operation without cases');
  const check = async (item: KernelCase) => {
    const result = await checkCase(item, executor, referenceExecutor());
    assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
  };
  for (const item of spec.cases) test(item.name, () => check(item));
  test('the same bits again, for any number of replicas', async () => {
    for (const item of spec.cases) {
      const first = await runCase(item, executor);
      const second = await runCase(item, executor);
      const alone = await runCase({ ...item, replicas: 1 }, executor);
      for (const slot of Object.keys(first)) {
        assert.equal(second[slot], first[slot], `${item.name}: ${slot} differs on a second run`);
        const replica = first[slot].subarray(0, alone[slot].length);
        assert.equal(alone[slot], replica, `${item.name}: ${slot} of replica 0 depends on the number of replicas`);
      }
    }
  });
  const { property } = options;
  const randomCases = function* (): Generator<KernelCase> {
    let counter = 0;
    const draw: Draw = (low, high) => low + (threefry([20250507, 7], counter++, 0)[0] % (high - low + 1));
    for (let i = 0; i < 200; i++) yield { name: `random shape ${i}`, ...property!(draw) };
  };
  if (property)
    test('200 random shapes', async () => {
      for (const item of randomCases()) await check(item);
    });
  addWasmTests(test, spec, property ? randomCases : undefined);
  return test;
}

/** WebAssembly: every case with one thread against float64; the same bits with 1, 2 and 3 threads and with one replica. */
function addWasmTests(
  test: ReturnType<typeof suite>,
  spec: KernelSpec,
  randomCases?: () => Generator<KernelCase>,
): void {
  let executors: WasmExecutor[];
  test.before(() => {
    executors = [1, 2, 3].map((threads) => wasmExecutor({ threads, spawn: spawnNodeThread, cutAll: true }));
  });
  test.after(async () => {
    for (const executor of executors) await executor.destroy();
  });
  const check = async (item: KernelCase, executor: WasmExecutor) => {
    const result = await checkCase(item, executor, referenceExecutor());
    assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
  };
  for (const item of spec.cases)
    test(`${item.name}, WebAssembly`, async () => {
      await check(item, executors[0]);
      const one = await runCase(item, executors[0]);
      const others = [await runCase(item, executors[1]), await runCase(item, executors[2])];
      const alone = await runCase({ ...item, replicas: 1 }, executors[0]);
      for (const slot of Object.keys(one)) {
        for (const [i, other] of others.entries())
          assert.equal(other[slot], one[slot], `${slot} differs with ${executors[i + 1].threads} threads`);
        const replica = one[slot].subarray(0, alone[slot].length);
        assert.equal(alone[slot], replica, `${slot} of replica 0 depends on the number of replicas`);
      }
    });
  if (randomCases)
    test('200 random shapes, WebAssembly', async () => {
      for (const item of randomCases()) await check(item, executors[2]);
    });
}

/** The message of the ShapeError raised by adding a call to a plan of 2 replicas. */
export function refusal(build: (plan: PlanBuilder) => void): string {
  try {
    build(new ProgramBuilder(2).plan('refused'));
  } catch (error) {
    assert.instance(error, ShapeError);
    return (error as Error).message;
  }
  throw new Error('it was expected to be refused and was not');
}
