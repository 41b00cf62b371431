/** Sweeps through a real Redis server: workers killed, the server restarted, drained, full, refusing. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { parseRecords } from '../../src/core/records.js';
import { type RedisServer, redisClient, startRedis } from '../support/redis.js';
import { switches } from '../support/relaxed.js';
import { rhm } from '../support/run.js';
import { type Started, startRhm } from './processes.js';
import { assertSameRuns, stepsLasting } from './support.js';

const test = suite('sweeps through Redis');
let scratch = '';
let server: RedisServer;
const running: Started[] = [];
test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-queue-test-'));
  server = await startRedis();
  slow = { ...base, budget: { batch: 16, steps: await stepsLasting(5, base, scratch) } };
});
test.after(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const RUNS = 10;
const base = {
  model: { kind: 'hcnn', width: 16 },
  grammar: { v: 6, m: 2, L: 2 },
  budget: { batch: 16, steps: 8000 },
  evaluation: { size: 64, perDoubling: 2 },
};
let slow = base; // lasts for seconds

function writeGrid(name: string, grid: object): string {
  const file = join(scratch, `${name}.json`);
  writeFileSync(file, JSON.stringify(grid));
  return file;
}

/**
 * Every process receives the address, including the password, through the environment; nothing it prints may contain the
 * password.
 */
function start(...args: string[]): Started {
  return watched(startRhm(args, { RHM_QUEUE: server.url }));
}

function watched(started: Started): Started {
  running.push(started);
  void started.ended.then(({ output }) => leaks.push(...secretsIn(output)));
  return started;
}
const leaks: string[] = [];
const secretsIn = (output: string) =>
  [server.password, encodeURIComponent(server.password)].filter((secret) => output.includes(secret));

const submit = (spec: string, out: string, ...more: string[]) =>
  start('sweep', 'submit', spec, '--out', out, '--json', ...more);
const work = (...more: string[]) =>
  start(
    'sweep',
    'work',
    '--executor',
    'wasm',
    '--threads',
    '1',
    '--lock-seconds',
    '3',
    '--checkpoint-seconds',
    '0.1',
    '--json',
    ...more,
  );
const lastLine = (output: string) =>
  JSON.parse(
    output
      .trim()
      .split('\n')
      .filter((l) => l.startsWith('{'))
      .at(-1)!,
  );
const startSteps = (folder: string) =>
  parseRecords(readFileSync(join(folder, 'records.jsonl'), 'utf8')).records.flatMap((r) =>
    r.type === 'start' ? [r.step ?? 0] : [],
  );

/** Tells a worker to end, which it does cleanly. */
async function drain(worker: Started): Promise<void> {
  worker.child.kill('SIGTERM');
  assert.is((await worker.ended).code, 143, worker.output);
}

test('two workers, one killed mid-run, the server restarted: nothing lost, nothing twice, the bits of a local sweep', async () => {
  const spec = writeGrid('grid', { base, seeds: RUNS - 1, blocks: [{}, { base: slow, seeds: [77] }] });
  const [local, out, shared] = ['local', 'out', 'shared'].map((name) => join(scratch, name));
  const whole = await rhm(['sweep', 'run', spec, '--out', local, '--executor', 'wasm', '--threads', '1']);
  assert.is(whole.code, 0, whole.stderr);
  const long = await contentHash(parseExperiment({ ...slow, seed: 77 }));

  // The worker with the long run is killed half way; its lock expires, and the other one continues the run.
  const submission = submit(spec, out);
  const workers = [work('--shared', shared), work('--shared', shared)];
  const begun = new RegExp(`"run":"${long}".*"begun"`);
  const unlucky = await Promise.race(workers.map((w) => w.said(begun).then(() => w)));
  await new Promise((done) => setTimeout(done, 1500));
  unlucky.child.kill('SIGKILL');
  await submission.said(/"type":"run"/);
  assert.not(submission.over);
  await server.restart();
  const { code, output } = await submission.ended;
  assert.is(code, 0, output);
  const { type, total, trained, present, failed } = lastLine(output);
  assert.equal([type, total, trained, present, failed], ['end', RUNS, RUNS, 0, []]);
  assertSameRuns(out, local, RUNS);
  const steps = startSteps(join(out, 'runs', long));
  assert.ok(steps.length > 1 && steps.at(-1)! > 0, `it was continued from a checkpoint: started at ${steps}`);

  const survivor = workers.find((w) => w !== unlucky)!;
  await drain(survivor);
  await assertEmpty();
  const again = await submit(spec, out).ended;
  assert.equal(
    [lastLine(again.output).trained, lastLine(again.output).present],
    [0, RUNS],
    'nothing is left to submit',
  );
});

test('SIGTERM: active runs are saved and handed back, another worker continues them, without a shared folder', async () => {
  const spec = writeGrid('drain', { base: slow, seeds: 1 });
  const out = join(scratch, 'drain');
  const submission = submit(spec, out);
  const first = work();
  await submission.said(/"running":\[\{"run":"[0-9a-f]+".*?"step":[1-9]/);
  first.child.kill('SIGTERM');
  const ended = await first.ended;
  assert.is(ended.code, 143, ended.output);
  assert.equal([lastLine(ended.output).trained, lastLine(ended.output).handedBack], [0, 1]);
  const second = work();
  assert.is((await submission.ended).code, 0, submission.output);
  await drain(second);
  const { run } = JSON.parse(submission.output.split('\n').find((l) => l.includes('"type":"run"'))!);
  const steps = startSteps(join(out, 'runs', run));
  assert.ok(steps.length === 2 && steps[0] === 0 && steps[1] > 0, `started at ${steps}`);
  await assertEmpty();
});

test('a worker without the variant that a run began with leaves it to others', async () => {
  const spec = writeGrid('relaxed', { base: slow, seeds: 1 });
  const out = join(scratch, 'relaxed');
  const submission = submit(spec, out);
  const relaxed = () => {
    const args = ['sweep', 'work', '--executor', 'wasm', '--threads', '1', '--isolate', 'none', '--json'];
    return watched(startRhm([...args, '--checkpoint-seconds', '0.1'], { RHM_QUEUE: server.url }, switches));
  };
  const first = relaxed();
  await submission.said(/"running":\[\{"run":"[0-9a-f]+".*?"step":[1-9]/);
  first.child.kill('SIGTERM');
  assert.is((await first.ended).code, 143, first.output);

  const other = work('--simd', 'plain');
  await other.said(/"state":"(handed back|failed)"/);
  assert.match(other.output, /"handed back".*simd: got plain, and the run began with relaxed/);
  await drain(other);
  assert.equal([lastLine(other.output).trained, lastLine(other.output).failed], [0, 0]);
  const last = relaxed();
  const { code, output } = await submission.ended;
  assert.is(code, 0, output);
  await drain(last);
  const { run } = JSON.parse(output.split('\n').find((l) => l.includes('"type":"run"'))!);
  const { records } = parseRecords(readFileSync(join(out, 'runs', run, 'records.jsonl'), 'utf8'));
  const starts = records.flatMap((r) => (r.type === 'start' ? [r.simd] : []));
  assert.ok(starts.length === 2 && starts.every((simd) => simd === 'relaxed'), `started on ${starts}`);
  await assertEmpty();
});

test('results that are not collected make the workers wait; a detached submission is collected later', async () => {
  const spec = writeGrid('pressure', { base, seeds: 4 });
  const out = join(scratch, 'pressure');
  const detached = await submit(spec, out, '--detach').ended;
  assert.is(detached.code, 0, detached.output);
  assert.is(lastLine(detached.output).interrupted, true);
  const tight = work('--results-mb', '0.001');
  await tight.said(/"done"/); // nothing waited before it
  await tight.said(/"waits"/);
  await new Promise((done) => setTimeout(done, 1500));
  assert.is(tight.output.match(/"done"/g)!.length, 1, 'the second run waits to be handed in');
  const collected = await submit(spec, out).ended;
  assert.is(collected.code, 0, collected.output);
  assert.is(lastLine(collected.output).trained, 4);
  tight.child.kill('SIGTERM');
  await tight.ended;
  await assertEmpty();
});

test('a wrong password, no password, an unreachable host, an invalid address: reported without the password', async () => {
  const spec = writeGrid('refused', { base, seeds: 1 });
  const tries: [url: string, code: number, message: RegExp][] = [
    [
      `redis://:top-secret@127.0.0.1:${server.port}`,
      1,
      /QueueError: queue redis:\/\/:\*\*\*@127.0.0.1:\d+: WRONGPASS .*password is wrong/,
    ],
    [`redis://127.0.0.1:${server.port}`, 1, /QueueError: .*the server requires a password/],
    [
      'redis://me:top-secret@127.0.0.1:1/3',
      1,
      /QueueError: queue redis:\/\/me:\*\*\*@127.0.0.1:1\/3: .*ECONNREFUSED.*nothing listens there/,
    ],
    ['redis://:top-secret@no-such-host.invalid', 1, /QueueError: .*host name is not known/],
    ['redis://:top-secret@ 127.0.0.1', 2, /InputError: queue: that is not an address; pass redis:/],
    ['http://:top-secret@127.0.0.1', 2, /InputError: queue: the scheme http:/],
  ];
  for (const [url, code, message] of tries)
    for (const args of [['submit', spec, '--out', join(scratch, 'refused')], ['work']]) {
      const ran = await rhm(['sweep', ...args, '--queue', url], { timeoutSeconds: 60 });
      assert.is(ran.code, code, `${url}: ${ran.stderr}`);
      assert.match(ran.stderr, message);
      assert.not.match(ran.stdout + ran.stderr, /top-secret/);
    }
  const missing = await rhm(['sweep', 'work'], { env: { RHM_QUEUE: '' } });
  assert.is(missing.code, 2);
  assert.match(missing.stderr, /pass --queue redis:\/\/host, or set RHM_QUEUE/);
});

test('TLS: refused while the certificate is not trusted, used once it is', async () => {
  const file = (name: string) => resolve('test/sweep/fixtures', name);
  const secure = await startRedis({ tls: { cert: file('loopback.crt'), key: file('loopback.key') } });
  try {
    const untrusted = await rhm(['sweep', 'work'], { env: { RHM_QUEUE: secure.url } });
    assert.is(untrusted.code, 1);
    assert.match(untrusted.stderr, /certificate is not trusted; name its authority in NODE_EXTRA_CA_CERTS/);
    const env = { RHM_QUEUE: secure.url, NODE_EXTRA_CA_CERTS: file('loopback.crt') };
    const out = join(scratch, 'tls');
    const submission = startRhm(['sweep', 'submit', writeGrid('tls', { base, seeds: 2 }), '--out', out], env);
    const worker = startRhm(['sweep', 'work', '--executor', 'wasm', '--threads', '1'], env);
    running.push(submission, worker);
    assert.is((await submission.ended).code, 0, submission.output);
    await drain(worker);
    assert.match(submission.output, /2 of 2 runs are complete/);
  } finally {
    await secure.stop();
  }
});

test('a run that can never be trained is set aside with its error; the rest continues', async () => {
  // Valid as an experiment, and too large for the memory of WebAssembly.
  const spec = writeGrid('poison', {
    base,
    grid: { 'budget.batch': [16, 2 ** 20], 'model.width': [16] },
    filter: [],
    derive: { 'model.width': 'budget.batch > 16 ? 65536 : 16' },
  });
  const out = join(scratch, 'poison');
  const submission = submit(spec, out, '--tries', '2');
  const worker = work();
  const { code, output } = await submission.ended;
  assert.is(code, 1, output);
  const end = lastLine(output);
  assert.equal([end.trained, end.failed.length], [1, 1]);
  assert.match(end.failed[0].error, /memory|MiB|GiB/i);
  await drain(worker);
  const status = JSON.parse((await rhm(['sweep', 'status', out, '--json'])).stdout);
  assert.equal([status.done, status.failed], [1, 1]);
  assert.is(status.runs[0].why, end.failed[0].error);
});

test('a worker with nothing to do ends after the time it is given', async () => {
  const ended = await work('--idle-seconds', '0.5').ended;
  assert.is(ended.code, 0, ended.output);
  assert.equal(lastLine(ended.output), { type: 'end', trained: 0, failed: 0, handedBack: 0 });
});

test('runs that wait together train side by side, to the same bits', async () => {
  const spec = writeGrid('packed', { base, seeds: 4 });
  const [out, alone] = [join(scratch, 'packed'), join(scratch, 'packed-alone')];
  const detached = await submit(spec, out, '--detach').ended;
  assert.is(detached.code, 0, detached.output);
  const worker = work('--pack', '4');
  const submission = await submit(spec, out).ended;
  assert.is(submission.code, 0, submission.output);
  await drain(worker);
  const whole = await rhm(['sweep', 'run', spec, '--out', alone, '--executor', 'wasm', '--threads', '1']);
  assert.is(whole.code, 0, whole.stderr);
  assertSameRuns(out, alone, 4);
  const together = readdirSync(join(out, 'runs')).filter((run) =>
    /"together":[2-4]/.test(readFileSync(join(out, 'runs', run, 'records.jsonl'), 'utf8')),
  );
  assert.ok(together.length >= 2, 'at least two were packed');
  await assertEmpty();
});

test('two submitters of one grid, into one store and into two: every store has every run once, with the same bits', async () => {
  const spec = writeGrid('twice', { base, seeds: 6 });
  const local = join(scratch, 'twice-local');
  assert.is((await rhm(['sweep', 'run', spec, '--out', local, '--executor', 'wasm', '--threads', '1'])).code, 0);
  for (const [name, outs] of [
    ['one', ['twice-one', 'twice-one']],
    ['two', ['twice-a', 'twice-b']],
  ] as const) {
    const workers = [work(), work()];
    const submitters = outs.map((out) => submit(spec, join(scratch, out)));
    const ends = await Promise.all(submitters.map(({ ended }) => ended));
    for (const { code, output } of ends) {
      assert.is(code, 0, `${name}: ${output}`);
      const { total, trained, present, failed } = lastLine(output);
      assert.equal([total, trained + present, failed], [6, 6, []], name);
    }
    for (const worker of workers) await drain(worker);
    for (const out of new Set(outs)) assertSameRuns(join(scratch, out), local, 6);
    await assertEmpty();
  }
});

test('no output contained a password', () => {
  assert.equal(leaks, []);
});

/** Collected runs leave nothing in the server except BullMQ's own bookkeeping. */
async function assertEmpty(): Promise<void> {
  const client = redisClient(server);
  const keys = await client.keys('*');
  client.disconnect();
  assert.equal(
    keys.filter((key) => !/^rhm:runs:(id|events|meta|stalled-check|marker|limiter)$/.test(key)),
    [],
  );
}

test.run();
