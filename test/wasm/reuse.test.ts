import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { blend } from '../../src/kernels/blend.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { ProgramBuilder } from '../../src/plan/builder.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';

const test = suite('one memory for one program after another');

/** x + x in `count` calls on tensors of `elements`. */
function program(count: number, elements: number) {
  const builder = new ProgramBuilder(1);
  const plan = builder.plan('sum');
  const x = builder.persistent('x', [elements]);
  const outs = Array.from({ length: count }, (_, i) => builder.persistent(`out${i}`, [elements]));
  for (const [i, out] of outs.entries()) blend(plan, { label: `${i}`, x, out, weights: { a: 0, b: i + 1 } });
  return { built: builder.build(), x, out: outs[count - 1] };
}

// Far more threads than cores: one that has passed the last barrier often loses its core before it has read the end of the list.
test('late threads never read the commands of the next program', async () => {
  const executor = wasmExecutor({ threads: 12, spawn: spawnNodeThread, cutAll: true });
  try {
    for (let i = 0; i < 400; i++) {
      const [count, elements] = [1 + (i % 5), 24 * (1 + ((i * 7) % 11))];
      const { built, x, out } = program(count, elements);
      const loaded = await executor.load(built);
      loaded.write(
        x,
        Array.from({ length: elements }, (_, k) => k + i),
      );
      await loaded.run('sum');
      const got = await loaded.read(out);
      assert.ok(
        got.every((value, k) => value === count * (k + i)),
        `program ${i}`,
      );
      loaded.destroy();
    }
  } finally {
    await executor.destroy();
  }
});

test.run();
