import * as assert from 'uvu/assert';
import { gpuExecutor } from '../../src/kernels/index.js';
import { reduce, reduceCase } from '../../src/kernels/reduce.js';
import { runCase } from '../../src/kernels/tools/check.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(reduce, { property: (draw) => reduceCase(draw(1, 3), [draw(1, 7), draw(1, 900)]) });

test('infinities and NaN are counted, separately for each replica', async () => {
  const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let calls = 0;
  const item = {
    name: 'bad values',
    ...reduceCase(2, [5000]),
    // Replica 0 is filled first: three bad values there, one in replica 1; the largest finite numbers are accepted.
    fill: { input: (i: number) => (calls++ < 5000 ? (bad[i - 4998 + 1] ?? 1) : i === 17 ? bad[0] : 3.4e38 * (i % 2)) },
  };
  const gpu = await openNodeGpu();
  try {
    const { nonFinite } = await runCase(item, gpuExecutor(gpu));
    assert.equal([...nonFinite], [3, 1]);
  } finally {
    await gpu.release();
  }
});

test('a block with a row stride is summed without its padding', async () => {
  const gpu = await openNodeGpu();
  try {
    const { sums } = await runCase(
      {
        name: 'parameter',
        replicas: 3,
        rtol: 0,
        atol: 0,
        fill: { input: () => 2 },
        build(plan) {
          plan.program.declareParameter('other', [5]);
          plan.program.declareParameter('weight', [7]);
          reduce(plan, {
            label: 'case',
            input: plan.program.parameter('weight'),
            sums: plan.program.persistent('sums', [2]),
            nonFinite: plan.program.persistent('nonFinite', [1], 'u32'),
          });
        },
      },
      gpuExecutor(gpu),
    );
    assert.equal([...sums], [14, 28, 14, 28, 14, 28]);
  } finally {
    await gpu.release();
  }
});

test('shapes that do not fit are refused', () => {
  const message = refusal((plan) => {
    const p = plan.program;
    const nonFinite = p.persistent('nonFinite', [1], 'u32');
    reduce(plan, { label: 'grads', input: p.persistent('input', [9]), sums: p.persistent('sums', [3]), nonFinite });
  });
  assert.is(message, 'reduce (grads): sums is [2,3]; pass [2,2]');
});

test.run();
