/** The kernels meant for GPUs, which software drivers take seconds to compile. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import { embed } from '../../src/kernels/embed.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import type { KernelCase } from '../../src/kernels/shared/types.js';
import { checkCase, runCase } from '../../src/kernels/tools/check.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import { openNodeGpu } from '../../src/platform/node.js';

const test = suite('kernel embed, as on a GPU');
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

const neverScratch = () => {
  throw new Error('no scratch is needed');
};
const memory = { software: false, maxWorkgroupStorageBytes: 48 * 1024 };

/** More windows than a workgroup handles, channels beyond those of a workgroup, and neither a multiple of it. */
const ranges: KernelCase = {
  name: 'ranges of windows and of channels',
  replicas: 2,
  fill: { tokens: (_i, random) => Math.floor(random() * 5) },
  rtol: 2 ** -20,
  atol: 8 * 3 * 6 * 2 ** -24,
  build(plan) {
    const p = plan.program;
    embed(plan, {
      ...{ label: 'case', v: 5, filter: 3, stride: 2, padding: 1, masked: 10, whitened: true, scale: 0.5, relu: true },
      tokens: p.persistent('tokens', [7, 11], 'u32'),
      weight: p.persistent('weight', [15, 132]),
      position: p.persistent('position', [6, 132]),
      output: p.persistent('output', [7, 6, 132]),
    });
  },
};
const inMemory = (item: KernelCase) => {
  const plan = new ProgramBuilder(item.replicas).plan('case');
  item.build(plan);
  const traits = { ...gpuExecutor(gpu).traits, ...memory };
  return embed.webgpu(plan.calls[0], traits, neverScratch)[0].shader === 'embed_memory';
};

test('float64, poisoned outputs, the same bits again and with one replica', async () => {
  const cases = [ranges, ...embed.cases].filter(inMemory);
  assert.ok(cases.length >= 3, `cases with filters in workgroup memory: ${cases.map(({ name }) => name)}`);
  for (const item of cases) {
    const poisoned: KernelCase = { ...item, fill: { ...item.fill, output: () => Number.NaN } };
    const executor = gpuExecutor(gpu, undefined, memory);
    const result = await checkCase(poisoned, executor, referenceExecutor());
    assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
    const { output } = await runCase(poisoned, executor);
    assert.equal((await runCase(poisoned, executor)).output, output, `${item.name} differs on a second run`);
    const alone = (await runCase({ ...poisoned, replicas: 1 }, executor)).output;
    assert.equal(alone, output.subarray(0, alone.length), `${item.name}: depends on the number of replicas`);
  }
});

test.run();
