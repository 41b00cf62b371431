import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import type * as Entry from '../../src/entry/node.js';
import { softwareDrivers } from '../support/gpu.js';
import { assertOutcome, built, bundleFixtures } from '../support/scenario.js';
import { scenario } from './fixtures/scenario.js';

const test = suite('Node: main thread and worker_threads');
let folder = '';
test.before(async () => {
  folder = await bundleFixtures('node', ['faulty.node']);
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

for (const adapter of softwareDrivers)
  test(`the package computes, reports, fails and ends as it should on ${adapter}`, async () => {
    process.env.RHM_ADAPTER = adapter;
    const rhm = (await import(pathToFileURL(built('node.js')).href)) as typeof Entry;
    const scratch = `${mkdtempSync(join(folder, 'runs-'))}/`;
    assertOutcome(
      await scenario(rhm, pathToFileURL(join(folder, 'faulty.node.js')), undefined, scratch),
      /^node 2\d\./,
    );
  });

test.run();
