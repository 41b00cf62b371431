/** Example: how many distinct sentences step 2 takes, against m, searched from a grid file: it grows as theory says. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';

const test = suite('example: a search over m');
const scratch = mkdtempSync(join(tmpdir(), 'rhm-over-m-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const SPEC = 'test/examples/sweepOverM.yaml';

interface Curve {
  name: string;
  runs: number;
  steps: { ell: number; bound: string; P: number }[];
}

test('plan, run, status, export; P_2 in data grows with m as the law predicts', async () => {
  const out = join(scratch, 'store');
  const plan = await rhm(['sweep', 'plan', SPEC, '--out', out, '--no-calibrate']);
  assert.is(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /a search over P: 5 curves, 140 runs at most/);
  assert.match(plan.stdout, /262144 \(v=8 m=2 s=2 L=4\)/);
  const run = [
    'sweep',
    'run',
    SPEC,
    '--out',
    out,
    '--workers',
    '2',
    '--executor',
    'wasm',
    '--isolate',
    'thread',
    '--json',
  ];
  const ran = await rhm(run);
  assert.is(ran.code, 0, ran.stderr);
  const end = JSON.parse(ran.stdout.trim().split('\n').at(-1)!);
  const found: Curve[] = end.found;
  const mean = (m: number) => {
    const own = found.filter(({ name }) => name.includes(`grammar.m=${m}`));
    const logs = own.map(({ name, steps: [{ ell, bound, P }] }) => {
      assert.equal([ell, bound], [2, 'none'], name);
      return Math.log(P);
    });
    return Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length);
  };
  for (const m of [2, 3, 4]) {
    const law = (8 * m ** 3) / (1 - m / 8);
    console.log(`m = ${m}: P_2 = ${mean(m).toFixed(0)}, ${(mean(m) / law).toFixed(1)} times the law`);
  }
  assert.ok(mean(2) < mean(3) && mean(3) < mean(4));
  // The law grows by a factor of 12 from m = 2 to 4; grammars of one size differ by a factor of up to two.
  const growth = mean(4) / mean(2);
  assert.ok(growth > 5 && growth < 30, `${growth}`);
  for (const { name, runs } of found) assert.ok(runs <= 16, `${name}: ${runs} runs`);

  const again = await rhm(run);
  const repeated = JSON.parse(again.stdout.trim().split('\n').at(-1)!);
  assert.equal([repeated.trained, repeated.found], [0, found], 'the same search trains nothing');
  const status = await rhm(['sweep', 'status', SPEC, '--out', out, '--json']);
  assert.is(JSON.parse(status.stdout).done, end.trained);
  const exported = await rhm(['sweep', 'export', out, '--format', 'csv']);
  assert.is(exported.code, 0, exported.stderr);
  const [head, ...rows] = readFileSync(join(out, 'export', 'runs.csv'), 'utf8')
    .trim()
    .split('\r\n');
  assert.is(rows.length, end.trained);
  assert.ok(head.split(',').includes('budget.sentences'));
});

test.run();
