import * as assert from 'uvu/assert';
import { attention } from '../../src/kernels/attention.js';
import { attentionCase } from '../../src/kernels/shared/attention.cases.js';
import { randomAttention } from './attentionShapes.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(attention, {
  property: (draw) =>
    attentionCase((plan, shape) => {
      const { options, ...tensors } = shape(plan);
      attention(plan, { ...options, ...tensors });
    }, randomAttention(draw)),
});

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    attention(plan, {
      label: 'block 1',
      qkv: p.persistent('qkv', [3, 5, 24]),
      out: p.persistent('out', [3, 5, 6]),
      logsumexp: p.persistent('logsumexp', [3, 2, 5]),
      heads: 2,
      scale: 1,
    });
  });
  assert.is(message, 'attention (block 1): out is [2,3,5,6], channels = 8; pass [2,3,5,8]');
  const heads = (count: number, width: number) =>
    refusal((plan) => {
      const p = plan.program;
      attention(plan, {
        label: 'block 1',
        qkv: p.persistent('qkv', [3, 5, width]),
        out: p.persistent('out', [3, 5, 8]),
        logsumexp: p.persistent('logsumexp', [3, 2, 5]),
        heads: count,
        scale: 1,
      });
    });
  assert.match(heads(5, 24), /head size/);
  assert.match(heads(0, 24), /heads = 0/);
  assert.match(heads(1, 390), /head size 130/);
});

test.run();
