/**
 * `node test/bench/jax.mjs [BATCH] [ROUNDS]`: whole training steps (v = 8, L = 3) of hcnn and mla here and written with jax-js on
 * its WebAssembly backend, alternating, one thread each. Ours also samples its sentences; jax-js gets a fixed batch.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

globalThis.navigator ??= { hardwareConcurrency: 1 }; // jax-js reads navigator.gpu; Node 20 has no navigator
const { init, defaultDevice, jit, nn, numpy, valueAndGrad } = await import('@jax-js/jax');
await init('wasm');
defaultDevice('wasm');

const [batch, rounds] = [process.argv[2] ?? 32, process.argv[3] ?? 5].map(Number);
const [v, T] = [8, 8];
const cases = [
  { text: 'hcnn width 64', name: 'hcnn-small', step: hcnn(64), count: 30 },
  { text: 'hcnn width 512', name: 'hcnn-wide', step: hcnn(512), count: 3 },
  { text: 'mla C 32, 4 heads', name: 'mla-small', step: mla(32, 4), count: 10 },
  { text: 'mla C 256, 16 heads', name: 'mla-wide', step: mla(256, 16), count: 3 },
];

for (const { text, name, step, count } of cases) {
  const ours = [];
  const theirs = [];
  const ratios = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(ourStep(name));
    theirs.push(await timed(step, count));
    ratios.push(theirs[round] / ours[round]);
  }
  const [a, b, ratio] = [ours, theirs, ratios].map(median);
  console.log(
    `${text}, batch ${batch}: rhm-lab ${a.toFixed(0)} us, jax-js ${b.toFixed(0)} us, ratio ${ratio.toFixed(1)} (median of ${rounds} rounds)`,
  );
}

/** Microseconds per step, from `rhm bench train`. */
function ourStep(name) {
  const cli = join(import.meta.dirname, '../../dist/cli.js');
  const args = ['bench', 'train', '--cases', name, '--batches', batch, '--replicas', '1', '--steps', '30'];
  const text = execFileSync(process.execPath, [cli, ...args, '--executor', 'wasm', '--threads', '1', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(text).results[0].us_per_step;
}

/** SGD with momentum; the first layer is a product with the one-hot tokens. */
function hcnn(width) {
  const shapes = { first: [2 * v, width], second: [2 * width, width], third: [2 * width, width], readout: [width, v] };
  const input = random(batch * 4, 2 * v);
  const layer = (x, weight, fan) => nn.relu(numpy.matmul(x, weight).mul(fan ** -0.5));
  const logits = (p, x) => {
    let h = layer(x, p.first, 2 * v);
    h = layer(h.reshape([batch * 2, 2 * width]), p.second, 2 * width);
    h = layer(h.reshape([batch, 2 * width]), p.third, 2 * width);
    return numpy.matmul(h, p.readout).mul(1 / width);
  };
  return training(shapes, input, logits, ['velocity'], (x, gradient, { velocity }) => {
    const moved = velocity.mul(0.9).add(gradient);
    return [x.sub(moved.ref.mul(width)), { velocity: moved }];
  });
}

/** AdamW without weight decay; in the last layer only the last token is a query. */
function mla(channels, heads) {
  const layers = [0, 1, 2];
  const dim = channels / heads;
  const shapes = { tokens: [v, channels], positions: [T, channels], readout: [channels, v] };
  for (const l of layers)
    for (const name of ['query', 'key', 'value', 'output']) shapes[`${name}${l}`] = [channels, channels];
  const input = random(batch * T, v);
  const product = (x, weight) => numpy.matmul(x, weight).mul(channels ** -0.5);
  const logits = (p, x) => {
    let h = numpy.matmul(x, p.tokens).mul(v ** -0.5);
    h = h.reshape([batch, T, channels]).add(p.positions);
    for (const l of layers) {
      const queries = l === 2 ? 1 : T;
      const asking = l === 2 ? h.ref.slice([], [T - 1, T]) : h.ref;
      const split = (y, length, ...order) => y.reshape([batch, length, heads, dim]).transpose([0, ...order]);
      const query = split(product(asking, p[`query${l}`]), queries, 2, 1, 3);
      const key = split(product(h.ref, p[`key${l}`]), T, 2, 3, 1);
      const value = split(product(h, p[`value${l}`]), T, 2, 1, 3);
      const weights = nn.softmax(numpy.matmul(query, key).mul(dim ** -0.5), -1);
      const attended = numpy.matmul(weights, value).transpose([0, 2, 1, 3]);
      h = product(attended.reshape([batch, queries, channels]), p[`output${l}`]);
    }
    return product(h.reshape([batch, channels]), p.readout);
  };
  return training(shapes, input, logits, ['mean', 'square'], (x, gradient, { mean, square }) => {
    const m = mean.mul(0.9).add(gradient.ref.mul(0.1));
    const s = square.mul(0.999).add(gradient.ref.mul(gradient).mul(0.001));
    const change = m.ref.mul(1e-3).div(numpy.sqrt(s.ref).add(1e-8));
    return [x.sub(change), { mean: m, square: s }];
  });
}

/** A function that does one step on a fixed batch and returns the loss. */
function training(shapes, input, logits, moments, update) {
  const names = Object.keys(shapes);
  const table = (make) => Object.fromEntries(names.map((name) => [name, make(name)]));
  let params = table((name) => random(...shapes[name]));
  let states = table((name) => Object.fromEntries(moments.map((key) => [key, numpy.zeros(shapes[name])])));
  const classes = Float32Array.from({ length: batch * v }, (_, i) => Number(i % v === Math.floor(i / v) % v));
  const targets = numpy.array(classes).reshape([batch, v]);
  const loss = (p, x, wanted) =>
    nn
      .logSoftmax(logits(p, x))
      .mul(wanted)
      .sum()
      .mul(-1 / batch);
  const step = jit((p, s, x, wanted) => {
    const [value, gradients] = valueAndGrad(loss)(
      table((name) => p[name].ref),
      x,
      wanted,
    );
    const updated = table((name) => update(p[name], gradients[name], s[name]));
    return [table((name) => updated[name][0]), table((name) => updated[name][1]), value];
  });
  return () => {
    let value;
    [params, states, value] = step(params, states, input.ref, targets.ref);
    return value;
  };
}

function random(...shape) {
  return numpy.array(Float32Array.from({ length: shape[0] * shape[1] }, () => 2 * Math.random() - 1)).reshape(shape);
}

async function timed(step, count) {
  for (let i = 0; i < 2; i++) await step().data(); // compiles
  const start = performance.now();
  for (let i = 1; i < count; i++) step().dispose();
  await step().data();
  return ((performance.now() - start) * 1000) / count;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
