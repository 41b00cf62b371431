/**
 * Signals, closed pipes and closed terminals: everything is saved, the status tells what happened, no lock remains, the bits are the same.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { rhm } from '../support/run.js';
import { startRhm } from '../sweep/processes.js';

const test = suite('interrupts');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-interrupts-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const base = {
  model: { kind: 'hcnn', width: 16 },
  grammar: { v: 6, m: 2, L: 2 },
  budget: { batch: 16, steps: 4_000_000 },
  evaluation: { size: 64 },
};
const one = ['--executor', 'wasm', '--threads', '1', '--checkpoint-seconds', '1000'];

function write(name: string, value: unknown): string {
  const file = join(scratch, name);
  writeFileSync(file, JSON.stringify(value));
  return file;
}

const stepOf = (folder: string) =>
  Number(decodeSafetensors(new Uint8Array(readFileSync(join(folder, 'checkpoint.safetensors')))).metadata.step);
const recordsOf = (folder: string) => parseRecords(readFileSync(join(folder, 'records.jsonl'), 'utf8')).records;

/** Waits until a condition is true. */
async function until(what: () => boolean, child: { over: boolean; output: string }): Promise<void> {
  while (!what()) {
    if (child.over) throw new Error(`it ended before: ${child.output}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Closes the reading ends of standard output and error, as `tee` does when Ctrl-C ends it. */
function closePipes({ child }: ReturnType<typeof startRhm>): void {
  child.stdout!.destroy();
  child.stderr!.destroy();
}

for (const [what, signal, status] of [
  ['a reader that goes away', undefined, 141],
  ['Ctrl-C that ends the reader first', 'SIGINT', 130],
] as const) {
  test(`train, ${what}: saved, status ${status}, no lock`, async () => {
    const out = join(scratch, `train-${status}`);
    const run = startRhm(['train', write('one.json', base), '--out', out, ...one]);
    await run.said(/step \d+\/4000000/);
    const exited = new Promise((done) => run.child.on('exit', done));
    closePipes(run);
    if (signal) run.child.kill(signal);
    assert.is(await exited, status);
    assert.ok(stepOf(out) > 0 && stepOf(out) < 4_000_000, 'it was stopped in the middle');
    assert.not(existsSync(join(out, 'run.lock')));
    const [last] = recordsOf(out).slice(-1);
    assert.equal(last, { type: 'end', reason: 'interrupted' });
  });

  test(`sweep run, ${what}: likewise`, async () => {
    const out = join(scratch, `sweep-${status}`);
    const spec = write('grid.json', { base, seeds: 3 });
    const sweep = startRhm(['sweep', 'run', spec, '--out', out, '--workers', '2', '--pack', '1', '--json', ...one]);
    await sweep.said(/"step":[1-9]/);
    const exited = new Promise((done) => sweep.child.on('exit', done));
    closePipes(sweep);
    if (signal) sweep.child.kill(signal);
    assert.is(await exited, status);
    const folders = readdirSync(join(out, 'runs')).map((run) => join(out, 'runs', run));
    const begun = folders.filter((folder) => existsSync(join(folder, 'checkpoint.safetensors')));
    assert.ok(begun.length >= 1);
    for (const folder of folders) assert.not(existsSync(join(folder, 'run.lock')), folder);
    const state = await rhm(['sweep', 'status', out, '--json']);
    assert.equal([JSON.parse(state.stdout).running, JSON.parse(state.stdout).waiting], [0, 3]);
  });
}

test('sweep run, SIGHUP to the whole group: the supervisor saves and ends with 129', async () => {
  const out = join(scratch, 'hangup');
  const spec = write('grid.json', { base, seeds: 2 });
  const args = ['sweep', 'run', spec, '--out', out, '--json', '--pack', '1', ...one];
  const child = spawn(process.execPath, [resolve('dist/cli.js'), ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const exited = new Promise((done) => child.on('exit', done));
  await until(() => /"step":[1-9]/.test(output), { over: child.exitCode !== null, output });
  process.kill(-child.pid!, 'SIGHUP');
  assert.is(await exited, 129);
  const folders = readdirSync(join(out, 'runs')).map((run) => join(out, 'runs', run));
  assert.ok(folders.some((folder) => stepOf(folder) > 0));
  for (const folder of folders) assert.not(existsSync(join(folder, 'run.lock')));
});

test('one Ctrl-C that arrives three times, from the terminal, npm and its shell: saved, status 130', async () => {
  const out = join(scratch, 'thrice');
  const run = startRhm(['train', write('one.json', base), '--out', out, ...one]);
  await run.said(/step \d+\/4000000/);
  const exited = new Promise((done) => run.child.on('exit', (code, signal) => done(code ?? signal)));
  for (let i = 0; i < 3; i++) {
    run.child.kill('SIGINT');
    await new Promise((done) => setTimeout(done, 5));
  }
  // Node removes its handlers a moment before the process ends; shells show 130 for that too.
  assert.match(String(await exited), /^(130|SIGINT)$/);
  assert.ok(stepOf(out) > 0);
  assert.equal(recordsOf(out).at(-1), { type: 'end', reason: 'interrupted' });
});

test('nohup: the run outlives its terminal', async () => {
  const out = join(scratch, 'nohup');
  const short = write('short.json', { ...base, budget: { batch: 16, steps: 30_000 } });
  const command = `nohup "$0" "$@"`;
  const args = [resolve('dist/cli.js'), 'train', short, '--out', out, ...one];
  const child = spawn('bash', ['-c', command, process.execPath, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  const ended = new Promise((done) => child.on('close', done));
  await until(() => output.includes('MiB there'), { over: child.exitCode !== null, output });
  child.kill('SIGHUP');
  assert.is(await ended, 0, output);
  assert.is(stepOf(out), 30_000);
});

test('SIGTERM in the middle of a long evaluation: it is abandoned, saved, and made on resume with the same bits', async () => {
  const long = {
    model: { kind: 'hcnn', width: 256 },
    grammar: { v: 16, m: 4, L: 3 },
    budget: { batch: 16, steps: 2 },
    evaluation: { size: 2 ** 16 },
  };
  const file = write('evaluation.json', long);
  const [whole, out] = [join(scratch, 'evaluated'), join(scratch, 'stopped')];
  const stopped = startRhm(['train', file, '--out', out, ...one]);
  await stopped.said(/MiB there/);
  await until(
    () => existsSync(join(out, 'records.jsonl')) && /"step":1,/.test(readFileSync(join(out, 'records.jsonl'), 'utf8')),
    stopped,
  );
  await new Promise((done) => setTimeout(done, 100));
  stopped.child.kill('SIGTERM'); // the second evaluation is in progress: compared with it, steps take no time
  const { code, output } = await stopped.ended;
  assert.is(code, 143, output);
  const evals = (folder: string) =>
    recordsOf(folder).flatMap((r) => (r.type === 'eval' ? [{ ...r, elapsed_ms: 0 }] : []));
  assert.is(stepOf(out), 2);
  assert.equal(
    evals(out).map((e) => e.step),
    [1],
    'the evaluation of step 2 was not waited for',
  );
  const resumed = await rhm(['train', file, '--out', out, '--resume', ...one]);
  assert.is(resumed.code, 0, resumed.stderr);
  assert.is((await rhm(['train', file, '--out', whole, ...one])).code, 0);
  assert.equal(evals(out), evals(whole));
  const tensors = (folder: string) => [
    ...decodeSafetensors(new Uint8Array(readFileSync(join(folder, 'checkpoint.safetensors')))).tensors,
  ];
  assert.equal(tensors(out), tensors(whole));
});

test.run();
