/**
 * Data that a queue may contain although no submitter or worker of ours sends it: nothing outside the folders is touched, the
 * rest continues.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Queue } from 'bullmq';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { formatRecord, parseRecords, RecordLines } from '../../src/core/records.js';
import { type RedisServer, redisClient, startRedis } from '../support/redis.js';
import { rhm } from '../support/run.js';
import { type Started, startRhm } from '../sweep/processes.js';

const test = suite('hostile queues');
let root = '';
let scratch = ''; // TMPDIR of the workers
let server: RedisServer;
const running: Started[] = [];
const clients: ReturnType<typeof redisClient>[] = [];
const client = () => {
  const made = redisClient(server);
  clients.push(made);
  return made;
};
const experiment = parseExperiment({
  model: { kind: 'hcnn', width: 4 },
  grammar: { v: 4, m: 2, L: 2 },
  budget: { batch: 4, steps: 8 },
  evaluation: { size: 16 },
});
let hash = '';
const guarded: string[] = []; // folders and files that must not be touched

test.before(async () => {
  root = mkdtempSync(join(tmpdir(), 'rhm-hostile-'));
  scratch = join(root, 'tmp');
  mkdirSync(scratch);
  hash = await contentHash(experiment);
  for (const name of ['x', 'experiment.json', 'records.jsonl', 'victim']) {
    guarded.push(join(root, name));
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, 'kept'), 'kept');
  }
});
test.before.each(async () => {
  server = await startRedis();
});
test.after.each(async () => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
  for (const client of clients.splice(0)) client.disconnect();
  await server?.stop();
});
test.after(() => rmSync(root, { recursive: true, force: true }));

function start(...args: string[]): Started {
  const started = startRhm(['sweep', ...args, '--json'], { RHM_QUEUE: server.url, TMPDIR: scratch });
  running.push(started);
  return started;
}
const work = (...more: string[]) => start('work', '--executor', 'wasm', '--threads', '1', ...more);
const lines = (output: string) =>
  output
    .split('\n')
    .filter((l) => l.startsWith('{'))
    .map((l) => JSON.parse(l));

/** Nothing outside was touched, no control character was printed. */
function assertUntouched({ output }: { output: string }): void {
  for (const folder of guarded) assert.is(readFileSync(join(folder, 'kept'), 'utf8'), 'kept', folder);
  assert.equal(
    readdirSync(root).filter((name) => !['tmp', 'x', 'experiment.json', 'records.jsonl', 'victim'].includes(name)),
    readdirSync(root).filter((name) => /^(store|out|grid)/.test(name)),
  );
  assert.not.match(output.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
  assert.not.match(output, /not expected|^ {4}at /m);
}

type Job = [title: string, data: unknown, error: RegExp];
const good = (more: object = {}) => ({ store: 'store', hash, name: 'good', experiment, ...more });
const jobs = (): Job[] => [
  ['a path for a hash', good({ hash: '../../x' }), /16 hexadecimal digits/],
  ['an absolute path', good({ hash: join(root, 'victim') }), /16 hexadecimal digits/],
  ['the parent', good({ hash: '..' }), /16 hexadecimal digits/],
  ['nothing for a hash', good({ hash: '' }), /16 hexadecimal digits/],
  ['a number', good({ hash: 12 }), /16 hexadecimal digits/],
  ['a list', good({ hash: [hash] }), /16 hexadecimal digits/],
  ['capitals', good({ hash: hash.toUpperCase().replace(/\d/g, 'A') }), /16 hexadecimal digits/],
  ['another run', good({ hash: '0123456789abcdef' }), /is that of run [0-9a-f]{16}, not of 0123456789abcdef/],
  ['an empty experiment', good({ experiment: {} }), /is that of run/],
  ['no experiment', good({ experiment: undefined }), /experiment/],
  ['a text for one', good({ experiment: 'hcnn' }), /experiment/],
  ['a section less', good({ experiment: { ...experiment, budget: undefined } }), /is that of run/],
  ['a section of another kind', good({ experiment: { ...experiment, evaluation: 7 } }), /evaluation/],
  ['a width of no number', good({ experiment: { ...experiment, model: { kind: 'hcnn', width: '4' } } }), /width/],
  [
    'a model that does not fit',
    good({ experiment: { ...experiment, model: { ...experiment.model, filter: 3 } } }),
    /./,
  ],
  ['a deep one', good({ experiment: JSON.parse(`${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`) }), /deeper than/],
  ['a path for a store', good({ store: '../../store' }), /store/],
  ['an object for a store', good({ store: { a: 1 } }), /store/],
  ['escape codes in the name', good({ name: '\u001b[2J\u009b1m\u202e', hash: 'bad' }), /16 hexadecimal digits/],
  ['an object for a name', good({ name: { toString: 1 } }), /name/],
  ['protocol of no number', good({ protocol: 'x' }), /protocol/],
  ['a list', [good()], /not an object/],
  ['a text', 'run', /not an object/],
  ['nothing', null, /not an object/],
];

test('each hostile job fails alone; the worker continues with the good one', async () => {
  const redis = client();
  const queue = new Queue('runs', { connection: redis, prefix: 'rhm' });
  const bad = jobs();
  for (const [i, [, data]] of bad.entries()) await queue.add('run', data, { jobId: `bad-${i}`, attempts: 3 });
  // Not even JSON; no client of the queue would write it.
  await queue.add('run', {}, { jobId: 'garbage' });
  await redis.hset('rhm:runs:garbage', 'data', '{"store":');
  await queue.add('run', good(), { jobId: 'good' });
  const worker = work();
  await worker.said(/"state":"done"/);
  for (const [i, [title, , error]] of bad.entries()) {
    const job = (await queue.getJob(`bad-${i}`))!;
    assert.is(await job.getState(), 'failed', title);
    assert.match(job.failedReason, error, title);
    assert.is(job.attemptsMade, 1, `${title}: not tried again`);
  }
  assert.not(worker.over, worker.output);
  worker.child.kill('SIGTERM');
  await worker.ended;
  assertUntouched(worker);
  assert.equal(readdirSync(scratch), [], 'the worker leaves nothing');
  await queue.close();
});

test('a job of a newer version is left to others, again and again, and does not fail', async () => {
  const redis = client();
  const queue = new Queue('runs', { connection: redis, prefix: 'rhm' });
  const newer = { ...experiment, curriculum: { kind: 'easy' } };
  const other = { ...experiment, task: { kind: 'parse-tree' } };
  await queue.add('run', good({ protocol: 99, future: true }), { jobId: 'protocol' });
  await queue.add('run', good({ hash: await contentHash(newer), experiment: newer }), { jobId: 'field' });
  await queue.add('run', good({ hash: await contentHash(other), experiment: other }), { jobId: 'choice' });
  await queue.add('run', good(), { jobId: 'good' });
  const worker = work();
  await worker.said(/"state":"done"/);
  for (const id of ['protocol', 'field', 'choice']) {
    const job = (await queue.getJob(id))!;
    assert.is(await job.getState(), 'delayed', id);
    assert.match(String((job.progress as { needs: string }).needs), /update rhm-lab/, id);
  }
  const left = lines(worker.output).filter((l) => l.state === 'handed back');
  assert.is(left.length, 3);
  worker.child.kill('SIGTERM');
  assert.is((await worker.ended).code === 1, false);
  await queue.close();
});

interface Sent {
  title: string;
  fields: Record<string, string | Buffer>;
  error: RegExp;
}

test('forged results are refused, each for its own reason; the run is trained and kept', async () => {
  const redis = client();
  const grid = join(root, 'grid.json');
  writeFileSync(grid, JSON.stringify({ base: experiment }));
  // What a worker really sends, changed in one place at a time.
  const honest = join(root, 'out-honest');
  const whole = await rhm(['sweep', 'run', grid, '--out', honest, '--executor', 'wasm', '--threads', '1']);
  assert.is(whole.code, 0, whole.stderr);
  const file = (name: string) => readFileSync(join(honest, 'runs', hash, name));
  const names = ['experiment.json', 'rules.json', 'records.jsonl', 'checkpoint.safetensors'];
  const pack = (change: Record<string, string | Buffer | undefined> = {}, parts?: object) => {
    const contents = Object.fromEntries(
      names.map((name) => [name, file(name)] as [string, string | Buffer | undefined]),
    );
    const all = Object.entries({ ...contents, ...change }).filter(([, data]) => data !== undefined);
    const fields: Record<string, string | Buffer> = Object.fromEntries(
      all.map(([name, data]) => [`${name}#0`, gzipSync(data!)]),
    );
    fields.parts = JSON.stringify(parts ?? Object.fromEntries(all.map(([name]) => [name, 1])));
    return fields;
  };
  const written = parseRecords(file('records.jsonl').toString()).records;
  const records = written.map(formatRecord).join('');
  /** With valid checks: a forger can compute them. */
  const checked = (text: string) =>
    new RecordLines().format(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    );
  const lossless = records.replace(/"loss":[\d.e-]+(?=[^\n]*\n[^\n]*"end")/, '"loss":0.001');
  assert.not.equal(lossless, records);
  const bomb = gzipSync(Buffer.alloc(2 ** 28));
  const sent: Sent[] = [
    {
      title: 'an empty experiment',
      fields: pack({ 'experiment.json': '{}' }),
      error: /experiment.json: is that of run/,
    },
    { title: 'a made-up loss', fields: pack({ 'records.jsonl': checked(lossless) }), error: /best loss of replica 0/ },
    {
      title: 'a loss below zero',
      fields: pack({ 'records.jsonl': checked(records.replace(/"loss":[\d.]+/, '"loss":-3')) }),
      error: /loss: got -3/,
    },
    {
      title: 'an evaluation less',
      fields: pack({ 'records.jsonl': checked(records.replace(/.*"step":2,.*\n/, '')) }),
      error: /no evaluation at step 2/,
    },
    { title: 'records without their checks', fields: pack({ 'records.jsonl': records }), error: /no check in it/ },
    {
      title: 'no end',
      fields: pack({ 'records.jsonl': checked(records.replace(/.*"end".*\n/, '')) }),
      error: /has ended/,
    },
    { title: 'no checkpoint', fields: pack({ 'checkpoint.safetensors': undefined }), error: /checkpoint.*missing/ },
    {
      title: 'half a checkpoint',
      fields: pack({ 'checkpoint.safetensors': file('checkpoint.safetensors').subarray(0, 2000) }),
      error: /checkpoint/,
    },
    { title: 'other rules', fields: pack({ 'rules.json': '{"v":2}' }), error: /./ },
    { title: 'a path among the files', fields: pack({ '../../../victim/kept': 'x' }), error: /parts: contains/ },
    {
      title: 'a file of ours that is none of a run',
      fields: pack({ 'run.lock': 'x' }),
      error: /parts: contains run.lock/,
    },
    { title: 'a count of no number', fields: pack({}, { 'records.jsonl': 1e9 }), error: /parts: records.jsonl in/ },
    { title: 'no gzip', fields: { ...pack(), 'rules.json#0': 'x' }, error: /rules.json/ },
    { title: 'a small part that grows', fields: { ...pack(), 'checkpoint.safetensors#0': bomb }, error: /more than/ },
    { title: 'records that grow', fields: { ...pack(), 'records.jsonl#0': bomb }, error: /more than/ },
    { title: 'parts of no JSON', fields: { ...pack(), parts: '{' }, error: /parts: not JSON/ },
    { title: 'a part less', fields: { ...pack({}, { 'experiment.json': 2 }) }, error: /part 1 of 2 is missing/ },
  ];
  for (const [i, { title, fields, error }] of sent.entries()) {
    const out = join(root, `out-${i}`);
    const detached = await start('submit', grid, '--out', out, '--detach').ended;
    assert.is(detached.code, 0, detached.output);
    const store = JSON.parse(readFileSync(join(out, 'store.json'), 'utf8')).id;
    await redis.hset(`rhm:result:${store}:${hash}`, fields);
    const members = [hash, '../../victim', '..', '\u001b[31m', ''];
    await redis.sadd(`rhm:finished:${store}`, ...members);
    const submission = start('submit', grid, '--out', out);
    await submission.said(/cannot be used/);
    assert.match(submission.output.match(/.*cannot be used.*/)![0], error, title);
    assert.not(existsSync(join(out, 'runs', hash, 'records.jsonl')), title);
    const worker = work();
    const { code, output } = await submission.ended;
    assert.is(code, 0, `${title}: ${output}`);
    const end = lines(output).at(-1);
    assert.equal([end.trained, end.failed], [1, []], title);
    for (const name of names) {
      const strip = (text: string) =>
        text.replace(/.*"type":"check".*\n/g, '').replace(/"(elapsed_ms|time)":("[^"]*"|[^,}]*)/g, '');
      if (name.endsWith('.safetensors')) continue;
      assert.is(strip(readFileSync(join(out, 'runs', hash, name), 'utf8')), strip(file(name).toString()), name);
    }
    assertUntouched(submission);
    worker.child.kill('SIGTERM');
    await worker.ended;
    assertUntouched(worker);
  }
});

test('returned files are used only if they are sound', async () => {
  const redis = client();
  const queue = new Queue('runs', { connection: redis, prefix: 'rhm' });
  const partials: Record<string, string | Buffer>[] = [
    { parts: '{"../../../victim/kept":1}', '../../../victim/kept#0': gzipSync('x') },
    { parts: '{"experiment.json":1}', 'experiment.json#0': gzipSync('{}') },
    { parts: '{"checkpoint.safetensors":1}', 'checkpoint.safetensors#0': gzipSync('x') },
    { parts: '{"experiment.json":1}', 'experiment.json#0': gzipSync(Buffer.alloc(2 ** 28)) },
    {
      parts: '{"experiment.json":1,"checkpoint.safetensors":1}',
      'experiment.json#0': gzipSync(JSON.stringify(experiment)),
      'checkpoint.safetensors#0': gzipSync(Buffer.alloc(100, 1)),
    },
  ];
  const worker = work();
  for (const [i, fields] of partials.entries()) {
    const store = `store-${i}`;
    await redis.hset(`rhm:partial:${store}:${hash}`, fields);
    await queue.add('run', good({ store, name: `run ${i}` }), { jobId: `partial-${i}` });
    await worker.said(new RegExp(`"name":"run ${i}","state":"begun","error":".*cannot be used`));
    await worker.said(new RegExp(`"name":"run ${i}","state":"done"`));
    assert.is(await redis.sismember(`rhm:finished:${store}`, hash), 1);
  }
  worker.child.kill('SIGTERM');
  await worker.ended;
  assertUntouched(worker);
  await queue.close();
});

test.run();
