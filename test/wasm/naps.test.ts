import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../support/run.js';
import { bundleFixtures } from '../support/scenario.js';

/** A dead thread is noticed, whichever of V8's compilers compiled the waiting code. */
const test = suite('waiting for a dead thread');

for (const compiler of ['--liftoff-only', '--no-liftoff'])
  test(compiler, async () => {
    const folder = await bundleFixtures('node', ['deadThread.node'], 'test/wasm/fixtures');
    try {
      const { code, signal, stdout, stderr } = await run(
        process.execPath,
        [compiler, join(folder, 'deadThread.node.js')],
        {
          timeoutSeconds: 60,
        },
      );
      assert.is(code, 0, `${signal} ${stderr}`);
      assert.match(stdout, /^WorkerError: thread 1 of 2: .*; continue the run from its last checkpoint$/m);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

test('a thread that is ended before its answer is received keeps the process waiting for its end', async () => {
  const folder = await bundleFixtures('node', ['endedAtOnce.node'], 'test/wasm/fixtures');
  try {
    const { code, stdout, stderr } = await run(process.execPath, [join(folder, 'endedAtOnce.node.js')], {
      timeoutSeconds: 60,
    });
    assert.is(code, 0, stderr);
    assert.is(stdout, 'ended\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
