import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { type VerifiedCase, verifyGolden } from '../../src/training/verify.js';

const test = suite("golden cases of the authors' PyTorch code");
const kinds = ['hcnn', 'hlcn', 'fcn', 'mla', 'clm'];
const read = (kind: string) => new Uint8Array(readFileSync(`test/data/golden/${kind}.safetensors`));

let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

function expectOk({ file, executor, groups, ok }: VerifiedCase): void {
  const text = Object.entries(groups).map(([n, g]) => `${n} ${g.worst.toExponential(1)} of ${g.bound} at ${g.where}`);
  assert.ok(ok, `${file} on ${executor}: ${text.join(', ')}`);
}

for (const kind of kinds) {
  test(`${kind}, float64 reference`, async () => expectOk(await verifyGolden(read(kind), kind, referenceExecutor())));
  test(`${kind}, WebGPU`, async () => expectOk(await verifyGolden(read(kind), kind, gpuExecutor(gpu))));
  test(`${kind}, WebGPU, three replicas`, async () =>
    expectOk(await verifyGolden(read(kind), kind, gpuExecutor(gpu), 3)));
  test(`${kind}, WebAssembly, two threads, three replicas`, async () => {
    const executor = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
    expectOk(await verifyGolden(read(kind), kind, executor, 3));
    await executor.destroy();
  });
}

test.run();
