import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { instantiate } from '../../src/wasm/module.js';

const test = suite('WebAssembly math');

test('exp: within 2 * 2^-24 of float64 wherever the result is normal', async () => {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 });
  const { exp1 } = await instantiate(memory);
  let worst = 0;
  let where = 0;
  for (let i = 0; i < 2_000_000; i++) {
    const x = Math.fround(-87.33 + (176.05 * (i + 0.5)) / 2_000_000);
    const error = Math.abs(exp1(x) / Math.exp(x) - 1);
    if (!(error <= worst)) {
      worst = error;
      where = x;
    }
  }
  assert.ok(worst <= 2 * 2 ** -24, `exp(${where}) is off by ${worst * 2 ** 24} * 2^-24`);
  assert.is(exp1(0), 1);
  assert.is(exp1(-0), 1);
  assert.is(exp1(-88), 0);
  assert.is(exp1(Number.NEGATIVE_INFINITY), 0);
  assert.is(exp1(89), Number.POSITIVE_INFINITY);
  assert.is(exp1(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.ok(Number.isNaN(exp1(Number.NaN)));
});

test.run();
