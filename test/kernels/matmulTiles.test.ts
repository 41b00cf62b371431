import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import type { AdapterTraits } from '../../src/gpu/dispatch.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { matmul, matmulOperation } from '../../src/kernels/matmul.js';
import { type Form, matmulKey, rangesOf, tileName, tileOf } from '../../src/kernels/shared/matmulTiles.js';
import type { KernelCase } from '../../src/kernels/shared/types.js';
import { checkCase, runCase } from '../../src/kernels/tools/check.js';
import { productsOf } from '../../src/kernels/tools/tune.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import { openNodeGpu } from '../../src/platform/node.js';

// The variants for GPUs, which a software driver would not choose.
const test = suite('matmul, tiled variants');
const gpuTraits = { software: false, vendor: 'test' };
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

// A software driver takes long to compile the larger tiles: all except the first are run with a small one.
const chosen = ['NN 36x28x300 x2', 'NT 37x29x43 x3', 'TN 9x1x5 x2', 'every epilogue'];
const small = '32x32x8/4x4/k1';
for (const item of matmulOperation.cases.filter(({ name }) => chosen.includes(name)))
  test(`${item.name}, ${item.name === chosen[0] ? 'chosen by table' : small}`, async () => {
    const traits = { ...gpuTraits, maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize };
    const tuned = { get: () => small } as unknown as Map<string, string>;
    const executor = gpuExecutor(gpu, item.name === chosen[0] ? undefined : tuned, traits);
    const result = await checkCase(item, executor, referenceExecutor());
    assert.ok(result.ok, `${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
  });

// Full tiles and ragged ones, vec4 access; k determines into how many ranges it is cut.
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
  const names = matmulOperation.cases.map(({ name }) => name);
  assert.equal(
    chosen.filter((name) => !names.includes(name)),
    [],
  );
});

// A small tile; `rhm tune` checks all of them on its adapter.
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

// Groups finish one, two or four rows of a quad at a time.
for (const [k, ...tiles] of [
  [300, '32x32x8/4x4/k4', '32x32x8/4x4/k1', '32x16x16/4x4/k4'],
  [150, '32x32x16/4x4/k2', '32x32x8/4x4/k1', '32x16x16/4x4/k2'],
] as const)
  test(`ranges of K in turn give the bits of ranges divided among thread groups, k = ${k}`, async () => {
    const limits = {
      ...gpuTraits,
      maxInvocations: 256,
      maxWorkgroupStorageBytes: gpu.limits.maxComputeWorkgroupStorageSize,
    };
    const results: Float32Array[] = [];
    for (const tile of tiles) {
      const tuned = new Map([[matmulKey({ form: 'NN', groups: 1, m: 76, n: 72, k }, 2), tile]]);
      const outputs = await runCase(product('NN', k), gpuExecutor(gpu, tuned, limits));
      results.push(outputs.c as Float32Array);
    }
    for (const [i, result] of results.entries()) assert.equal(result, results[0], tiles[i]);
  });

test('tiles by table', () => {
  const traits = { ...gpuTraits, maxInvocations: 256, maxWorkgroupStorageBytes: 48 * 1024 };
  const chosen = (form: Form, [m, n, k]: readonly number[], replicas: number, limits: Partial<AdapterTraits> = {}) => {
    const p = { form, groups: 1, m, n, k };
    const { tile, ranges } = tileOf(p, rangesOf(p, { ...traits, ...limits }), replicas, { ...traits, ...limits });
    return `${tileName(tile)} ${ranges}`;
  };
  // hcnn of width 512, batch 128: one replica fills a GPU through thread groups, many through larger tiles and ranges in turn.
  assert.is(chosen('NN', [512, 512, 1024], 16), '128x128x16/8x16/k1 1');
  assert.is(chosen('NN', [512, 512, 1024], 1), '32x32x32/4x4/k1 1');
  assert.is(chosen('NN', [256, 512, 1024], 16), '64x64x16/8x8/k1 2');
  assert.is(chosen('NN', [256, 512, 1024], 1), '32x32x32/4x4/k2 1');
  assert.is(chosen('NN', [128, 512, 1024], 16), '64x64x16/8x8/k4 1');
  assert.is(chosen('NN', [128, 512, 1024], 1), '16x32x32/4x4/k4 1');
  // Read-out of 16 symbols: narrow, and short on the backward pass.
  assert.is(chosen('NN', [128, 16, 512], 16), '32x16x32/4x4/k4 1');
  assert.is(chosen('NN', [128, 32, 512], 16), '16x32x32/4x4/k4 1');
  assert.is(chosen('NT', [128, 512, 16], 16), '32x32x16/4x4/k1 1');
  assert.is(chosen('NT', [128, 512, 8], 1), '32x32x8/4x4/k1 1');
  assert.is(chosen('TN', [32, 512, 1024], 1), '16x32x32/4x4/k4 1');
  assert.is(chosen('NN', [20, 16, 512], 1), '32x16x32/4x4/k4 1');
  // Little workgroup memory.
  assert.is(chosen('NN', [128, 512, 1024], 1, { maxWorkgroupStorageBytes: 16 * 1024 }), '32x32x8/4x4/k4 1');
  assert.is(chosen('NN', [128, 512, 1024], 1, { maxInvocations: 128 }), '16x32x32/4x4/k4 1');
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
