import * as assert from 'uvu/assert';
import { similarity as addSimilarity } from '../../src/kernels/similarity.js';
import { similarity } from '../../src/reference/similarity.js';
import { randoms } from './finiteDifferences.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(addSimilarity);

test('known values: the same, the opposite, another scale and offset, two units by hand', () => {
  const a = randoms(40, 1);
  const near = (x: number, y: number) => assert.ok(Math.abs(x - y) < 1e-12, `${x} ${y}`);
  near(similarity(8, 5, a, a), 1);
  near(
    similarity(
      8,
      5,
      a,
      a.map((x) => -x),
    ),
    -1,
  );
  near(
    similarity(
      8,
      5,
      a,
      a.map((x, i) => 3 * x + (i % 5)),
    ),
    1,
  );
  // Columns (1, -1) and (1, -1) against (1, -1) and (-1, 1): each row is at right angles to its partner.
  near(similarity(2, 2, Float64Array.of(1, 1, -1, -1), Float64Array.of(1, -1, -1, 1)), 0);
});

test('shapes that differ and a slot outside are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    addSimilarity(plan, {
      label: 'x',
      a: p.persistent('a', [3, 4]),
      b: p.persistent('b', [3, 5]),
      output: p.persistent('o', [1]),
      slot: 0,
    });
  });
  assert.match(message, /similarity \(x\): b is \[2,3,5\], units = 4; pass \[2,3,4\]/);
  const slot = refusal((plan) => {
    const p = plan.program;
    const a = p.persistent('a', [3, 4]);
    addSimilarity(plan, { label: 'x', a, b: a, output: p.persistent('o', [2]), slot: 2 });
  });
  assert.match(slot, /slot 2 of output/);
});

test.run();
