import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { relaxedNode } from '../support/relaxed.js';
import { bundleFixtures } from '../support/scenario.js';

/** In a Node that has it: platforms.slow.test.ts compares the bits everywhere. */
const test = suite('the relaxed variant');

test('every operation agrees with float64, and the products are fused', async () => {
  const folder = await bundleFixtures('node', ['relaxed.node'], 'test/wasm/fixtures');
  try {
    const { code, signal, stdout, stderr } = await relaxedNode([join(folder, 'relaxed.node.js')]);
    assert.is(code, 0, `${signal} ${stderr}`);
    const { simd, description, cases, faults, differing, exp } = JSON.parse(stdout);
    assert.is(simd, 'relaxed', 'the default where it is there');
    assert.is(description, 'WebAssembly SIMD, 1 thread, fused multiply-add');
    assert.equal(faults, []);
    assert.ok(cases > 100, `${cases} cases`);
    for (const op of ['matmul', 'attention', 'attentionBackward', 'layerNorm', 'sgd', 'crossEntropy'])
      assert.ok(differing.includes(op), `${op} rounds as the plain variant does; of another rounding are ${differing}`);
    assert.not(differing.includes('sample'));
    assert.ok(exp <= 2, `exp is off by ${exp} * 2^-24`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
