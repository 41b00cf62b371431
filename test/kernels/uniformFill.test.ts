import * as assert from 'uvu/assert';
import { fillCase, uniformFill } from '../../src/kernels/uniformFill.js';
import { uniformElement } from '../../src/reference/uniformFill.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(uniformFill, {
  property: (draw) => fillCase(draw(1, 3), [draw(1, 9), draw(1, 40)], draw(0, 1) ? 'f32' : 'u32', draw(0, 1000)),
});

test('published known answers of Threefry-2x32-20 at counter (0, 0), and moments', () => {
  // Random123's kat_vectors: key 0, counter 0.
  assert.is(uniformElement([0, 0], 0, 0, false), 0x6b200159);
  assert.is(uniformElement([0, 0], 0, 1, false), 0x99ba4efe);
  const n = 100000;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const x = uniformElement([3, 4], 5, i, true);
    assert.ok(x >= 0 && x < 1);
    sum += x;
    squares += x * x;
  }
  // Means of n uniform numbers and of their squares: five standard deviations, sqrt(1/12n) and sqrt(4/45n).
  assert.ok(Math.abs(sum / n - 1 / 2) < 5 * Math.sqrt(1 / (12 * n)));
  assert.ok(Math.abs(squares / n - 1 / 3) < 5 * Math.sqrt(4 / (45 * n)));
});

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    uniformFill(plan, { label: 'noise', keys: p.persistent('keys', [2]), output: p.persistent('output', [9]) });
  });
  assert.is(message, 'uniformFill (noise): keys is f32; pass u32');
});

test.run();
