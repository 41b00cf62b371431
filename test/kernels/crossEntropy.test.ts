import * as assert from 'uvu/assert';
import { checkCase } from '../../src/kernels/check.js';
import { crossEntropyKernel } from '../../src/kernels/crossEntropy.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(crossEntropyKernel);

// The variant for GPUs, which a software driver would not choose by itself.
test('many rows through workgroup memory', async () => {
  const gpu = await openNodeGpu();
  try {
    const items = crossEntropyKernel.cases.filter(({ name }) => name.startsWith('many rows'));
    assert.is(items.length, 2);
    for (const item of items) {
      const result = await checkCase(item, gpuExecutor(gpu, undefined, { software: false }), referenceExecutor());
      assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
    }
  } finally {
    await gpu.release();
  }
});

test.run();
