import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';
import { syntheticStudy } from '../support/syntheticRuns.js';

const test = suite('rhm analyze');
let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'rhm-analyze-'));
  for (const run of syntheticStudy({ ms: [2, 3], grammars: 2, steps: 2 ** 14 })) {
    const path = join(folder, run.path);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'experiment.json'), run.experiment);
    writeFileSync(join(path, 'rules.json'), run.rules!);
    writeFileSync(join(path, 'records.jsonl'), run.records!);
  }
  mkdirSync(join(folder, 'empty'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('a folder of runs becomes a table, a summary and a report', async () => {
  const out = join(folder, 'report');
  const { code, stdout, stderr } = await rhm(['analyze', join(folder, 'runs'), '--out', out]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^quantity +where +predicted \(P_ell up to a constant factor\) +measured +verdict$/m);
  assert.match(stdout, /^power of m in P_2 +hcnn +3 /m);
  assert.match(stdout, /^8 runs \(hcnn; mla\), 16 curves on 4 grammars, trained on synthetic adapter$/m);
  assert.match(stdout, new RegExp(`report: ${out}/index.html`));
  const page = readFileSync(join(out, 'index.html'), 'utf8');
  assert.match(page, /<figure id="curves">/);
  assert.match(page, /<h1>Learning curves of runs<\/h1>\n<p>These runs are compared with the theory of Cagnetta/);
});

test('--json gives one value, --no-report writes nothing', async () => {
  const { code, stdout } = await rhm(['analyze', join(folder, 'runs'), '--json', '--no-report']);
  assert.is(code, 0);
  const result = JSON.parse(stdout);
  assert.is(result.positions.length, 2 * 2 * 3);
  assert.ok(result.findings.every((f: { verdict: string }) => typeof f.verdict === 'string'));
  assert.is(result.report, undefined);
});

test('wrong folders exit with 2 and name what is expected', async () => {
  for (const [path, says] of [
    [join(folder, 'empty'), /no run in or below this folder/],
    [join(folder, 'missing'), /no such folder/],
  ] as const) {
    const { code, stdout, stderr } = await rhm(['analyze', path]);
    assert.equal([code, stdout], [2, '']);
    assert.match(stderr, says);
  }
});

test.run();
