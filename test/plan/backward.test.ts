import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ShapeError } from '../../src/core/errors.js';
import { blend } from '../../src/kernels/blend.js';
import { columnSum } from '../../src/kernels/columnSum.js';
import { matmul } from '../../src/kernels/matmul.js';
import { unfold } from '../../src/kernels/unfold.js';
import type { Net } from '../../src/models/net.js';
import { recordedModel } from '../../src/models/recorded.js';
import { asIs, type ModelShape } from '../../src/models/types.js';
import { ProgramBuilder, reshape } from '../../src/plan/builder.js';
import type { Call, Tensor } from '../../src/plan/types.js';
import { checkGradients } from '../../src/training/checkModel.js';

const test = suite('gradients of recorded passes');

const shape: ModelShape = { v: 5, symbols: 5, s: 2, L: 2, d: 4, firstToken: 0, length: 4, classes: 5, task: 'class' };
const C = 8;

/** Tokens as vectors, [R, B, 4, C]. */
const start = (net: Net): Tensor =>
  net.embed('start', net.parameter(asIs('start', [5, C], 'normal')), C, { length: 4, whitened: false, scale: 1 });
const weight = (net: Net, name: string, rows: number, columns: number) =>
  net.parameter(asIs(name, [rows, columns], 'normal'));
const dense = (net: Net, name: string, x: Tensor, more: { relu?: boolean; residual?: Tensor; dropout?: number } = {}) =>
  net.product(name, x, weight(net, name, x.shape[x.shape.length - 1], C), C, { scale: 0.3, ...more });
const end = (net: Net, x: Tensor) => ({
  logits: reshape(net.linear('readout', net.mean('mean', x), 5, { scale: 0.4 }), [net.batch, 5]),
  hidden: [],
});

const passes: Record<string, (net: Net) => Tensor> = {
  'a chain': (net) => dense(net, 'b', dense(net, 'a', start(net), { relu: true })),
  'a ReLU read three times': (net) => {
    const x = dense(net, 'a', start(net), { relu: true });
    return dense(net, 'c', dense(net, 'b', x, { relu: true }), { residual: dense(net, 'd', x, { residual: x }) });
  },
  'a weight used twice, once with a ReLU behind': (net) => {
    const w = weight(net, 'w', C, C);
    const x = net.product('first', start(net), w, C, { scale: 0.3, relu: true });
    return net.product('second', x, w, C, { scale: 0.3, form: 'NT' });
  },
  'an embedding that is a factor too': (net) => {
    const x = start(net);
    const logits = net.product('again', x, net.parameter(asIs('start', [5, C], 'normal')), 5, {
      form: 'NT',
      scale: 0.3,
    });
    return net.product('back', logits, weight(net, 'back', 5, C), C, { scale: 0.3 });
  },
  'a factor that waits for its embedding while its gradient is handed on': (net) => {
    const x = net.product('a', start(net), weight(net, 'a', C, 5), 5, { scale: 0.3 });
    const y = net.product('b', x, weight(net, 'b', 5, C), C, { scale: 0.3 });
    const tied = net.parameter(asIs('start', [5, C], 'normal'));
    const z = net.product('tied', y, tied, 5, { form: 'NT', scale: 0.3, residual: x });
    return net.product('back', z, weight(net, 'back', 5, C), C, { scale: 0.3 });
  },
  'residuals, norms and dropout': (net) => {
    let x = start(net);
    for (const name of ['a', 'b']) x = dense(net, name, net.norm(`${name}.norm`, x), { residual: x, dropout: 0.3 });
    return net.norm('last', x);
  },
  'a norm behind a ReLU, read twice': (net) => {
    const x = dense(net, 'a', start(net), { relu: true });
    return dense(net, 'b', net.norm('n', x), { residual: net.norm('m', x) });
  },
  'attention, all queries and the last': (net) => {
    const x = net.attention('one', start(net), { heads: 2, causal: true, disk: 'one' });
    return net.attention('two', dense(net, 'a', x, { residual: x }), { heads: 2, lastQueryOnly: true, disk: 'two' });
  },
  'a sum in place, handed on to both': (net) => {
    const x = dense(net, 'a', start(net));
    const y = dense(net, 'b', x);
    blend(net.plan, { label: 'sum', x, out: y, weights: { a: 1, b: 1 } });
    return dense(net, 'c', y);
  },
  'part of a tensor only': (net) => {
    const x = dense(net, 'a', start(net), { relu: true });
    const out = net.plan.activation('part', [net.batch, 1, C]);
    const w = weight(net, 'w', C, 2 * C); // of which the second half is used
    matmul(net.plan, {
      ...{ label: 'part', m: net.batch, n: C, k: C, scale: 0.3 },
      a: { tensor: x, row: 4 * C },
      b: { tensor: w, offset: C, row: 2 * C },
      c: { tensor: out },
    });
    return out;
  },
  'groups and biases': (net) => {
    const x = start(net);
    const local = { local: true, scale: 0.3, relu: true, bias: net.parameter(asIs('own', [2 * C], 'normal')) };
    const y = net.windows('local', x, weight(net, 'local', 2 * 2 * C, C), 2, C, local);
    const bias = net.parameter(asIs('shared', [C], 'normal'));
    return net.windows('shared', y, weight(net, 'w', 2 * C, C), 2, C, {
      local: false,
      scale: 0.3,
      bias,
      biasInside: true,
    });
  },
  'factors of elements, columns and rows': (net) => {
    const x = dense(net, 'a', start(net), { relu: true });
    const y = net.multiply('gain', x, net.parameter(asIs('gain', [C], 'normal')));
    const weights = net.softmax('weights', net.product('scores', x, weight(net, 'scores', C, 3), 3, { scale: 0.3 }));
    const parts = [0, 1, 2].map((f) => net.multiply(`part ${f}`, dense(net, `f${f}`, y), weights, f));
    const sum = net.add('sum', net.add('two', parts[0], parts[1]), parts[2]);
    return net.multiply('square', sum, dense(net, 'b', y));
  },
  'a row of factors of which one is used': (net) => {
    const x = start(net);
    return net.multiply('part', x, net.product('scores', x, weight(net, 'scores', C, 4), 4, { scale: 0.3 }), 1);
  },
  'overlapping windows': (net) => {
    const x = dense(net, 'a', start(net), { relu: true });
    const wide = net.plan.activation('wide', [net.batch, 4, 3 * C]);
    unfold(net.plan, { label: 'wide', input: x, output: wide, filter: 3, stride: 1, padding: 1 });
    return dense(net, 'b', wide, { residual: x });
  },
  'transposed factors': (net) => {
    const x = dense(net, 'a', start(net)); // a Gram matrix of each sentence's positions, multiplied by the positions again
    const gram = net.plan.activation('gram', [net.batch, C, C]);
    const groups = net.batch;
    const view = (tensor: Tensor, rows: number) => ({ tensor, row: C, group: rows * C });
    matmul(net.plan, {
      ...{ label: 'gram', form: 'TN', m: C, n: C, k: 4, groups, scale: 0.2 },
      ...{ a: view(x, 4), b: view(x, 4), c: view(gram, C) },
    });
    const out = net.plan.activation('again', [net.batch, 4, C]);
    matmul(net.plan, {
      ...{ label: 'again', m: 4, n: C, k: C, groups, scale: 0.2 },
      ...{ a: view(x, 4), b: view(gram, C), c: view(out, 4) },
    });
    return out;
  },
};

for (const [name, pass] of Object.entries(passes))
  test(`${name}: as finite differences`, async () => {
    const { ok, parameters } = await checkGradients(
      recordedModel('test', (net) => end(net, pass(net)), shape),
      shape,
    );
    assert.ok(parameters.length >= 3);
    assert.ok(ok, parameters.map((p) => `${p.name} ${p.error}`).join(', '));
  });

/** The calls that compute the gradients of a pass. */
function backwardCalls(pass: (net: Net) => Tensor): Call[] {
  const model = recordedModel('test', (net) => end(net, pass(net)), shape);
  const builder = new ProgramBuilder(1);
  for (const spec of model.parameters) builder.declareParameter(spec.name, spec.shape);
  const plan = builder.plan('p');
  const tokens = builder.persistent('tokens', [3, 4], 'u32');
  const forward = model.forward(plan, { tokens, batch: 3, training: false });
  const from = plan.calls.length;
  forward.backward(plan.activation('dLogits', [3, 5]));
  return plan.calls.slice(from);
}

test('a residual costs no copy, a ReLU no call, and inputs come before the weights of a call', () => {
  const calls = backwardCalls((net) => {
    const x = dense(net, 'a', start(net), { relu: true });
    const y = dense(net, 'b', x);
    return dense(net, 'c', net.norm('n', y), { residual: y });
  });
  assert.equal(
    calls.map(({ label }) => label),
    [
      ...[
        'readout input gradient',
        'readout gradient',
        'mean gradient',
        'c input gradient',
        'c gradient',
        'n gradient',
      ],
      ...['b input gradient', 'b gradient', 'a input gradient', 'a gradient', 'start gradient'],
    ],
  );
});

test('an embedding that is a factor too: the factor waits, and adds to what the embedding has written', () => {
  const labels = backwardCalls(passes['an embedding that is a factor too']).map(({ label }) => label);
  assert.equal(labels.slice(-2), ['start gradient', 'again gradient']);
  assert.ok(!labels.some((label) => label.includes('sum')), labels.join(', '));
});

test('if only a part is used, the rest of the gradient is cleared', () => {
  const labels = backwardCalls(passes['part of a tensor only']).map(({ label }) => label);
  assert.is(labels.filter((label) => label === 'part gradient start').length, 2, labels.join(', '));
});

test('an input that depends on no parameter gets no gradient', () => {
  const calls = backwardCalls((net) => {
    const x = net.plan.program.persistent('features', [net.batch, 4, C]);
    return dense(net, 'a', x);
  });
  assert.equal(
    calls.map(({ label }) => label),
    ['readout input gradient', 'readout gradient', 'mean gradient', 'a gradient'],
  );
});

const refused: Record<string, [(net: Net) => Tensor, RegExp]> = {
  'an operation without a gradient': [
    (net) => {
      const x = start(net);
      const sums = net.plan.activation('sums', [C]);
      columnSum(net.plan, { label: 'layer 7', input: reshape(x, [4 * net.batch, C]), output: sums });
      const out = net.plan.activation('out', [net.batch, 1, C]);
      matmul(net.plan, {
        ...{ label: 'spread', m: net.batch, n: C, k: 1 },
        a: { tensor: x, row: 4 * C },
        b: { tensor: reshape(sums, [1, C]) },
        c: { tensor: out },
      });
      return out;
    },
    /layer 7: the operation columnSum has no gradient/,
  ],
  'a parameter that the result does not depend on': [
    (net) => {
      const x = start(net);
      dense(net, 'lost', x);
      return x;
    },
    /lost: the result does not depend on the parameter lost/,
  ],
  'a ReLU that is changed in place': [
    (net) => {
      const x = dense(net, 'a', start(net), { relu: true });
      blend(net.plan, { label: 'sum', x: start(net), out: x, weights: { a: 1, b: 1 } });
      return x;
    },
    /sum: changes .*a.* after its ReLU in place/,
  ],
  'a factor that groups share': [
    (net) => {
      const x = start(net);
      const out = net.plan.activation('out', [net.batch, 4, C]);
      matmul(net.plan, {
        ...{ label: 'shared', m: 4, n: C, k: C, groups: net.batch },
        a: { tensor: x, group: 4 * C },
        b: { tensor: weight(net, 'w', C, C), group: 0 },
        c: { tensor: out, group: 4 * C },
      });
      return out;
    },
    /shared: a factor that all groups share has no gradient; fold the groups into rows/,
  ],
};

for (const [name, [pass, message]] of Object.entries(refused))
  test(`${name} is refused by name`, () => {
    assert.throws(
      () => backwardCalls(pass),
      (error: unknown) => error instanceof ShapeError && message.test(error.message),
    );
  });

test('one name for two shapes of a parameter is refused', () => {
  assert.throws(
    () =>
      recordedModel(
        'test',
        (net) => {
          weight(net, 'w', C, C);
          return end(net, net.product('b', start(net), weight(net, 'w', C, 2), 2, { scale: 1 }));
        },
        shape,
      ),
    /w: declared as \[8,8\] and as \[8,2\]; give each parameter a different name/,
  );
});

test.run();
