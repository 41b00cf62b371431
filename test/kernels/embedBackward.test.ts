import * as assert from 'uvu/assert';
import { checkCase } from '../../src/kernels/check.js';
import { embedBackwardKernel } from '../../src/kernels/embedBackward.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(embedBackwardKernel);

test('in many parts, as on a GPU', async () => {
  const gpu = await openNodeGpu();
  try {
    const executor = gpuExecutor(gpu, undefined, { software: false });
    for (const item of embedBackwardKernel.cases.filter(({ name }) => name === 'many windows')) {
      const result = await checkCase(item, executor, referenceExecutor());
      assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
    }
  } finally {
    await gpu.release();
  }
});

test.run();
