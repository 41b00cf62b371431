/** Locks of run folders: which holders count as alive, and what a holder does after losing its lock. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError, FolderBusyError } from '../../src/core/errors.js';
import { folderHolder, takeAway } from '../../src/platform/folderLock.js';
import { openRunFolder } from '../../src/platform/nodeFolder.js';
import { isRunning, thisProcess } from '../../src/platform/processIdentity.js';

const test = suite('locks');
let scratch = '';
let serial = 0;
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-locks-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const me = thisProcess();
const onLinux = process.platform === 'linux';

/** A folder with this lock, touched this many seconds ago. */
function locked(holder: unknown, secondsAgo = 0): string {
  const folder = join(scratch, `${serial++}`);
  mkdirSync(folder);
  const file = join(folder, 'run.lock');
  writeFileSync(file, typeof holder === 'string' ? holder : JSON.stringify(holder));
  const at = new Date(Date.now() - secondsAgo * 1000);
  utimesSync(file, at, at);
  return folder;
}

/** An unused process number. */
function deadPid(): number {
  return spawnSync('true').pid;
}

async function isTaken(folder: string): Promise<boolean> {
  try {
    const opened = openRunFolder(folder);
    await opened.release();
    return true;
  } catch (error) {
    assert.instance(error, FolderBusyError);
    return false;
  }
}

const cases: [what: string, holder: () => unknown, secondsAgo: number, taken: boolean][] = [
  ['this very process', () => me, 9999, false],
  ['a dead process', () => ({ ...me, pid: deadPid() }), 0, true],
  ['a process number used again', () => ({ ...me, started: '1' }), 0, true],
  ['a process number used again by another user (1 is root)', () => ({ ...me, pid: 1, started: '123456789' }), 0, true],
  [
    'another namespace with a heartbeat, though no such process is here',
    () => ({ ...me, pid: deadPid(), namespace: 'pid:[1]' }),
    60,
    false,
  ],
  [
    'another namespace without a heartbeat, though such a process is here',
    () => ({ ...me, namespace: 'pid:[1]' }),
    999,
    true,
  ],
  ['another machine with a heartbeat', () => ({ ...me, host: 'elsewhere', pid: deadPid() }), 60, false],
  ['another machine without a heartbeat', () => ({ ...me, host: 'elsewhere' }), 999, true],
  ['a machine of the same name with a heartbeat', () => ({ ...me, boot: 'other', pid: deadPid() }), 60, false],
  ['before a restart', () => ({ ...me, boot: 'other' }), 999, true],
  ['a clock that was set back', () => ({ ...me, host: 'elsewhere' }), -9999, true],
  ['process 0', () => ({ ...me, pid: 0 }), 0, true],
  ['process -1', () => ({ ...me, pid: -1 }), 0, true],
  ['process 1.5', () => ({ ...me, pid: 1.5 }), 0, true],
  ['process "12"', () => ({ ...me, pid: '12' }), 0, true],
  ['an earlier version, alive', () => ({ pid: me.pid, host: hostname(), started: me.started }), 9999, false],
  ['an earlier version, dead', () => ({ pid: deadPid(), host: hostname(), started: '5' }), 0, true],
  ['nothing in it, just made', () => '', 0, false],
  ['nothing in it, for a while', () => '', 5, true],
  ['no JSON', () => '{"pid":', 5, true],
  ['null', () => 'null', 5, true],
];
for (const [what, holder, secondsAgo, taken] of onLinux ? cases : [])
  test(`${what}: ${taken ? 'taken over' : 'left alone'}`, async () => {
    const folder = locked(holder(), secondsAgo);
    assert.is(folderHolder(folder) === undefined, taken);
    assert.is(await isTaken(folder), taken);
    assert.is(existsSync(join(folder, 'run.lock')), !taken);
  });

test('a start time that cannot be read: the heartbeat decides', () => {
  assert.is(isRunning({ ...me, started: '' }), undefined);
});

test('anything but a regular file is refused, not waited for', () => {
  for (const make of [
    (file: string) => execFileSync('mkfifo', [file]),
    (file: string) => mkdirSync(file),
    (file: string) => symlinkSync('/dev/zero', file),
  ]) {
    const folder = join(scratch, `${serial++}`);
    mkdirSync(folder);
    make(join(folder, 'run.lock'));
    assert.match(String(folderHolder(folder)), /not a regular file/);
    assert.throws(() => openRunFolder(folder), /run.lock is not a regular file; remove it/);
  }
});

test('a lock that changed hands between two checks is not removed', () => {
  const dead = { ...me, pid: deadPid() };
  const folder = locked({ ...dead, token: 'a later one' });
  takeAway(join(folder, 'run.lock'), dead);
  assert.ok(existsSync(join(folder, 'run.lock')));
  takeAway(join(folder, 'run.lock'), { ...dead, token: 'a later one' } as typeof dead);
  assert.not(existsSync(join(folder, 'run.lock')));
});

test('a holder that lost its lock stops: nothing is written, the new lock stays', async () => {
  const path = join(scratch, 'lost');
  const folder = openRunFolder(path);
  await folder.write('a', 'before');
  const other = JSON.stringify({ ...me, host: 'elsewhere', token: 'theirs' });
  writeFileSync(join(path, 'run.lock'), other);
  for (const work of [() => folder.write('a', 'after'), () => folder.append('a', 'after')]) {
    let error: unknown;
    try {
      await work();
    } catch (e) {
      error = e;
    }
    assert.instance(error, FileError);
    assert.match((error as Error).message, /this process has lost run.lock.*continue with --resume/);
  }
  await folder.release();
  assert.is(readFileSync(join(path, 'a'), 'utf8'), 'before');
  assert.is(readFileSync(join(path, 'run.lock'), 'utf8'), other);
});

test('the lock names process, machine start, namespace and start time', async () => {
  const folder = openRunFolder(join(scratch, 'named'));
  const lock = JSON.parse(readFileSync(join(scratch, 'named/run.lock'), 'utf8'));
  await folder.release();
  assert.equal({ ...lock, token: undefined }, { ...me, token: undefined });
  if (onLinux) for (const field of ['boot', 'namespace', 'started']) assert.ok(lock[field], field);
});

const settings = 'model=hcnn model.width=16 grammar.v=6 grammar.m=2 grammar.L=2 budget.batch=16 budget.steps=4000000';
const args = (out: string, ...more: string[]) => [
  resolve('dist/cli.js'),
  ...['train', '--set', ...settings.split(' '), '--executor', 'wasm', '--threads', '1', '--out', out, ...more],
];
const inNamespace = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'];
const allowed = onLinux && spawnSync('unshare', [...inNamespace, 'true']).status === 0;

(allowed ? test : test.skip)(
  'containers: a live run in another PID namespace is left alone, in both directions',
  async () => {
    const out = join(scratch, 'container');
    const child = spawn('unshare', [...inNamespace, process.execPath, ...args(out)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const ended = new Promise((done) => child.on('exit', done));
    while (!stderr.includes('MiB there')) await new Promise((done) => setTimeout(done, 20));
    const inside = JSON.parse(readFileSync(join(out, 'run.lock'), 'utf8'));
    assert.is.not(inside.namespace, me.namespace);
    for (const [command, list] of [
      [process.execPath, args(out, '--resume')],
      ['unshare', [...inNamespace, process.execPath, ...args(out, '--resume')]],
    ] as const) {
      const second = spawnSync(command, list, { encoding: 'utf8' });
      assert.is(second.status, 1, second.stderr);
      assert.match(second.stderr, /is working in this folder/);
    }
    child.kill('SIGKILL');
    await ended;
  },
);

(onLinux ? test : test.skip)(
  'suspended, taken over meanwhile, continued: the first one stops with a message',
  async () => {
    const out = join(scratch, 'suspended');
    const child = spawn(process.execPath, args(out, '--checkpoint-seconds', '0.05'), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const ended = new Promise((done) => child.on('exit', done));
    while (!stderr.includes('MiB there')) await new Promise((done) => setTimeout(done, 20));
    child.kill('SIGSTOP');
    const theirs = JSON.stringify({ ...me, host: 'elsewhere', token: 'theirs' });
    writeFileSync(join(out, 'run.lock'), theirs);
    child.kill('SIGCONT');
    assert.is(await ended, 1, stderr);
    assert.match(stderr, /this process has lost run.lock/);
    assert.is(readFileSync(join(out, 'run.lock'), 'utf8'), theirs);
  },
);

test.run();
