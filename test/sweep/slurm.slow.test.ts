/** The job array of `rhm sweep slurm`, run by a real Slurm of one node. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';
import { type Slurm, startSlurm } from '../support/slurm.js';
import { assertSameRuns } from './support.js';

const test = suite('sweeps through Slurm');
let scratch = '';
let slurm: Slurm;
test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), "rhm slurm's test-")); // a name that needs quoting
  slurm = await startSlurm();
});
test.after(async () => {
  await slurm?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

test('tasks of the array take disjoint parts of the grid; together they are the sweep', async () => {
  const spec = join(scratch, 'grid.yaml');
  writeFileSync(
    spec,
    `base: {model: {kind: hcnn, width: 8}, grammar: {v: 6, L: 2}, budget: {batch: 8, steps: 400}, evaluation: {size: 32}}
grid: {grammar.m: [2, 3]}
seeds: 4
`,
  );
  const [local, out] = [join(scratch, 'local'), join(scratch, 'out')];
  const whole = await rhm(['sweep', 'run', spec, '--out', local, '--executor', 'wasm', '--isolate', 'none']);
  assert.is(whole.code, 0, whole.stderr);
  const file = join(scratch, 'sweep.sbatch');
  const run = ['--run=--executor', '--run=wasm', '--run=--threads', '--run=1'];
  const options = ['--tasks', '3', '--cpus', '1', '--time', '00:10:00', ...run];
  const written = await rhm(['sweep', 'slurm', spec, '--out', out, '--file', file, ...options, '--json']);
  assert.is(written.code, 0, written.stderr);
  assert.equal(JSON.parse(written.stdout), { file, tasks: 3, runs: 8, out });

  const job = await submit(file);
  assertSameRuns(out, local, 8);
  const logs = readdirSync(join(out, 'slurm')).sort();
  assert.equal(
    logs,
    [0, 1, 2].map((task) => `${job}_${task}.log`),
  );
  const trained = logs.map((log) =>
    JSON.parse(
      readFileSync(join(out, 'slurm', log), 'utf8')
        .trim()
        .split('\n')
        .filter((l) => l.startsWith('{'))
        .at(-1)!,
    ),
  );
  assert.equal(trained.map((end) => [end.total, end.trained]).sort(), [
    [2, 2],
    [3, 3],
    [3, 3],
  ]);

  await submit(file);
  assertSameRuns(out, local, 8);
});

/** Submits and waits until all tasks have ended. */
async function submit(file: string): Promise<string> {
  const submitted = await slurm.command('sbatch', ['--parsable', file]);
  assert.is(submitted.code, 0, submitted.stderr);
  const job = submitted.stdout.trim();
  for (let tries = 0; ; tries++) {
    const { stdout } = await slurm.command('squeue', ['--noheader', '--job', job, '--states=all', '--format=%T']);
    const states = stdout.trim().split('\n').filter(Boolean);
    if (states.length && states.every((state) => state === 'COMPLETED')) return job;
    assert.ok(
      tries < 240 && !states.some((s) => /FAILED|CANCELLED|TIMEOUT|NODE_FAIL/.test(s)),
      `${stdout}\n${logsOf()}`,
    );
    await new Promise((done) => setTimeout(done, 500));
  }
}

function logsOf(): string {
  const folder = join(scratch, 'out', 'slurm');
  if (!existsSync(folder)) return 'no logs';
  return readdirSync(folder)
    .map((log) => `${log}: ${readFileSync(join(folder, log), 'utf8')}`)
    .join('\n');
}

test('sweeps that cannot be an array are refused', async () => {
  const none = await rhm(['sweep', 'slurm', '-']);
  assert.is(none.code, 2);
  assert.match(none.stderr, /the tasks read the grid file themselves/);
  const part = await rhm(['sweep', 'run', 'x.yaml', '--shard', '3/3']);
  assert.is(part.code, 2);
  assert.match(part.stderr, /i from 0 to N - 1/);
});

test.run();
