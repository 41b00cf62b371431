import * as assert from 'uvu/assert';
import { dropout, dropoutCase } from '../../src/kernels/dropout.js';
import * as reference from '../../src/reference/dropout.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(dropout, {
  property: (draw) => dropoutCase(draw(1, 3), [draw(1, 9), draw(1, 50)], draw(0, 99) / 100, draw(0, 20)),
});

test('the mask drops a fraction p, keeps the mean, and differs between steps, layers and keys', () => {
  const n = 40000;
  const input = new Float64Array(n).fill(1);
  const run = (key: number[], step: number, layer: number) => {
    const output = new Float64Array(n);
    reference.dropout(n, 0.3, key, step, layer, input, output);
    return output;
  };
  const base = run([1, 2], 7, 0);
  const dropped = base.filter((x) => x === 0).length / n;
  assert.ok(Math.abs(dropped - 0.3) < 5 * Math.sqrt((0.3 * 0.7) / n), `${dropped} dropped`); // five standard deviations
  for (const other of [run([1, 3], 7, 0), run([1, 2], 8, 0), run([1, 2], 7, 1)]) {
    const same = base.filter((x, i) => (x === 0) === (other[i] === 0)).length / n;
    assert.ok(Math.abs(same - 0.58) < 5 * Math.sqrt((0.58 * 0.42) / n), `${same} agree`); // 0.3^2 + 0.7^2 by chance
  }
});

test('input that does not fit is refused', () => {
  const refused = (probability: number, width: number) =>
    refusal((plan) => {
      const p = plan.program;
      dropout(plan, {
        label: 'block 0',
        input: p.persistent('input', [4, 8]),
        output: p.persistent('output', [4, width]),
        keys: p.persistent('keys', [2], 'u32'),
        clock: p.persistent('clock', [8], 'u32'),
        layer: 0,
        probability,
      });
    });
  assert.is(refused(0.1, 7), 'dropout (block 0): output is [2,4,7], elements = 32; pass [2,4,8]');
  assert.match(refused(1, 8), /probability = 1; pass a number, 0 <= probability < 1/);
  assert.match(refused(Number.NaN, 8), /probability = NaN/);
});

test.run();
