import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdapterTraits, Dispatch } from '../../src/gpu/dispatch.js';
import { compileShader } from '../../src/gpu/scope.js';
import { matmulOperation } from '../../src/kernels/matmul.js';
import {
  matrixRanges,
  matrixTileFits,
  matrixTileName,
  matrixTileOf,
  parseMatrixTile,
} from '../../src/kernels/shared/matmulMatrix.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import type { Tensor } from '../../src/plan/types.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { testAdapters } from '../support/gpu.js';

/** The kernel for matrix units: what can be tested of it if no adapter of the suite has them. */
const test = suite('matmul on matrix units');

const traits: AdapterTraits = {
  ...{ software: false, vendor: 'nvidia', maxWorkgroupStorageBytes: 49152, maxInvocations: 1024, subgroupSize: 32 },
  ...{ matrixUnits: { m: 16, n: 16, k: 16 }, f16: true },
};
const forms = ['NN', 'NT', 'TN'] as const;
const sizes = [1, 13, 16, 64, 128, 512, 1000, 2048, 16384];

test('every product has a tile that fits, in ranges that do not depend on the replicas', () => {
  for (const form of forms)
    for (const m of sizes)
      for (const n of sizes)
        for (const k of sizes) {
          const product = { form, groups: 1, m, n, k };
          const ranges = matrixRanges(product, traits);
          assert.ok(ranges.kg * ranges.splits * 16 <= Math.max(16, k), `${k} in ${ranges.kg} x ${ranges.splits}`);
          for (const replicas of [1, 16]) {
            const tile = matrixTileOf(product, ranges, replicas, traits);
            assert.ok(tile, `${form} ${m} x ${n} x ${k}`);
            assert.ok(matrixTileFits(product, tile!, traits));
            assert.is(tile!.kg, ranges.kg);
          }
        }
});

test('an adapter with the portable limits has tiles too; one without matrix units none', () => {
  const small = { ...traits, maxWorkgroupStorageBytes: 16384, maxInvocations: 256 };
  for (const form of forms) {
    const product = { form, groups: 1, m: 4096, n: 512, k: 1024 };
    assert.ok(matrixTileOf(product, { kg: 1, splits: 1 }, 1, small));
    assert.not(matrixTileOf(product, { kg: 1, splits: 1 }, 1, { ...traits, matrixUnits: undefined }));
  }
});

test('names of tiles are read back; a tuned tile with other ranges is ignored', () => {
  const tile = { bm: 128, bn: 64, bk: 32, sm: 64, sn: 32, kg: 2 };
  assert.equal(parseMatrixTile(matrixTileName(tile)), tile);
  assert.is(parseMatrixTile('128x64x32/8x8/k2'), undefined);
  const product = { form: 'NN' as const, groups: 1, m: 4096, n: 512, k: 1024 };
  const chosen = (name: string) =>
    matrixTileOf(product, { kg: 1, splits: 1 }, 1, {
      ...traits,
      tuned: new Map([['matmul:f16:NN:1*1x4096x512x1024', name]]),
    });
  assert.is(matrixTileName(chosen('m64x64x32/32x32/k1')!), 'm64x64x32/32x32/k1');
  assert.is.not(matrixTileName(chosen('m64x64x32/32x32/k2')!), 'm64x64x32/32x32/k2');
});

/** The shader with the matrix functions replaced by ones that any adapter has: its other lines are unchanged. */
function withoutUnits({ source }: Dispatch): string {
  return `${source
    .replace(/^enable .*$/gm, '')
    .replace(/^diagnostic.*$/m, '')
    .replaceAll('f16', 'f32')
    .replaceAll('subgroup_matrix_result<f32, MN, MM>()', 'array<f32, 4>()')
    .replace(/subgroupMatrixLoad<subgroup_matrix_(left|right)<[^>]*>, (row|col)_major>\(&tile./g, 'loadStub(0u')
    .replace(/subgroupMatrixStore<row_major>\(&stage, (.*), (c\d_\d), (.*)\);/g, 'stage[$1] = $2[0] * f32($3);')}
fn loadStub(z: u32, offset: u32, stride: u32) -> array<f32, 4> { return array<f32, 4>(f32(offset), f32(stride), 0.0, 0.0); }
fn subgroupMatrixMultiplyAccumulate(a: array<f32, 4>, b: array<f32, 4>, c: array<f32, 4>) -> array<f32, 4> { return a; }
`;
}

test('its text compiles for every checked product, in several ranges', async () => {
  const gpu = await openNodeGpu({ adapter: testAdapters[0] });
  try {
    let compiled = 0;
    const seen = new Set<string>();
    for (const item of matmulOperation.cases.filter(({ name }) => name.startsWith('f16')))
      for (const ranges of ['k1s1', 'k2s1', 'k4s1', 'k1s4']) {
        const plan = new ProgramBuilder(item.replicas).plan('case');
        item.build(plan);
        const scratch = (_: number, shape: readonly number[]): Tensor => ({
          ...{ name: 's', shape, dtype: 'f32', role: 'persistent', buffer: 's', offset: 0, replicaStride: 4 },
        });
        const choose = (op: string) => (op === 'matmulRanges' ? ranges : undefined);
        const [dispatch] = matmulOperation.webgpu(plan.calls[0], { ...traits, choose }, scratch);
        assert.is(dispatch.shader, 'matmul_matrix');
        if (seen.has(dispatch.source)) continue;
        seen.add(dispatch.source);
        const text = withoutUnits(dispatch);
        assert.not.match(text, /subgroup_matrix|subgroupMatrix(Load|Store)|f16/);
        await compileShader(gpu, dispatch.shader, text);
        compiled++;
      }
    assert.ok(compiled > 10, `${compiled} texts`);
  } finally {
    await gpu.release();
  }
});

test.run();
