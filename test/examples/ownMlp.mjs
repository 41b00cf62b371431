/** An MLP of your own on the engine: forward pass, gradients, training on the GPU and in WebAssembly, gradients checked in float64. */
import * as e from 'rhm-lab/engine';
import { openGpu } from 'rhm-lab/node';

const [batch, inputs, units, classes] = [64, 2, 32, 2];
const random = (i) => Math.sin(12.9898 * i + i ** 2); // in -1 .. 1, irregular
const points = Array.from({ length: batch * inputs }, (_, i) => random(i));
const labels = Array.from({ length: batch }, (_, i) => Number(points[2 * i] * points[2 * i + 1] > 0)); // XOR of the signs
const builder = new e.ProgramBuilder(1);
const shapes = { w1: [inputs, units], b1: [units], w2: [units, classes] };
for (const [name, shape] of Object.entries(shapes)) builder.declareParameter(name, shape);
const { w1, b1, w2 } = Object.fromEntries(Object.keys(shapes).map((name) => [name, builder.parameter(name)]));
const x = builder.persistent('x', [batch, inputs]);
const targets = builder.persistent('targets', [batch, 1], 'u32');
const clock = builder.persistent('clock', [8], 'u32');
const record = builder.persistent('record', [1, 2]); // loss and accuracy
const plan = builder.plan('gradients');
const hidden = plan.activation('hidden', [batch, units]);
const [logits, dLogits] = ['logits', 'dLogits'].map((name) => plan.activation(name, [batch, classes]));
const layer = (label, m, n, k, a, b, c, more) =>
  e.matmul(plan, { label, m, n, k, a: { tensor: a }, b: { tensor: b }, c: { tensor: c }, ...more });
layer('first', batch, units, inputs, x, w1, hidden, { bias: b1, relu: true });
layer('second', batch, classes, units, hidden, w2, logits, { scale: 1 / units });
const forward = [...plan.calls]; // what gradients are of
e.crossEntropy(plan, { label: 'loss', logits, targets, clock, clockWord: 0, record, dLogits });
e.addGradients(plan, forward, logits, dLogits, e.gradientOperations);
const [params, grads] = [builder.block('params'), builder.block('grads')];
e.blend(builder.plan('update'), { label: 'step', x: grads, out: params, weights: { a: 1, b: -8 } });
const program = builder.build();
const start = Float64Array.from({ length: program.parameterCount }, (_, i) => random(i + 0.5));
async function load(executor) {
  const loaded = await executor.load(program);
  loaded.write(x, points);
  loaded.write(targets, labels);
  loaded.write(params, start);
  return loaded;
}
const exact = await load(e.referenceExecutor()); // float64
async function lossAt(i, by) {
  exact.write(params, start.with(i, start[i] + by));
  await exact.run('gradients');
  return (await exact.read(record))[0];
}
const session = await openGpu();
for (const executor of [e.wasmExecutor(), e.gpuExecutor(session)]) {
  const loaded = await load(executor);
  await loaded.run('gradients');
  const gradient = await loaded.read(grads);
  for (const { name, offset } of [w1, b1, w2]) {
    const central = ((await lossAt(offset, 1e-5)) - (await lossAt(offset, -1e-5))) / 2e-5;
    console.log(`${executor.kind}: ${name} ${gradient[offset]}, by differences ${central}`);
  }
  for (let step = 0; step < 4000; step++) await loaded.run(step % 2 ? 'update' : 'gradients');
  const [loss, accuracy] = await loaded.read(record);
  console.log(`${executor.kind}: loss ${loss.toFixed(3)} nats, ${(100 * accuracy).toFixed(0)} % right`);
  loaded.destroy();
}
await session.release();
