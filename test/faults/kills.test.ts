/**
 * kill -9 at random moments of commands that write: everything they had written is complete, no partial file or lock remains for good.
 * RHM_SOAK=1: more of them.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { threefry } from '../../src/core/threefry.js';
import { rhm } from '../support/run.js';
import { startRhm } from '../sweep/processes.js';
import { assertSameRuns, children } from '../sweep/support.js';

const test = suite('kills');
const KILLS = process.env.RHM_SOAK ? 60 : 4;
let scratch = '';
const path = (name: string) => join(scratch, name);
const spec = {
  base: {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 16, steps: 6000 },
    evaluation: { size: 64 },
  },
  seeds: 4,
};
const compute = ['--executor', 'wasm', '--threads', '1', '--checkpoint-seconds', '0.05'];
const sweep = (out: string) => ['sweep', 'run', path('grid.json'), '--out', path(out), '--pack', '2', ...compute];
const random = (stream: number, i: number) => threefry([2026, stream], i, 0)[0] / 2 ** 32;

test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-kills-'));
  writeFileSync(path('grid.json'), JSON.stringify(spec));
  const ran = await rhm(sweep('whole'));
  assert.is(ran.code, 0, ran.stderr);
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

/** Starts a command and kills it after a fraction of its full duration. @returns whether it was still running. */
async function killed(args: readonly string[], wholeMs: number, part: number): Promise<boolean> {
  const run = startRhm(args);
  const timer = setTimeout(() => run.child.kill('SIGKILL'), part * wholeMs);
  const { code } = await run.ended;
  clearTimeout(timer);
  return code === null;
}

async function lasts(args: readonly string[]): Promise<number> {
  const began = performance.now();
  const ran = await rhm(args);
  assert.is(ran.code, 0, ran.stderr);
  return performance.now() - began;
}

const leftovers = (folder: string) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /partial|\.tmp$|run\.lock/.test(name));

test(`sweep export, ${KILLS} times: the old tables or the new ones, nothing partial after the next`, async () => {
  const args = ['sweep', 'export', path('whole'), '--to', path('tables')];
  await lasts(args); // the first also makes files that later ones find
  const ms = await lasts(args);
  const before = Object.fromEntries(
    readdirSync(path('tables')).map((name) => [name, readFileSync(path(`tables/${name}`))]),
  );
  let hits = 0;
  for (let i = 0; i < KILLS; i++) {
    if (await killed(args, ms, 0.3 + 0.6 * random(1, i))) hits++;
    for (const [name, bytes] of Object.entries(before)) assert.equal(readFileSync(path(`tables/${name}`)), bytes, name);
  }
  // What a killed export leaves half way.
  const dead = startRhm(['--version']);
  await dead.ended;
  const { machineName } = await import('../../src/platform/processIdentity.js');
  for (const name of ['runs.csv', 'evals.csv', 'measures.csv', 'runs.parquet'])
    writeFileSync(path(`tables/${name}.partial-${machineName()}-${dead.child.pid}-x`), 'half');
  await lasts(args);
  assert.equal(leftovers(path('tables')), []);
  assert.ok(hits > 0, 'none was still going when it was killed');
});

test(`analyze, ${KILLS} times: the next report is complete`, async () => {
  const args = ['analyze', path('whole'), '--out', path('report')];
  const ms = await lasts(args);
  const names = readdirSync(path('report'), { recursive: true }).map(String).sort();
  for (let i = 0; i < KILLS; i++) await killed(args, ms, 0.3 + 0.7 * random(2, i));
  await lasts(args);
  assert.equal(readdirSync(path('report'), { recursive: true }).map(String).sort(), names);
});

test(`sweep run, ${KILLS} times: supervisor or worker; in the end the same bits, and nothing is left over`, async () => {
  const again = () => startRhm([...sweep('broken'), '--retry-failed', '--tries', '99']);
  for (let i = 0; i < KILLS; i++) {
    const run = again();
    await Promise.race([run.said(/loss/).catch(() => {}), run.ended]);
    await new Promise((done) => setTimeout(done, 400 * random(3, i)));
    const worker = children(run.child.pid!)[0];
    if (i % 2 && worker && !run.over) process.kill(worker, 'SIGKILL');
    else run.child.kill('SIGKILL');
    if (i % 2) await run.ended;
    else if (worker) while (existsSync(`/proc/${worker}`)) await new Promise((done) => setTimeout(done, 20));
  }
  const last = await again().ended;
  assert.is(last.code, 0, last.output);
  assertSameRuns(path('broken'), path('whole'), 4);
  assert.equal(leftovers(path('broken')), []);
  const checked = await rhm(['sweep', 'status', path('broken'), '--check', '--json']);
  assert.is(checked.code, 0, checked.stdout);
});

test.run();
