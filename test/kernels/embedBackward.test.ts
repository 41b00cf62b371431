import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import type { AdapterTraits } from '../../src/gpu/dispatch.js';
import type { EmbedCall } from '../../src/kernels/embed.js';
import { backwardCase, embedBackward, embedBackwardVariant, memoryTile } from '../../src/kernels/embedBackward.js';
import { gpuExecutor } from '../../src/kernels/index.js';
import type { CaseShape } from '../../src/kernels/shared/embed.cases.js';
import { openNodeGpu } from '../../src/platform/node.js';
import {
  callOf,
  cases,
  checkAll,
  inMemory,
  paramsOf,
  productCases,
  smallTiles,
  variants,
} from './embedBackwardShapes.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(embedBackward);

let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

// All cases and the other variants: embedBackwardGpu.slow.test.ts.
for (const name of ['hlcn', 'overlapping windows with padding', 'ranges of windows'])
  test(`${name}, sums in workgroup memory`, async () => {
    const item = cases.find((c) => c.name === name);
    assert.ok(item, `no case ${name}`);
    await checkAll(item, gpuExecutor(gpu, inMemory, variants.memory));
  });

for (const item of productCases)
  test(`${item.name}, as a product`, async () => {
    assert.is(
      embedBackwardVariant(callOf(item), { ...variants.memory, vendor: '', maxInvocations: 256, tuned: smallTiles }),
      'product',
    );
    await checkAll(item, gpuExecutor(gpu, smallTiles, variants.memory));
  });

for (const item of [...cases, ...productCases])
  test(`${item.name}, sums in the result`, () => checkAll(item, gpuExecutor(gpu, undefined, { software: true })));

test('which kernel runs, and how it is divided', () => {
  const KiB = 1024;
  const nvidia = { software: false, vendor: 'nvidia', maxWorkgroupStorageBytes: 48 * KiB, maxInvocations: 256 };
  const hcnn = { batch: 128, windows: 16, width: 512, v: 32, filter: 2, relu: true, local: false } as EmbedCall;
  const cut = (shape: Partial<EmbedCall>, traits: Partial<AdapterTraits>) =>
    memoryTile({ ...hcnn, ...shape } as EmbedCall, { ...nvidia, ...traits });
  assert.equal(cut({}, {}), { PARTS: 4, J: 2, ROWS: 16, TILE: 256, splits: 8, rowsPerSplit: 256 });
  assert.is(cut({}, { maxWorkgroupStorageBytes: 32 * KiB })?.PARTS, 2);
  assert.is(cut({ filter: 16 }, {})?.J, 4);
  assert.is(cut({}, { maxWorkgroupStorageBytes: 5 * KiB }), undefined);
  assert.is(cut({ v: 400 }, {}), undefined);
  // A wide layer has a workgroup for every part of the GPU even without ranges.
  assert.is(cut({ width: 8192 }, {})?.splits, 1);
  const call = (options: Partial<CaseShape>) =>
    callOf(
      backwardCase('hcnn', {
        ...{ v: 32, width: 512, batch: 128, d: 32, windows: 16, filter: 2, whitened: true, scale: 1, relu: true },
        ...options,
      }),
    );
  const local = call({ local: true });
  const choice = (traits: Partial<AdapterTraits>, variant?: string) => {
    const tuned = variant === undefined ? undefined : new Map([['embedBackward', variant]]);
    return embedBackwardVariant(local, { ...nvidia, ...traits, tuned });
  };
  assert.is(choice({}), 'memory');
  assert.is(choice({ maxWorkgroupStorageBytes: 5 * KiB }), 'registers');
  assert.is(choice({ software: true }), 'rows');
  assert.is(choice({}, 'registers'), 'registers');
  assert.is(choice({}, 'rows'), 'rows');
  assert.is(choice({ software: true }, 'memory'), 'memory');
  // One filter, everything a multiple of four, few symbols: a product.
  assert.is(embedBackwardVariant(call({}), nvidia), 'product');
  // The kernel's cases, which rhm doctor checks on a GPU, include one.
  assert.is(cases.filter((item) => embedBackwardVariant(callOf(item), nvidia) === 'product').length, 1);
  for (const odd of [{ v: 30 }, { width: 510 }, { v: 128 }, { batch: 1024 }, { filter: 1, width: 256 }])
    assert.is(embedBackwardVariant(call(odd), nvidia), 'memory');
});

test('the variants of the tests differ', () => {
  const parts = (name: string, traits: Partial<AdapterTraits>) => {
    const tile = memoryTile(paramsOf(cases.find((c) => c.name === name)!), {
      ...{ software: false, vendor: '', maxWorkgroupStorageBytes: 0, maxInvocations: 256 },
      ...traits,
    });
    return tile && [tile.PARTS, tile.J, tile.splits];
  };
  assert.equal(parts('ranges of windows', variants.memory), [8, 1, 4]);
  assert.equal(parts('hcnn', variants.memory), [8, 2, 1]);
  assert.equal(parts('large vocabulary', variants.memory), [1, 1, 1]);
  assert.equal(parts('hcnn', variants.little), [2, 1, 1]);
  for (const { name } of cases) assert.is(parts(name, variants.registers), undefined);
});

test.run();
