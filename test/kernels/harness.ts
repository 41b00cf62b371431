import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import { checkCase } from '../../src/kernels/check.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import type { KernelSpec } from '../../src/kernels/types.js';
import { openNodeGpu } from '../../src/platform/node.js';

/** A suite with every case of an operation, WebGPU against float64; add more tests to it, then call run(). */
export function kernelSuite(spec: KernelSpec) {
  const test = suite(`kernel ${spec.op}`);
  let gpu: GpuSession;
  test.before(async () => {
    gpu = await openNodeGpu();
  });
  test.after(async () => gpu.release());
  assert.ok(spec.cases.length > 0, 'an operation without cases');
  for (const item of spec.cases)
    test(item.name, async () => {
      const result = await checkCase(item, gpuExecutor(gpu), referenceExecutor());
      assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
    });
  return test;
}
