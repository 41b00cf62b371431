/** Rows of tokens of one's own on their way through a Redis server to the machines that train on them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PREFIX } from '../../src/platform/queue/connect.js';
import { randomFrom } from '../support/random.js';
import { type RedisServer, redisClient, startRedis } from '../support/redis.js';
import { rhm } from '../support/run.js';
import { type Started, startRhm } from './processes.js';

const test = suite("rows of one's own through Redis");
const scratch = mkdtempSync(join(tmpdir(), 'rhm-queue-data-'));
let server: RedisServer;
const running: Started[] = [];
test.before(async () => {
  server = await startRedis();
});
test.after(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const random = randomFrom(5);
function rows(name: string, count: number): string {
  const file = join(scratch, name);
  const row = () => Array.from({ length: 6 }, () => Math.floor(random() * 5)).join(' ');
  writeFileSync(file, `${Array.from({ length: count }, row).join('\n')}\n`);
  return file;
}
const spec = join(scratch, 'grid.json');
const base = {
  grammar: { v: 5, s: 6, L: 1 },
  model: { kind: 'fcn', width: 8, depth: 1 },
  budget: { batch: 8, epochs: 2 },
  data: { train: rows('train.txt', 50), test: rows('test.txt', 30) },
};
writeFileSync(spec, JSON.stringify({ base, seeds: 2 }));

function start(...args: string[]): Started {
  const started = startRhm(args, { RHM_QUEUE: server.url });
  running.push(started);
  return started;
}
const compute = ['--executor', 'wasm', '--threads', '1'];
const work = (...more: string[]) => start('sweep', 'work', ...compute, '--lock-seconds', '3', '--json', ...more);
const submit = (out: string, ...more: string[]) => start('sweep', 'submit', spec, '--out', out, ...more);
const storedIn = (out: string) =>
  readdirSync(join(out, 'runs'))
    .sort()
    .map((hash) => {
      const records = readFileSync(join(out, 'runs', hash, 'records.jsonl'), 'utf8')
        .trim()
        .split('\n');
      return [hash, records.map((line) => JSON.parse(line)).flatMap((r) => (r.type === 'eval' ? [r.loss] : []))];
    });
const dataKeys = async () => {
  const client = redisClient(server);
  try {
    return await client.keys(`${PREFIX}:data:*`);
  } finally {
    client.disconnect();
  }
};

test('a worker elsewhere gets the rows; where the server has lost or damaged them it waits until they are sent again', async () => {
  const [local, out, later] = ['local', 'out', 'later'].map((name) => join(scratch, name));
  const whole = await rhm(['sweep', 'run', spec, '--out', local, ...compute]);
  assert.is(whole.code, 0, whole.stderr);

  const submission = submit(out);
  const worker = work();
  const ended = await submission.ended;
  assert.is(ended.code, 0, submission.output + worker.output);
  assert.equal(storedIn(out), storedIn(local), 'the bits of a local sweep');
  worker.child.kill('SIGTERM');
  await worker.ended;

  // Handed out, and then the server loses the rows of one set and has others in the place of the other one.
  const detached = await submit(later, '--detach').ended;
  assert.is(detached.code, 0);
  const [lost, damaged] = (await dataKeys()).sort();
  const client = redisClient(server);
  await client.del(lost);
  await client.hset(damaged, '0', gzipSync(Buffer.alloc(4 * (3 + 6 * 30))));
  const next = work();
  await next.said(/data\.(train|test): the rows with digest [0-9a-f]{16} (are not on|cannot be read)/);
  const collected = submit(later);
  assert.is((await collected.ended).code, 0, collected.output + next.output);
  assert.equal(storedIn(later), storedIn(local));
  assert.equal((await dataKeys()).sort(), [lost, damaged], 'both were sent again');
  assert.ok((await client.ttl(lost)) > 6 * 24 * 3600, 'and expire');
  client.disconnect();
  next.child.kill('SIGTERM');
  await next.ended;
});

test.run();
