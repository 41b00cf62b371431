/** The sampler meant for GPUs, which software drivers take seconds to compile. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { sample, sampleVariant } from '../../src/kernels/sample.js';
import { checkCase, runCase } from '../../src/kernels/tools/check.js';
import { openNodeGpu } from '../../src/platform/node.js';

const test = suite('kernel sample, as on a GPU');

test("each kernel gives the reference's tokens, roots and hidden symbols", async () => {
  const gpu = await openNodeGpu();
  try {
    for (const variant of ['nodes', 'rows']) {
      const executor = gpuExecutor(gpu, new Map([['sample', variant]]));
      for (const item of sample.cases) {
        const result = await checkCase(item, executor, referenceExecutor());
        assert.ok(result.ok, `${item.name}, ${variant}: ${result.where}`);
        const first = await runCase(item, executor);
        assert.equal(await runCase(item, executor), first, `${item.name}, ${variant}: differs on a second run`);
      }
    }
  } finally {
    await gpu.release();
  }
});

test('which kernel runs', () => {
  const choice = (software: boolean, tuned?: string) =>
    sampleVariant({
      ...{ software, vendor: '', maxWorkgroupStorageBytes: 0, maxInvocations: 0 },
      tuned: tuned === undefined ? undefined : new Map([['sample', tuned]]),
    });
  assert.is(choice(true), 'rows');
  assert.is(choice(false), 'nodes');
  assert.is(choice(true, 'nodes'), 'nodes');
  assert.is(choice(false, 'rows'), 'rows');
});

test.run();
