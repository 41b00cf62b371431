/** The page in Firefox, if there is one: RHM_FIREFOX. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { launchFirefox } from '../support/firefox.js';
import { relaxedRhm } from '../support/relaxed.js';
import { comparable, linkTo, quickSetting, servePage } from './visit.js';

const test = suite('the page in Firefox');
const path = process.env.RHM_FIREFOX;

(path ? test : test.skip)(
  'without WebGPU it says so, trains as `rhm train` does, draws, and keeps runs over a reload',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rhm-firefox-test-'));
    const server = await servePage();
    const firefox = await launchFirefox(path!);
    const { evaluate, until } = firefox;
    try {
      await firefox.goto(server.url + linkTo(quickSetting));
      await until(`document.querySelectorAll('.tree .node').length === 7`);
      if (!(await evaluate(`'gpu' in navigator`)))
        assert.match(
          await evaluate<string>(`document.querySelector('#gpu').textContent`),
          /offers no WebGPU.*WebAssembly/,
        );
      await evaluate(`document.querySelector('#executor option[value=wasm]').selected = true,
      document.querySelector('#executor').dispatchEvent(new Event('change')),
      document.querySelector('#learning .primary').click()`);
      await until(`[...document.querySelectorAll('.network .state')].every((e) => e.textContent === 'done')`, 120_000);
      await evaluate(`document.querySelector('#representation').scrollIntoView()`);
      await until(`document.querySelectorAll('#representation .heat-map').length === 2`);
      await until(`[...document.querySelectorAll('#representation .hint')].filter((e) =>
      /^Step 200: three directions.*drawn (by WebGPU|on the CPU)/.test(e.textContent)).length === 2`);
      const { networks, ...shared } = quickSetting;
      for (const [i, network] of networks.entries()) {
        const file = join(folder, `${i}.json`);
        writeFileSync(file, JSON.stringify({ ...shared, ...network }));
        const hash = await contentHash(parseExperiment({ ...shared, ...network }));
        const kept = await evaluate<string>(`navigator.storage.getDirectory()
        .then((root) => root.getDirectoryHandle('runs'))
        .then((runs) => runs.getDirectoryHandle('${hash}'))
        .then((run) => run.getFileHandle('records.jsonl')).then((file) => file.getFile()).then((file) => file.text())`);
        const { simd } = JSON.parse(kept.split('\n')[0]);
        const run = await relaxedRhm(['train', file, '--simd', simd, '--out', join(folder, `${i}`), '--json']);
        assert.is(run.code, 0, run.stderr);
        assert.equal(comparable(kept), comparable(readFileSync(join(folder, `${i}`, 'records.jsonl'), 'utf8')));
        assert.ok(comparable(kept).length > 20);
      }
      await evaluate(`void location.reload()`).catch(() => {}); // the answer may be lost with the page
      await until(`document.querySelectorAll('.network .state').length === 2 &&
      [...document.querySelectorAll('.network .state')].every((e) => e.textContent === 'done')`);
      assert.equal(firefox.problems, []);
    } finally {
      await firefox.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test.run();
