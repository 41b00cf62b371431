import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import { checkCase, runCase } from '../../src/kernels/check.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { matmul, matmulKernel } from '../../src/kernels/matmul.js';
import { type Form, matmulKey, tileFits, tileName } from '../../src/kernels/matmulTiles.js';
import { tileCandidates } from '../../src/kernels/tune.js';
import type { KernelCase } from '../../src/kernels/types.js';
import { openNodeGpu } from '../../src/platform/node.js';

// The variants for GPUs, which a software driver would not choose by itself.
const test = suite('matmul, tiled variants');
const gpuTraits = { software: false, vendor: 'test' };
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

// A software driver takes long to compile the larger tiles: all but the first run on a small one.
const small = '32x32x8/4x4/k1';
const chosen = ['NN 36x28x300 x2', 'NT 37x29x43 x3', 'TN 9x1x5 x2', 'every epilogue'];
for (const item of matmulKernel.cases.filter(({ name }) => chosen.includes(name)))
  test(`${item.name}, ${item.name === chosen[0] ? 'chosen by table' : small}`, async () => {
    const traits = { ...gpuTraits, maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize };
    const tuned = { get: (key: string) => (/:\d+\*/.test(key) ? small : 'k1x1') } as unknown as Map<string, string>;
    const executor = gpuExecutor(gpu, item.name === chosen[0] ? undefined : tuned, traits);
    const result = await checkCase(item, executor, referenceExecutor());
    assert.ok(result.ok, `${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
  });

const sizes = { m: 140, n: 72, k: 204 }; // full tiles and ragged ones, vec4 access
const product = (form: Form): KernelCase => ({
  name: form,
  replicas: 2,
  rtol: 2 ** -20,
  atol: 8 * sizes.k * 2 ** -24, // f32 sums of k products of normal numbers
  build(plan) {
    const { m, n, k } = sizes;
    const p = plan.program;
    const a = p.persistent('a', form === 'TN' ? [k, m] : [m, k]);
    const b = p.persistent('b', form === 'NT' ? [n, k] : [k, n]);
    matmul(plan, {
      label: 'case',
      form,
      ...sizes,
      a: { tensor: a },
      b: { tensor: b },
      c: { tensor: p.persistent('c', [m, n]) },
    });
  },
});

test('all four were found', () => {
  const names = matmulKernel.cases.map(({ name }) => name);
  assert.equal(
    chosen.filter((name) => !names.includes(name)),
    [],
  );
});

// Few and small ones; `rhm tune` checks all of them on its adapter.
test('tiles that rhm tune tries, with groups and splits of K', async () => {
  let tried = 0;
  const candidate = tileCandidates.find((t) => t.bk === 8)!;
  for (const form of ['NN', 'TN'] as const) {
    for (const [kg, splits] of [
      [1, 1],
      [4, 2],
    ]) {
      const tile = { ...candidate, kg };
      const limits = {
        ...gpuTraits,
        maxInvocations: 256,
        maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize,
      };
      if (!tileFits(tile, limits)) continue;
      const key = { ...sizes, form, groups: 1 };
      const tuned = new Map([
        [matmulKey(key), `k${kg}x${splits}`],
        [matmulKey(key, 2), tileName(tile)],
      ]);
      const result = await checkCase(product(form), gpuExecutor(gpu, tuned, limits), referenceExecutor());
      assert.ok(
        result.ok,
        `${tileName(tile)} x${splits}: ${result.where} (${result.worst.toFixed(2)} x ${result.bound})`,
      );
      tried++;
    }
  }
  assert.ok(tried >= 3, `only ${tried} variants fit`);
});

test('ranges of K taken one after the other give the bits of ranges shared out to thread groups', async () => {
  const limits = {
    ...gpuTraits,
    maxInvocations: 256,
    maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize,
  };
  const results: Float32Array[] = [];
  for (const kg of [4, 1]) {
    const tuned = new Map([
      [matmulKey({ ...sizes, form: 'NN', groups: 1 }), 'k4x1'],
      [matmulKey({ ...sizes, form: 'NN', groups: 1 }, 2), `32x32x8/4x4/k${kg}`],
    ]);
    const outputs = await runCase(product('NN'), gpuExecutor(gpu, tuned, limits));
    results.push(outputs.c as Float32Array);
  }
  assert.equal(results[1], results[0]);
});

test.run();
