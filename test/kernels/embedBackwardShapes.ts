import * as assert from 'uvu/assert';
import type { AdapterTraits } from '../../src/gpu/dispatch.js';
import type { GpuExecutor } from '../../src/gpu/executor.js';
import type { EmbedCall } from '../../src/kernels/embed.js';
import { backwardCase, embedBackward } from '../../src/kernels/embedBackward.js';
import { referenceExecutor } from '../../src/kernels/index.js';
import type { KernelCase } from '../../src/kernels/shared/types.js';
import { checkCase, runCase } from '../../src/kernels/tools/check.js';
import { ProgramBuilder } from '../../src/plan/builder.js';

const KiB = 1024;
/** The kernels meant for GPUs, on any adapter: with much, with little and with too little workgroup memory. */
export const variants = {
  memory: { software: false, maxWorkgroupStorageBytes: 32 * KiB },
  little: { software: false, maxWorkgroupStorageBytes: 4.5 * KiB },
  registers: { software: false, maxWorkgroupStorageBytes: KiB / 2 },
} satisfies Record<string, Partial<AdapterTraits>>;

/**
 * Every case of the operation, a case whose ranges of windows are added by a second dispatch, and five places split into three
 * and two.
 */
export const cases: readonly KernelCase[] = [
  ...embedBackward.cases,
  backwardCase('ranges of windows', {
    ...{ v: 3, width: 33, batch: 301, d: 9, windows: 8, filter: 1, length: 8, relu: true },
    ...{ whitened: true, masked: 7, scale: 0.3 },
  }),
  backwardCase('five places', {
    ...{ v: 4, width: 9, batch: 3, d: 9, windows: 2, filter: 5, stride: 4 },
    ...{ whitened: true, masked: 7, scale: 1 },
  }),
];

/** Sums in workgroup memory even if a product could be used. */
export const inMemory = new Map([['embedBackward', 'memory']]);
/** Products even if they do not pay, with the tile that software drivers compile fastest, in the usual number of ranges. */
export const smallTiles = {
  get: (key: string) => (key.startsWith('matmul') ? '32x32x8/4x4/k1' : 'product'),
} as unknown as Map<string, string>;

/** Shapes that GPUs take as a product: full and ragged tiles, windows that overlap, sums in one to four ranges. */
export const productCases: readonly KernelCase[] = [
  backwardCase('full tiles', {
    ...{ v: 16, width: 32, batch: 32, d: 16, windows: 8, filter: 2 },
    ...{ whitened: true, masked: 15, scale: 0.3, relu: true },
  }),
  backwardCase('ragged tiles', {
    ...{ v: 12, width: 44, batch: 7, d: 9, windows: 3, filter: 3, whitened: false, scale: 2 },
  }),
  backwardCase('overlapping windows of the context', {
    ...{ v: 8, width: 4, batch: 19, d: 12, windows: 7, filter: 3, stride: 1, padding: 1, firstToken: 5, length: 7 },
    ...{ whitened: true, masked: 6, scale: 1, relu: true },
  }),
  backwardCase('a long sum', {
    ...{ v: 4, width: 4, batch: 611, d: 8, windows: 8, filter: 1, whitened: true, masked: 7, scale: 0.5 },
  }),
];

/**
 * Compares with float64, and checks for the same bits on a second run and alone; likewise with tokens outside the vocabulary,
 * which are one-hot zeros, whitened like the others.
 */
export async function checkAll(item: KernelCase, executor: GpuExecutor): Promise<void> {
  const { v } = paramsOf(item);
  const foreign = (_i: number, random: () => number) => {
    const token = Math.floor(random() * (v + 4));
    return token < v + 3 ? token : 2 ** 32 - 1;
  };
  const poison = () => Number.NaN;
  const inputs: KernelCase['fill'][] = [item.fill, { tokens: foreign }];
  for (const input of inputs) {
    const filled: KernelCase = { ...item, fill: { ...input, dWeight: poison } };
    const result = await checkCase(filled, executor, referenceExecutor());
    assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
    const { dWeight } = await runCase(filled, executor);
    const again = await runCase(filled, executor);
    assert.equal(again.dWeight, dWeight, `${item.name} differs on a second run`);
    const alone = await runCase({ ...filled, replicas: 1 }, executor);
    const replica = dWeight.subarray(0, alone.dWeight.length);
    assert.equal(alone.dWeight, replica, `${item.name}: replica 0 depends on the number of replicas`);
  }
}

export function callOf(item: KernelCase) {
  const plan = new ProgramBuilder(item.replicas).plan('params');
  item.build(plan);
  return embedBackward.typed(plan.calls[0]);
}

export function paramsOf(item: KernelCase): EmbedCall {
  return callOf(item).params;
}
