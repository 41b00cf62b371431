import * as assert from 'uvu/assert';
import { windowCase } from '../../src/kernels/shared/windows.js';
import { unfold } from '../../src/kernels/unfold.js';
import * as reference from '../../src/reference/unfold.js';
import { kernelSuite, refusal } from './harness.js';
import { randomWindows } from './windowShapes.js';

const test = kernelSuite(unfold, {
  property: (draw) =>
    windowCase(
      (plan, input, output, options) => unfold(plan, { label: 'case', input, output, ...options }),
      ...randomWindows(draw),
    ),
});

test('windows of an explicit sentence', () => {
  const shape = { batch: 1, tokens: 3, channels: 2, windows: 2, filter: 3, stride: 2, padding: 1 };
  const output = new Float64Array(12);
  reference.unfold(shape, Float64Array.of(1, 2, 3, 4, 5, 6), output);
  assert.equal([...output], [0, 0, 1, 2, 3, 4, 3, 4, 5, 6, 0, 0]);
});

test('shapes that do not fit are refused', () => {
  const refused = (filter: number, windows: number) =>
    refusal((plan) => {
      const p = plan.program;
      const input = p.persistent('input', [4, 6, 8]);
      unfold(plan, { label: 'layer 1', input, output: p.persistent('output', [4, windows, 24]), filter });
    });
  assert.is(refused(3, 3), 'unfold (layer 1): output is [2,4,3,24], windows = 2; pass [2,4,2,24]');
  assert.match(refused(7, 1), /a filter of 7 does not fit input \[2,4,6,8\]/);
  assert.match(refused(0, 1), /filter = 0; pass a whole number >= 1/);
});

test.run();
