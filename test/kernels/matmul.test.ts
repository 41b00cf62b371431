import * as assert from 'uvu/assert';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, referenceExecutor } from '../../src/kernels/index.js';
import { matmul, matmulOperation } from '../../src/kernels/matmul.js';
import { lanesTileOf } from '../../src/kernels/shared/matmulTiles.js';
import type { KernelCase } from '../../src/kernels/shared/types.js';
import { checkCase, runCase } from '../../src/kernels/tools/check.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { testAdapters } from '../support/gpu.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(matmulOperation);

/** Many tiles of the kernel for software drivers with subgroups, full and ragged. */
const shapes = [
  [64, 64, 33],
  [33, 65, 9],
  [40, 9, 20],
  [33, 8, 40],
  [16, 32, 12],
  [15, 11, 40],
  [12, 3, 7],
  [8, 35, 16],
  [5, 14, 31],
  [1, 1, 1],
] as const;
const formed = (form: 'NN' | 'NT' | 'TN', [m, n, k]: readonly [number, number, number]): KernelCase => ({
  name: `${form} ${m}x${n}x${k}`,
  replicas: 2,
  rtol: 2 ** -20,
  atol: 8 * k * 2 ** -24, // f32 sums of k products of normal numbers
  build(plan) {
    const p = plan.program;
    matmul(plan, {
      label: 'case',
      form,
      m,
      n,
      k,
      a: { tensor: p.persistent('a', form === 'TN' ? [k, m] : [m, k]) },
      b: { tensor: p.persistent('b', form === 'NT' ? [n, k] : [k, n]) },
      c: { tensor: p.persistent('c', [m, n]) },
      bias: p.persistent('bias', [n]),
      relu: true,
      residual: p.persistent('residual', [m, n]),
    });
  },
});

for (const adapter of testAdapters)
  test(`with subgroups and without: the same bits, ${adapter}`, async () => {
    const gpu: GpuSession = await openNodeGpu({ adapter });
    assert.ok(gpu.subgroupSize > 0, 'these drivers have subgroups of one size');
    const [lanes, rows] = [gpuExecutor(gpu), gpuExecutor(gpu, undefined, { subgroupSize: 0 })];
    const tiles = new Set<string>();
    for (const [i, shape] of shapes.entries()) {
      const form = (['NN', 'NT', 'TN'] as const)[i % 3];
      const item = formed(form, shape);
      const [m, n, k] = shape;
      tiles.add(JSON.stringify(lanesTileOf({ form, m, n, k, groups: 1 }, 2, lanes.traits)));
      const result = await checkCase(item, lanes, referenceExecutor());
      assert.ok(result.ok, `${item.name}: ${result.where} (${result.worst.toFixed(2)} x the bound ${result.bound})`);
      assert.equal(await runCase(item, lanes), await runCase(item, rows), item.name);
    }
    assert.ok(tiles.size >= 4, `tiles ${[...tiles]}`);
    await gpu.release();
  });

test.run();
