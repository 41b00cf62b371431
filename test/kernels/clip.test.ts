import * as assert from 'uvu/assert';
import { clip, clipCase } from '../../src/kernels/clip.js';
import * as reference from '../../src/reference/clip.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(clip, {
  property: (draw) => clipCase(draw(1, 3), [draw(1, 9), draw(1, 40)], draw(1, 30) / 10, draw(0, 1000) / 64),
});

test('a clipped block has the requested norm', () => {
  const block = Float64Array.of(3, 0, -4);
  reference.clip(3, 0.5, 25, block);
  assert.ok(Math.abs(Math.hypot(...block) - 0.5) < 1e-15);
});

test('input that does not fit is refused', () => {
  const refused = (maxNorm: number, words: number) =>
    refusal((plan) => {
      const p = plan.program;
      clip(plan, { label: 'grads', block: p.persistent('b', [9]), sums: p.persistent('s', [words]), maxNorm });
    });
  assert.is(refused(1, 3), 'clip (grads): sums is [2,3]; pass [2,2]');
  assert.match(refused(0, 2), /maxNorm = 0; pass a number > 0/);
});

test.run();
