import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError, ShapeError, WorkerError } from '../../src/core/errors.js';
import type { Thread } from '../../src/core/wasmThreads.js';
import { referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { matmul } from '../../src/kernels/matmul.js';
import type { Form } from '../../src/kernels/shared/matmulTiles.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import type { Executor } from '../../src/plan/executor.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { failure } from '../support/gpu.js';
import { uniforms } from '../support/random.js';

const test = suite('WebAssembly executor');

/** A program whose plan `step` does x <- x A + x, x [R, m, k]: every step depends on the one before. */
function chain(m: number, k: number, replicas = 2) {
  const builder = new ProgramBuilder(replicas);
  const x = builder.persistent('x', [m, k]);
  const y = builder.persistent('y', [m, k]);
  const a = builder.persistent('a', [k, k]);
  const step = builder.plan('step');
  const scale = 0.5 / Math.sqrt(k);
  matmul(step, {
    label: 'forth',
    m,
    n: k,
    k,
    a: { tensor: x },
    b: { tensor: a },
    c: { tensor: y },
    scale,
    residual: x,
  });
  matmul(step, { label: 'back', m, n: k, k, a: { tensor: y }, b: { tensor: a }, c: { tensor: x }, scale, relu: true });
  return { program: builder.build(), x, a };
}

async function runChain(executor: Executor, m: number, k: number, pieces: number[]): Promise<Float32Array> {
  const { program, x, a } = chain(m, k);
  const loaded = await executor.load(program);
  try {
    loaded.write(x, uniforms(2 * m * k, 1));
    loaded.write(a, uniforms(2 * k * k, 2));
    for (const times of pieces) loaded.run('step', times); // not awaited: runs are queued in order
    return (await loaded.read(x)) as Float32Array;
  } finally {
    loaded.destroy();
  }
}

test('many steps at once, one by one, on one thread and on several: the same bits', async () => {
  const bits: Float32Array[] = [];
  for (const threads of [1, 2, 3])
    for (const pieces of [[40], [1, 9, 0, 30], Array(40).fill(1)]) {
      const executor = wasmExecutor({ threads, spawn: spawnNodeThread, cutAll: true });
      bits.push(await runChain(executor, 37, 29, pieces));
      await executor.destroy();
    }
  assert.ok(bits[0].some((x) => x > 0));
  for (const other of bits) assert.equal(other, bits[0]);
});

for (const form of ['NN', 'NT', 'TN'] as Form[])
  test(`${form} product larger than every block`, async () => {
    const [m, n, k] = [517, 261, 773];
    const builder = new ProgramBuilder(1);
    const a = builder.persistent('a', form === 'TN' ? [k, m] : [m, k]);
    const b = builder.persistent('b', form === 'NT' ? [n, k] : [k, n]);
    const c = builder.persistent('c', [m, n]);
    matmul(builder.plan('once'), { label: form, form, m, n, k, a: { tensor: a }, b: { tensor: b }, c: { tensor: c } });
    const program = builder.build();
    const results: ArrayLike<number>[] = [];
    const executors = [1, 3].map((threads) => wasmExecutor({ threads, spawn: spawnNodeThread }));
    for (const executor of [referenceExecutor(), ...executors]) {
      const loaded = await executor.load(program);
      loaded.write(a, uniforms(m * k, 3));
      loaded.write(b, uniforms(k * n, 4));
      await loaded.run('once');
      results.push(await loaded.read(c));
      loaded.destroy();
    }
    for (const executor of executors) await executor.destroy();
    const [want, one, three] = results;
    // Each of the K roundings is at most 2^-24 of a partial sum, which stays below sum |a b| <= K / 4.
    const bound = (k * k * 2 ** -24) / 4;
    for (let i = 0; i < want.length; i++)
      if (!(Math.abs(one[i] - want[i]) <= bound)) assert.unreachable(`element ${i}: ${one[i]}, reference ${want[i]}`);
    assert.equal(three, one);
  });

test('runs, writes and reads keep their order', async () => {
  const { program, x, a } = chain(3, 5, 1);
  const executor = wasmExecutor();
  const loaded = await executor.load(program);
  loaded.write(a, Array(25).fill(0));
  loaded.write(x, Array(15).fill(1));
  loaded.run('step');
  loaded.write(x, Array(15).fill(2)); // queued after the run, which leaves 0
  assert.equal([...(await loaded.read(x))], Array(15).fill(2));
  loaded.write(x, Array(15).fill(3));
  loaded.run('step');
  assert.equal([...(await loaded.read(x))], Array(15).fill(0));
  loaded.destroy();
  await executor.destroy();
});

test('a program starts at zero in memory that another one used, and memory does not grow', async () => {
  const executor = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
  const sizes = new Set<number>();
  for (let i = 0; i < 50; i++) {
    const { program, x, a } = chain(64, 64);
    const loaded = await executor.load(program);
    assert.ok((await loaded.read(x)).every((value) => value === 0));
    loaded.write(x, uniforms(2 * 64 * 64, i));
    loaded.write(a, uniforms(2 * 64 * 64, i));
    await loaded.run('step', 100);
    sizes.add(loaded.arena.memory.buffer.byteLength);
    loaded.destroy();
  }
  assert.is(sizes.size, 1);
  await executor.destroy();
});

test('two programs of one executor at the same time', async () => {
  const executor = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
  const apart = await runChain(executor, 20, 12, [7]);
  const both = await Promise.all([runChain(executor, 20, 12, [7]), runChain(executor, 20, 12, [7])]);
  for (const one of both) assert.equal(one, apart);
  await executor.destroy();
});

test('more than 4 GiB is refused with the numbers, before memory is allocated', async () => {
  const builder = new ProgramBuilder(64);
  builder.persistent('huge', [2 ** 24]);
  const executor = wasmExecutor();
  const error = await failure(() => executor.load(builder.build()));
  assert.instance(error, ShapeError);
  assert.match(
    error.message,
    /64 replicas: 42949\d+ bytes .*has at most 4294901760; use fewer replicas or a smaller batch/,
  );
});

test('a thread that dies ends the run with WorkerError', async () => {
  const threads: Thread[] = [];
  const spawn = (source: string) => {
    threads.push(spawnNodeThread(source));
    return threads[threads.length - 1];
  };
  const executor = wasmExecutor({ threads: 3, spawn, cutAll: true });
  const { program, x } = chain(64, 64);
  const loaded = await executor.load(program);
  await loaded.run('step', 10);
  const endless = loaded.run('step', 1e9);
  setTimeout(() => threads[1].kill(), 50);
  const error = await failure(() => endless);
  assert.instance(error, WorkerError);
  assert.match(error.message, /thread 2 of 3: ended with exit code 1; continue the run from its last checkpoint/);
  assert.instance(await failure(() => loaded.run('step')), WorkerError);
  assert.instance(await failure(() => loaded.read(x)), WorkerError);
  loaded.destroy();
  // The executor continues with new threads.
  assert.ok((await runChain(executor, 5, 7, [3])).some((value) => value > 0));
  await executor.destroy();
});

test('a thread that cannot start is WorkerError', async () => {
  const executor = wasmExecutor({ threads: 2, spawn: () => spawnNodeThread('throw new Error("no luck");') });
  const error = await failure(() => executor.load(chain(4, 4).program));
  assert.instance(error, WorkerError);
  assert.match(error.message, /thread 1 of 2: crashed: no luck/);
});

test('destroyed programs and wrong numbers of threads are refused', async () => {
  const executor = wasmExecutor();
  const loaded = await executor.load(chain(4, 4).program);
  loaded.destroy();
  assert.match((await failure(() => loaded.run('step'))).message, /this program was destroyed/);
  for (const threads of [0, 1.5, 257, Number.NaN])
    assert.instance(await failure(() => wasmExecutor({ threads, spawn: spawnNodeThread })), InputError);
  assert.match((await failure(() => wasmExecutor({ threads: 2 }))).message, /need shared memory/);
});

test('idle threads do not keep the process alive', async () => {
  // Nothing to assert here: the executor is not destroyed, and this file must nevertheless exit.
  await runChain(wasmExecutor({ threads: 3, spawn: spawnNodeThread }), 5, 7, [3]);
});

test.run();
