import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import { checkCase, runCase } from '../../src/kernels/check.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { matmul, matmulKernel } from '../../src/kernels/matmul.js';
import { type Form, matmulKey, rangesOf } from '../../src/kernels/matmulTiles.js';
import { productsOf } from '../../src/kernels/tune.js';
import type { KernelCase } from '../../src/kernels/types.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
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
const chosen = ['NN 36x28x300 x2', 'NT 37x29x43 x3', 'TN 9x1x5 x2', 'every epilogue'];
const small = '32x32x8/4x4/k1';
for (const item of matmulKernel.cases.filter(({ name }) => chosen.includes(name)))
  test(`${item.name}, ${item.name === chosen[0] ? 'chosen by table' : small}`, async () => {
    const traits = { ...gpuTraits, maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize };
    const tuned = { get: () => small } as unknown as Map<string, string>;
    const executor = gpuExecutor(gpu, item.name === chosen[0] ? undefined : tuned, traits);
    const result = await checkCase(item, executor, referenceExecutor());
    assert.ok(result.ok, `${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
  });

// Full tiles and ragged ones, vec4 access; k decides how many ranges it is cut into.
const product = (form: Form, k: number, [m, n] = [76, 72]): KernelCase => ({
  name: form,
  replicas: 2,
  rtol: 2 ** -20,
  atol: 8 * k * 2 ** -24, // f32 sums of k products of normal numbers
  build(plan) {
    const p = plan.program;
    const a = p.persistent('a', form === 'TN' ? [k, m] : [m, k]);
    const b = p.persistent('b', form === 'NT' ? [n, k] : [k, n]);
    const c = p.persistent('c', [m, n]);
    matmul(plan, { label: 'case', form, m, n, k, a: { tensor: a }, b: { tensor: b }, c: { tensor: c } });
  },
});

test('all four were found', () => {
  const names = matmulKernel.cases.map(({ name }) => name);
  assert.equal(
    chosen.filter((name) => !names.includes(name)),
    [],
  );
});

// A small one; `rhm tune` checks all of them on its adapter.
test('thread groups and splits of K', async () => {
  const limits = {
    ...gpuTraits,
    maxInvocations: 256,
    maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize,
  };
  const seen = new Set<string>();
  for (const [form, k] of [
    ['NN', 44],
    ['TN', 300],
    ['NT', 4204],
  ] as const) {
    const shape = { form, groups: 1, m: 76, n: 72, k };
    const { kg, splits } = rangesOf(shape, limits);
    seen.add(`${kg} ${splits}`);
    const tuned = new Map([[matmulKey(shape, 2), `32x32x8/4x4/k${kg}`]]);
    const result = await checkCase(product(form, k), gpuExecutor(gpu, tuned, limits), referenceExecutor());
    assert.ok(result.ok, `${form} ${k}: ${result.where} (${result.worst.toFixed(2)} x ${result.bound})`);
  }
  assert.equal([...seen], ['1 1', '4 1', '1 8']);
});

test('ranges of K taken one after the other give the bits of ranges shared out to thread groups', async () => {
  const limits = {
    ...gpuTraits,
    maxInvocations: 256,
    maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize,
  };
  const results: Float32Array[] = [];
  for (const kg of [4, 1]) {
    const tuned = new Map([[matmulKey({ form: 'NN', groups: 1, m: 76, n: 72, k: 300 }, 2), `32x32x8/4x4/k${kg}`]]);
    const outputs = await runCase(product('NN', 300), gpuExecutor(gpu, tuned, limits));
    results.push(outputs.c as Float32Array);
  }
  assert.equal(results[1], results[0]);
});

test('the products of a plan, each once', () => {
  const builder = new ProgramBuilder(3);
  const plan = builder.plan('twice');
  product('NN', 44).build(plan);
  assert.equal(productsOf([...plan.calls, ...plan.calls]), [
    { form: 'NN', groups: 1, m: 76, n: 72, k: 44, replicas: 3 },
  ]);
});

test.run();
