import * as assert from 'uvu/assert';
import { attention } from '../../src/kernels/attention.js';
import { attentionBackward } from '../../src/kernels/attentionBackward.js';
import { attentionCase } from '../../src/kernels/shared/attention.cases.js';
import * as reference from '../../src/reference/attention.js';
import { randomAttention } from './attentionShapes.js';
import { checkGradient, dot, randoms } from './finiteDifferences.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(attentionBackward, {
  property: (draw) =>
    attentionCase((plan, shape) => {
      const { options, ...tensors } = shape(plan);
      attention(plan, { ...options, ...tensors });
      attentionBackward(plan, {
        ...options,
        ...tensors,
        dOut: plan.program.persistent('dOut', tensors.out.shape.slice(1)),
        dQkv: plan.program.persistent('dQkv', tensors.qkv.shape.slice(1)),
      });
    }, randomAttention(draw)),
});

for (const [causal, lastQueryOnly] of [
  [false, false],
  [true, false],
  [false, true],
])
  test(`reference against central differences, causal ${causal}, last query ${lastQueryOnly}`, () => {
    const shape = { tokens: 5, heads: 2, dim: 3, causal, lastQueryOnly, scale: 0.7 };
    const queries = lastQueryOnly ? 1 : 5;
    const qkv = randoms(5 * 18, 1);
    const weights = randoms(queries * 6, 2);
    const out = new Float64Array(queries * 6);
    const dQkv = randoms(5 * 18, 3);
    reference.attentionBackward(shape, qkv, weights, dQkv);
    checkGradient('dQkv', qkv, dQkv, () => {
      reference.attention(shape, qkv, out, new Float64Array(2 * queries), queries);
      return dot(weights, out);
    });
  });

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    attentionBackward(plan, {
      label: 'block 1',
      qkv: p.persistent('qkv', [3, 5, 24]),
      out: p.persistent('out', [3, 5, 8]),
      logsumexp: p.persistent('logsumexp', [3, 2, 5]),
      dOut: p.persistent('dOut', [3, 5, 8]),
      dQkv: p.persistent('dQkv', [3, 5, 8]),
      heads: 2,
      scale: 1,
    });
  });
  assert.is(message, 'attentionBackward (block 1): dQkv is [2,3,5,8], width = 24; pass [2,3,5,24]');
});

test.run();
