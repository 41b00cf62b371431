import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { softwareDrivers } from '../support/gpu.js';
import { deno } from '../support/run.js';
import { assertOutcome, built, bundleFixtures, type Outcome } from '../support/scenario.js';

const test = suite('Deno: main thread and Web Workers');
let folder = '';
test.before(async () => {
  folder = await bundleFixtures('node', ['scenario.deno', 'faulty.deno']);
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

for (const adapter of softwareDrivers)
  test(`the package computes, reports, fails and ends as it should on ${adapter}`, async () => {
    const args = [
      join(folder, 'scenario.deno.js'),
      built('deno.js'),
      join(folder, 'faulty.deno.js'),
      `${mkdtempSync(join(folder, 'runs-'))}/`,
    ];
    const ran = await deno(['run', '-A', ...args], { env: { RHM_ADAPTER: adapter }, timeoutSeconds: 800 });
    assert.is(ran.code, 0, `${ran.signal} ${ran.stderr}`);
    const outcome = JSON.parse(ran.stdout) as Outcome;
    assertOutcome(outcome, /^deno \d/);
    assert.is(outcome.adapter.name.toLowerCase(), adapter);
  });

test.run();
