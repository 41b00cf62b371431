/**
 * `node test/bench/jax.mjs [BATCH]`: one training step of hcnn (v = 8, L = 3) here and written with jax-js on its own
 * WebAssembly backend, in turns, one thread each. Ours samples its sentences too; jax-js gets a fixed batch.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

globalThis.navigator ??= { hardwareConcurrency: 1 }; // jax-js asks for navigator.gpu; Node 20 has no navigator
const { init, defaultDevice, jit, nn, numpy, valueAndGrad } = await import('@jax-js/jax');
await init('wasm');
defaultDevice('wasm');

const batch = Number(process.argv[2] ?? 32);
const v = 8;
const cases = { 64: 'hcnn-small', 512: 'hcnn-wide' };

for (const [width, name] of Object.entries(cases)) {
  const step = jaxStep(Number(width));
  const ours = [];
  const theirs = [];
  for (let round = 0; round < 3; round++) {
    ours.push(ourStep(name));
    theirs.push(await timed(step, Number(width) > 64 ? 3 : 30));
  }
  const [a, b] = [median(ours), median(theirs)];
  console.log(
    `hcnn width ${width}, batch ${batch}: rhm-lab ${a.toFixed(0)} us, jax-js ${b.toFixed(0)} us, ratio ${(b / a).toFixed(1)}`,
  );
}

/** Microseconds a step, from `rhm bench train`. */
function ourStep(name) {
  const cli = join(import.meta.dirname, '../../dist/cli.js');
  const args = ['bench', 'train', '--cases', name, '--batches', batch, '--replicas', '1', '--steps', '30'];
  const text = execFileSync(process.execPath, [cli, ...args, '--executor', 'wasm', '--threads', '1', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(text).results[0].us_per_step;
}

/** A function that does one step of SGD with momentum and returns the loss. */
function jaxStep(width) {
  const random = (...shape) =>
    numpy.array(Float32Array.from({ length: shape[0] * shape[1] }, () => 2 * Math.random() - 1)).reshape(shape);
  const shapes = { first: [2 * v, width], second: [2 * width, width], third: [2 * width, width], readout: [width, v] };
  const names = Object.keys(shapes);
  let params = Object.fromEntries(names.map((name) => [name, random(...shapes[name])]));
  let velocities = Object.fromEntries(names.map((name) => [name, numpy.zeros(shapes[name])]));
  const input = random(batch * 4, 2 * v);
  const classes = Float32Array.from({ length: batch * v }, (_, i) => Number(i % v === Math.floor(i / v) % v));
  const targets = numpy.array(classes).reshape([batch, v]);

  const layer = (x, weight, fan) => nn.relu(numpy.matmul(x, weight).mul(fan ** -0.5));
  const loss = (p, x, wanted) => {
    let h = layer(x, p.first, 2 * v);
    h = layer(h.reshape([batch * 2, 2 * width]), p.second, 2 * width);
    h = layer(h.reshape([batch, 2 * width]), p.third, 2 * width);
    const logits = numpy.matmul(h, p.readout).mul(1 / width);
    return nn
      .logSoftmax(logits)
      .mul(wanted)
      .sum()
      .mul(-1 / batch);
  };
  const step = jit((p, m, x, wanted) => {
    const refs = Object.fromEntries(names.map((name) => [name, p[name].ref]));
    const [value, gradients] = valueAndGrad(loss)(refs, x, wanted);
    const moved = {};
    const kept = {};
    for (const name of names) {
      const velocity = m[name].mul(0.9).add(gradients[name]);
      kept[name] = velocity.ref;
      moved[name] = p[name].sub(velocity.mul(width));
    }
    return [moved, kept, value];
  });
  return () => {
    let value;
    [params, velocities, value] = step(params, velocities, input.ref, targets.ref);
    return value;
  };
}

async function timed(step, count) {
  for (let i = 0; i < 2; i++) await step().data(); // compiles
  const start = performance.now();
  for (let i = 1; i < count; i++) step().dispose();
  await step().data();
  return ((performance.now() - start) * 1000) / count;
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}
