/** Example: a sweep over m from a grid file, exported and read back: the samples needed grow with m as theory says. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';

const test = suite('example: a sweep over m');
const scratch = mkdtempSync(join(tmpdir(), 'rhm-over-m-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const SPEC = 'test/examples/sweepOverM.yaml';

test('plan, run, export; P_2 grows with m', async () => {
  const out = join(scratch, 'store');
  const plan = await rhm(['sweep', 'plan', SPEC, '--out', out, '--executor', 'wasm']);
  assert.is(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /over-m: \d+ runs \(18 combinations/);
  const ran = await rhm(['sweep', 'run', SPEC, '--out', out, '--workers', '2', '--executor', 'wasm']);
  assert.is(ran.code, 0, ran.stderr);
  const exported = await rhm(['sweep', 'export', out, '--format', 'csv']);
  assert.is(exported.code, 0, exported.stderr);

  const [head, ...rows] = readFileSync(join(out, 'export', 'runs.csv'), 'utf8')
    .trim()
    .split('\r\n')
    .map((l) => l.split(','));
  const column = (name: string) => rows.map((row) => row[head.indexOf(name)]);
  const samples = new Map<number, number[]>();
  column('grammar.m').forEach((m, i) => {
    samples.set(Number(m), [...(samples.get(Number(m)) ?? []), Number(column('samples')[i])]);
  });
  const mean = (m: number) => {
    const logs = samples.get(m)!.map(Math.log);
    return Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length);
  };
  for (const m of [2, 3, 4]) {
    const law = (8 * m ** 3) / (1 - m / 8);
    console.log(
      `m = ${m}: ${samples.get(m)!.length} grammars, P_2 = ${mean(m).toFixed(0)}, ${(mean(m) / law).toFixed(0)} times the law`,
    );
  }
  assert.ok(column('state').every((state) => state === 'done'));
  assert.ok(mean(2) < mean(3) && mean(3) < mean(4));
  // The law grows by a factor 12 from m = 2 to 4; prefactors and grammars of one size differ by up to two.
  const growth = mean(4) / mean(2);
  assert.ok(growth > 3 && growth < 48, `${growth}`);
});

test.run();
