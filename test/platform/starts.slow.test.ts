import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { softwareDrivers } from '../support/gpu.js';
import { deno, type Ran, run } from '../support/run.js';
import { built } from '../support/scenario.js';

const test = suite('starts and exits in a row');
const script = resolve('test/platform/fixtures/start.mjs');
const entry = (name: string) => pathToFileURL(built(name)).href;
const start = (adapter: string, ending: string) =>
  run(process.execPath, [script, entry('node.js'), ending], { env: { RHM_ADAPTER: adapter }, timeoutSeconds: 90 });

/** It ended with this status, normally, after the work was done. */
function assertEnded({ code, signal, stdout, stderr }: Ran, adapter: string, status: number, which: string): void {
  assert.is(code, status, `${which}: ended with ${signal ?? code}\n${stdout}${stderr}`);
  assert.is(stdout.trim().toLowerCase(), adapter, which);
}

for (const adapter of softwareDrivers) {
  test(`20 in Node on ${adapter}`, async () => {
    for (let i = 1; i <= 20; i++) assertEnded(await start(adapter, 'release'), adapter, 0, `start ${i}`);
  });

  // What a user's program may do safely: none of these aborts or hangs the process.
  for (const [ending, status] of [
    ['nothing', 0],
    ['exit', 7],
    ['exit while a wait is pending', 7],
    ['throw while a wait is pending', 1],
  ] as const)
    test(`5 in Node on ${adapter} that end with: ${ending}`, async () => {
      for (let i = 1; i <= 5; i++) assertEnded(await start(adapter, ending), adapter, status, `start ${i}`);
    });

  test(`20 in Deno on ${adapter}`, async () => {
    for (let i = 1; i <= 20; i++) {
      const ran = await deno(['run', '-A', script, entry('deno.js'), 'release'], {
        env: { RHM_ADAPTER: adapter },
        timeoutSeconds: 90,
      });
      assertEnded(ran, adapter, 0, `start ${i}`);
    }
  });
}

test.run();
