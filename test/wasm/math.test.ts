import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { instantiate } from '../../src/wasm/module.js';
import { worstExp } from './fixtures/exp.js';

const test = suite('WebAssembly math');

test('exp: within 2 * 2^-24 of float64 wherever the result is normal', async () => {
  const { exp1 } = await instantiate(new WebAssembly.Memory({ initial: 16, maximum: 65536 }), 'plain');
  const worst = worstExp(exp1);
  assert.ok(worst <= 2, `exp is off by ${worst} * 2^-24`);
});

test.run();
