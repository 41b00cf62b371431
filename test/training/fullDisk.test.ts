import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { type Ran, rhm, run } from '../support/run.js';

/** `rhm train` on a disk that fills up in the middle, then again with space. */
const test = suite('full disks');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-disk-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const settings =
  'model=hcnn model.width=16 grammar.v=6 grammar.m=2 grammar.L=2 budget.batch=16 budget.steps=60000 evaluation.size=64';
const args = (out: string, ...more: string[]) => [
  ...['train', '--set', ...settings.split(' '), 'evaluation.perDoubling=16', '--executor', 'wasm', '--threads', '1'],
  ...['--checkpoint-seconds', '0.02', '--out', out, ...more],
];

/** Evaluations without their times, and every tensor of the last checkpoint. */
function outcome(out: string) {
  const { records, problems } = parseRecords(readFileSync(join(out, 'records.jsonl'), 'utf8'));
  assert.equal(problems, []);
  const { tensors, metadata } = decodeSafetensors(new Uint8Array(readFileSync(join(out, 'checkpoint.safetensors'))));
  const evals = records.flatMap((r) => (r.type === 'eval' ? [{ ...r, elapsed_ms: 0 }] : []));
  return { evals, step: Number(metadata.step), tensors: [...tensors] };
}

let whole: ReturnType<typeof outcome>;

test('with enough space', async () => {
  const out = join(scratch, 'whole');
  const { code, stderr } = await rhm(args(out));
  assert.is(code, 0, stderr);
  whole = outcome(out);
  assert.is(whole.step, 60000);
});

/** The failed run reported it, and left its last checkpoint, only complete files, and no lock. */
function assertStopped(ran: Pick<Ran, 'code' | 'stderr'>, out: string, says: RegExp): void {
  assert.is(ran.code, 1, ran.stderr);
  assert.match(ran.stderr, says);
  const { step } = outcome(out);
  assert.ok(step > 0 && step < 60000, `the last checkpoint is of step ${step}`);
  assert.equal(
    readdirSync(out).filter((file) => /tmp|lock/.test(file)),
    [],
  );
}

test('files that may not grow further (ulimit -f): FileError with the remedy, resumed to the same bits', async () => {
  const out = join(scratch, 'limited');
  // Room for a checkpoint, and for some hundred records.
  const limited = ['-c', 'ulimit -f 16; exec "$0" "$@"', process.execPath, resolve('dist/cli.js'), ...args(out)];
  const ran = await run('bash', limited);
  assertStopped(ran, out, /FileError: .*could not append to records.jsonl: EFBIG; files may not be that large there/);
  const resumed = await rhm(args(out, '--resume'));
  assert.is(resumed.code, 0, resumed.stderr);
  assert.equal(outcome(out), whole);
});

// A small file system in memory, visible only to the commands of one shell. Not every machine allows that.
const onSmallDisk = (directory: string, script: string, ...more: string[]) =>
  ['-rm', 'sh', '-c', `mount -t tmpfs -o size=1m tmpfs "${directory}" && ${script}`, ...more] as const;
const allowed = spawnSync('unshare', onSmallDisk(tmpdir(), 'true')).status === 0;

(allowed ? test : test.skip)('a disk that others fill up meanwhile: FileError, resumed to the same bits', async () => {
  const disk = join(scratch, 'disk');
  const [stopped, resumed] = [join(scratch, 'stopped'), join(scratch, 'resumed')];
  for (const folder of [disk, stopped, resumed]) mkdirSync(folder);
  const out = join(disk, 'run');
  const script = `
    "$0" "$@" & run=$!
    until grep -q '"step":64,' "${out}/records.jsonl" 2>/dev/null; do kill -0 $run || exit 99; sleep 0.01; done
    dd if=/dev/zero of="${disk}/others" bs=4k 2>/dev/null
    wait $run; echo "code $?"
    cp "${out}"/* "${stopped}"
    rm "${disk}/others"
    "$0" "$@" --resume && cp "${out}"/* "${resumed}"`;
  const both = await run(
    'unshare',
    onSmallDisk(disk, `{ ${script}\n}`, process.execPath, resolve('dist/cli.js'), ...args(out)),
  );
  assert.is(both.code, 0, both.stderr);
  const code = Number(/code (\d+)/.exec(both.stdout)?.[1]);
  assertStopped(
    { code, stderr: both.stderr },
    stopped,
    /FileError: .*could not (write|append to) \S+: ENOSPC; the disk is full; free some space and continue with --resume/,
  );
  assert.match(both.stderr, /continuing from step \d+/);
  assert.equal(outcome(resumed), whole);
});

test.run();
