import * as assert from 'uvu/assert';
import { crossEntropy, crossEntropyCase } from '../../src/kernels/crossEntropy.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { checkCase } from '../../src/kernels/tools/check.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(crossEntropy);

// The variants for GPUs, which a software driver would not choose by itself.
test('rows in registers, from memory and through workgroup memory', async () => {
  const gpu = await openNodeGpu();
  try {
    const items = crossEntropy.cases.filter(({ name }) => /^many rows|^last token$/.test(name));
    assert.is(items.length, 3);
    // A workgroup takes several blocks of rows one after the other: without a gradient between them, the next must wait.
    items.push({ ...crossEntropyCase(['blocks of rows', 2 ** 18 + 300, 0, 8, false, 1]), replicas: 1 });
    for (const item of items) {
      const result = await checkCase(item, gpuExecutor(gpu, undefined, { software: false }), referenceExecutor());
      assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
    }
  } finally {
    await gpu.release();
  }
});

test.run();
