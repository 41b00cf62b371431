/**
 * Servers out of memory, lost connections, unreadable results, full disks of workers and submitters: finished work is kept, nothing waits
 * forever.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Queue } from 'bullmq';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { parseRecords } from '../../src/core/records.js';
import { keysOf, packFiles, putResult } from '../../src/platform/queue/transfer.js';
import { type RedisServer, redisClient, startRedis } from '../support/redis.js';
import { rhm } from '../support/run.js';
import { type Started, startRhm } from '../sweep/processes.js';
import { assertSameRuns } from '../sweep/support.js';

const test = suite('queues under pressure');
let scratch = '';
let server: RedisServer;
let redis: ReturnType<typeof redisClient>;
let spec = '';
let local = ''; // the same runs, trained without a queue
const hashes: string[] = [];
const running: Started[] = [];

// A checkpoint of some 300 kB: more than the jobs and bookkeeping of the queue together.
const base = {
  model: { kind: 'fcn', width: 128 },
  grammar: { v: 6, m: 2, L: 2 },
  budget: { batch: 16, steps: 400 },
  evaluation: { size: 64 },
};
const RUNS = 3;

test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-pressure-'));
  spec = join(scratch, 'grid.json');
  writeFileSync(spec, JSON.stringify({ base, seeds: RUNS }));
  for (let seed = 0; seed < RUNS; seed++) hashes.push(await contentHash(parseExperiment({ ...base, seed })));
  local = join(scratch, 'local');
  const whole = await rhm(['sweep', 'run', spec, '--out', local, '--executor', 'wasm', '--threads', '1']);
  assert.is(whole.code, 0, whole.stderr);
  assert.equal(readdirSync(join(local, 'runs')).sort(), [...hashes].sort());
});
test.before.each(async () => {
  server = await startRedis();
  redis = redisClient(server);
});
test.after.each(async () => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
  redis?.disconnect();
  await server?.stop();
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const started = startRhm(['sweep', ...args, '--json'], { RHM_QUEUE: server.url, ...env });
  running.push(started);
  return started;
}
const submit = (out: string, ...more: string[]) => start(['submit', spec, '--out', join(scratch, out), ...more]);
const work = (env?: NodeJS.ProcessEnv, ...more: string[]) =>
  start(['work', '--executor', 'wasm', '--threads', '1', '--pack', '1', '--lock-seconds', '3', ...more], env);
const lastLine = (output: string) =>
  JSON.parse(
    output
      .trim()
      .split('\n')
      .filter((l) => l.startsWith('{'))
      .at(-1)!,
  );
const counts = ({ output }: Started) => {
  const { total, trained, present, failed } = lastLine(output);
  return [total, trained, present, failed.length];
};

async function usedBytes(): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))![1]);
}

/** From now on the server answers OOM. The limit is well below its usage, so that a closing connection does not make room either. */
async function fill(): Promise<void> {
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
  await redis.config('SET', 'maxmemory', String((await usedBytes()) - 2 ** 19));
}

/** How often the runs of a store were started. */
const begun = (out: string) =>
  hashes.map(
    (hash) =>
      parseRecords(readFileSync(join(scratch, out, 'runs', hash, 'records.jsonl'), 'utf8')).records.filter(
        (r) => r.type === 'start',
      ).length,
  );

async function drain(worker: Started): Promise<void> {
  worker.child.kill('SIGTERM');
  assert.is((await worker.ended).code, 143, worker.output);
}

/** A worker that waits to hand in its first result: the server had memory when it took the run and has had none since. */
async function takenAndFull(out: string, env?: NodeJS.ProcessEnv): Promise<Started> {
  const detached = await submit(out, '--detach').ended;
  assert.is(detached.code, 0, detached.output);
  const worker = work(env);
  await worker.said(/"state":"begun"/);
  await fill();
  await worker.said(/"state":"waits"/);
  return worker;
}

test('out of memory at the hand-in: the work is kept, the message says how much is needed, and that is enough', async () => {
  const worker = await takenAndFull('memory');
  const said = /"waits","error":"(the server is out of memory[^"]*)"/.exec(worker.output)?.[1];
  assert.ok(said, worker.output);
  const [, needs, raise] = /this result needs ([\d.]+) MiB; raise maxmemory to at least ([\d.]+) MiB/.exec(said)!;
  assert.ok(Number(needs) > 0.1 && Number(needs) < 2, said);
  // Longer than three earlier attempts would take, and than the lock of a job.
  await new Promise((done) => setTimeout(done, 6000));
  assert.not(worker.over, worker.output);
  assert.not.match(worker.output, /"state":"(failed|done)"/);
  await redis.config('SET', 'maxmemory', String(Math.ceil(Number(raise) * 2 ** 20)));
  await worker.said(/"state":"done"/);
  await redis.config('SET', 'maxmemory', '0');
  const submission = submit('memory');
  assert.is((await submission.ended).code, 0, submission.output);
  assert.equal(counts(submission), [RUNS, RUNS, 0, 0]);
  await drain(worker);
  assert.equal(begun('memory'), [1, 1, 1], 'nothing was trained twice');
  assertSameRuns(join(scratch, 'memory'), local, RUNS);
});

test('out of memory while it submits and collects: submit waits, reports it once, reacts to a signal, and continues', async () => {
  await fill();
  const stopped = submit('full');
  await stopped.said(/OOM.*trying again until the server can do it/);
  await new Promise((done) => setTimeout(done, 4500));
  assert.not(stopped.over, stopped.output);
  assert.is(stopped.output.match(/trying again/g)!.length, 1, 'said once');
  stopped.child.kill('SIGINT');
  assert.is((await stopped.ended).code, 130, stopped.output);
  const submission = submit('full');
  const worker = work();
  await submission.said(/trying again/);
  await redis.config('SET', 'maxmemory', '0');
  assert.is((await submission.ended).code, 0, submission.output);
  assert.equal(counts(submission), [RUNS, RUNS, 0, 0]);
  await drain(worker);
  assertSameRuns(join(scratch, 'full'), local, RUNS);
});

test('no memory even to hand out runs: the worker reports it, does not poll in a loop, and continues when there is', async () => {
  const detached = await submit('idle', '--detach').ended;
  assert.is(detached.code, 0, detached.output);
  await fill();
  const worker = work();
  await worker.said(/no run can be taken: the server is out of memory: .*; raise maxmemory to at least/);
  await redis.config('RESETSTAT');
  await new Promise((done) => setTimeout(done, 3000));
  const calls = Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(await redis.info('commandstats'))?.[1] ?? 0);
  assert.ok(calls < 30, `${calls} scripts in three seconds`);
  assert.is(worker.output.match(/no run can be taken/g)!.length, 1, worker.output);
  await redis.config('SET', 'maxmemory', '0');
  await worker.said(/"state":"done"/);
  const submission = submit('idle');
  assert.is((await submission.ended).code, 0, submission.output);
  await drain(worker);
  assertSameRuns(join(scratch, 'idle'), local, RUNS);
});

test('a worker that is ended while there is no room for its result keeps the files, which count as the run', async () => {
  const tmp = mkdtempSync(join(scratch, 'tmp-'));
  const worker = await takenAndFull('kept', { TMPDIR: tmp });
  worker.child.kill('SIGTERM');
  assert.is((await worker.ended).code, 143, worker.output);
  const kept = /"run":"([0-9a-f]{16})"[^\n]*its files stay in ([^;"]+); copied into runs\/ of its store/.exec(
    worker.output,
  );
  assert.ok(kept, worker.output);
  const [, hash, folder] = kept;
  assert.ok(folder.startsWith(tmp) && existsSync(join(folder, 'records.jsonl')), folder);
  await redis.config('SET', 'maxmemory', '0');
  cpSync(folder, join(scratch, 'kept', 'runs', hash), { recursive: true });
  const submission = submit('kept');
  const other = work();
  assert.is((await submission.ended).code, 0, submission.output);
  assert.equal(counts(submission), [RUNS, RUNS - 1, 1, 0]);
  await drain(other);
  assertSameRuns(join(scratch, 'kept'), local, RUNS);
});

/** Forwards to the server; `cut` inspects the data and decides whether the connection is reset before or after it. */
async function proxy(
  cut: (data: Buffer, toServer: boolean) => 'before' | 'after' | undefined,
): Promise<[Server, string]> {
  const between = createServer((client: Socket) => {
    const upstream = connect(server.port, '127.0.0.1');
    const end = () => {
      client.resetAndDestroy();
      upstream.destroy();
    };
    const pass = (from: Socket, to: Socket, toServer: boolean) => {
      from.on('data', (data: Buffer) => {
        const when = cut(data, toServer);
        if (when === 'before') return end();
        if (when !== 'after') return to.write(data);
        to.write(data, () => setTimeout(end, 200)); // the server has received it; its answer does not come back
        to.pause();
        upstream.pause();
      });
      for (const event of ['error', 'close']) from.on(event, () => to.destroy());
    };
    pass(client, upstream, true);
    pass(upstream, client, false);
  });
  await new Promise<void>((done) => between.listen(0, '127.0.0.1', done));
  const { port } = between.address() as { port: number };
  return [between, server.url.replace(/:\d+$/, `:${port}`)];
}

for (const when of ['before', 'after'] as const)
  test(`connections reset three times during the hand-in, ${when} the server has it: handed in once, the same bits`, async () => {
    let cuts = 0;
    let length = 0; // of the hand-in that is passing
    const [between, url] = await proxy((data, toServer) => {
      if (!toServer || cuts === 3) return undefined;
      if (data.includes('rhm:result:') && data.includes('hset')) length = 1;
      if (!length) return undefined;
      length += data.length;
      const isEnd = data.includes('rhm:finished:') && /exec\r\n$/i.test(data.toString('latin1'));
      if (when === 'before' ? length < 50_000 : !isEnd) return undefined;
      length = 0;
      cuts++;
      return when;
    });
    try {
      const out = `reset-${when}`;
      const submission = submit(out);
      const worker = work({ RHM_QUEUE: url });
      assert.is((await submission.ended).code, 0, `${submission.output}\n${worker.output}`);
      assert.is(cuts, 3, worker.output);
      assert.equal(counts(submission), [RUNS, RUNS, 0, 0]);
      await drain(worker);
      assert.not.match(worker.output, /"state":"failed"/);
      assert.equal(begun(out), [1, 1, 1]);
      assertSameRuns(join(scratch, out), local, RUNS);
    } finally {
      between.close();
    }
  });

test('a result that cannot be read is kept for inspection and trained again; the others are not delayed', async () => {
  const detached = await submit('unreadable', '--detach').ended;
  assert.is(detached.code, 0, detached.output);
  const { id } = JSON.parse(readFileSync(join(scratch, 'unreadable', 'store.json'), 'utf8'));
  const [first] = hashes;
  const damaged = { parts: '{"records.jsonl":1}', 'records.jsonl#0': 'no gzip' };
  const put = async () => {
    await redis.hset(`rhm:result:${id}:${first}`, damaged);
    await redis.sadd(`rhm:finished:${id}`, first);
  };
  await put();
  const submission = submit('unreadable');
  await submission.said(/its result cannot be used/);
  const aside = `rhm:refused:${id}:${first}`;
  assert.equal(await redis.hgetall(aside), damaged);
  const seconds = await redis.ttl(aside);
  assert.ok(seconds > 3600 && seconds < 30 * 24 * 3600, `kept for ${seconds} s`);
  const worker = work();
  assert.is((await submission.ended).code, 0, submission.output);
  assert.equal(counts(submission), [RUNS, RUNS, 0, 0]);
  await drain(worker);
  assertSameRuns(join(scratch, 'unreadable'), local, RUNS);
});

test('one command of the hand-in fails, the others do not: it does not count as handed in', async () => {
  await redis.set(keysOf('half').sizes, 'no hash');
  const packed = await packFiles(new Map([['records.jsonl', new Uint8Array([1])]]));
  let error: unknown;
  await putResult(redis, 'half', hashes[0], packed).catch((thrown) => {
    error = thrown;
  });
  assert.match(String(error), /WRONGTYPE/);
});

test('a result that can never be read is set aside after its tries, the others are done, submit ends', async () => {
  const submission = submit('never', '--tries', '2');
  const worker = work();
  const { id } = await waitFor(() => JSON.parse(readFileSync(join(scratch, 'never', 'store.json'), 'utf8')));
  const [first] = hashes;
  // Damages the result whenever there is one.
  const timer = setInterval(async () => {
    if (await redis.exists(`rhm:result:${id}:${first}`)) await redis.hset(`rhm:result:${id}:${first}`, 'parts', '{');
  }, 5);
  try {
    assert.is((await submission.ended).code, 1, submission.output);
  } finally {
    clearInterval(timer);
  }
  const end = lastLine(submission.output);
  assert.equal([end.total, end.trained, end.failed.length], [RUNS, RUNS - 1, 1]);
  assert.match(end.failed[0].error, /its result cannot be used: parts: /);
  await drain(worker);
  const status = JSON.parse((await rhm(['sweep', 'status', join(scratch, 'never'), '--json'])).stdout);
  assert.equal([status.done, status.failed], [RUNS - 1, 1]);
});

async function waitFor<T>(look: () => T): Promise<T> {
  for (let tries = 0; ; tries++)
    try {
      return look();
    } catch (error) {
      if (tries === 400) throw error;
      await new Promise((done) => setTimeout(done, 25));
    }
}

/** The disk below a folder is full for a program while the file `flag` exists. */
const disk = (folder: string, flag: string): NodeJS.ProcessEnv => ({
  RHM_FULL: JSON.stringify({ folder: `${folder}/`, flag }),
  NODE_OPTIONS: `--import=${pathToFileURL(resolve('test/faults/fixtures/full.mjs')).href}`,
});

test('full disks of a worker and of a submitter: the worker waits for room, the submitter reports it and collects later', async () => {
  const flag = join(scratch, 'full.flag');
  const tmp = mkdtempSync(join(scratch, 'tmp-'));
  const out = join(scratch, 'room');
  assert.is((await submit('room', '--detach').ended).code, 0);
  writeFileSync(flag, '');
  const worker = work({ TMPDIR: tmp, ...disk(tmp, flag) });
  await worker.said(/"state":"waits","error":"no room on the disk: [^"]*ENOSPC; free some space"/);
  assert.not.match(worker.output, /"state":"(failed|done)"/);
  rmSync(flag);
  await worker.said(/"state":"done"[\s\S]*"state":"done"[\s\S]*"state":"done"/);
  await drain(worker);
  writeFileSync(flag, '');
  const full = start(['submit', spec, '--out', out], disk(out, flag));
  assert.is((await full.ended).code, 1, full.output);
  assert.match(full.output, /FileError: .*ENOSPC/);
  assert.not.match(full.output, /not expected|^ {4}at /m);
  rmSync(flag);
  const submission = submit('room');
  assert.is((await submission.ended).code, 0, submission.output);
  assert.equal(counts(submission), [RUNS, RUNS, 0, 0]);
  assertSameRuns(out, local, RUNS);
});

test('the same runs of two stores, taken by one worker at a time: each store gets its own', async () => {
  const stores = ['first', 'second'];
  for (const out of stores) assert.is((await submit(out, '--detach').ended).code, 0);
  const worker = work({}, '--pack', String(2 * RUNS));
  for (const out of stores) {
    const submission = submit(out);
    assert.is((await submission.ended).code, 0, submission.output);
    assert.equal(counts(submission), [RUNS, RUNS, 0, 0]);
    assertSameRuns(join(scratch, out), local, RUNS);
  }
  await drain(worker);
});

test('two submitters of one grid, into one store and into two: both end with 0 and have every run', async () => {
  const seeds = 12;
  const many = join(scratch, 'many.json');
  writeFileSync(many, JSON.stringify({ base, seeds }));
  const whole = join(scratch, 'many');
  const ran = await rhm(['sweep', 'run', many, '--out', whole, '--executor', 'wasm', '--threads', '1']);
  assert.is(ran.code, 0, ran.stderr);
  const stores = ['same', 'same', 'other'].map((name) => join(scratch, name));
  const submissions = stores.map((out) => start(['submit', many, '--out', out, '--window', '2']));
  const worker = work({}, '--pack', '4');
  for (const { ended } of submissions) assert.is((await ended).code, 0, submissions.map((s) => s.output).join('\n\n'));
  for (const submission of submissions) {
    const [total, trained, present, failed] = counts(submission);
    assert.equal([total, trained + present, failed], [seeds, seeds, 0], submission.output);
  }
  assert.is(counts(submissions[2])[1], seeds, 'the other store gets its own results');
  await drain(worker);
  assert.is(worker.output.match(/"state":"done"/g)!.length, 2 * seeds, 'each run of a store is trained once');
  for (const out of new Set(stores)) assertSameRuns(out, whole, seeds);
  const queue = new Queue('runs', { connection: redis, prefix: 'rhm' });
  assert.equal(await queue.getJobCounts('waiting', 'active', 'delayed', 'failed', 'completed'), {
    ...{ waiting: 0, active: 0, delayed: 0, failed: 0, completed: 0 },
  });
  await queue.close();
});

test.run();
