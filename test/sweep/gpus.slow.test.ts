/**
 * Sweeps over several cards, simulated: files in a folder represent device files, and each worker computes on SwiftShader with the first
 * card that it can see. Choosing (by a mount namespace that covers the others, if this system allows it), checking and the handling of a
 * lost card are done by the program itself.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inspectRecords } from '../../src/core/records.js';
import { startRedis } from '../support/redis.js';
import { deno, rhm } from '../support/run.js';
import { type Started, startRhm } from './processes.js';
import { assertSameRuns, children } from './support.js';

const test = suite('sweeps over simulated cards');
let scratch = '';
const RUNS = 12;
const base = {
  model: { kind: 'hcnn', width: 16 },
  grammar: { v: 6, m: 2, L: 2 },
  budget: { batch: 16, steps: 300 },
  evaluation: { size: 64, perDoubling: 2 },
};
let spec = '';
let whole = ''; // the same runs on one card

test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-gpus-'));
  spec = join(scratch, 'grid.json');
  writeFileSync(spec, JSON.stringify({ base, seeds: RUNS }));
  whole = join(scratch, 'whole');
  const one = await rhm([...args(whole), '--adapter', 'swiftshader', '--workers', '1'], { timeoutSeconds: 600 });
  assert.is(one.code, 0, one.stderr);
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const args = (out: string, ...more: string[]) => ['sweep', 'run', spec, '--out', out, '--json', ...more];

/** A machine with this many cards; `way` as in src/platform/cards/simulated.ts. */
function machine(name: string, cards: number, way: string) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (let i = 0; i < cards; i++) writeFileSync(join(folder, `card${i}`), '');
  writeFileSync(join(folder, 'way'), way);
  return { folder, env: { RHM_SIMULATED_CARDS: folder, RHM_ADAPTER: undefined } };
}

const lastLine = (output: string) =>
  JSON.parse(
    output
      .trim()
      .split('\n')
      .findLast((line) => line.startsWith('{'))!,
  );

/** PCI addresses of all starts in a store, with how many there are. */
function startsIn(store: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const run of readdirSync(join(store, 'runs')))
    for (const record of inspectRecords(readFileSync(join(store, 'runs', run, 'records.jsonl'), 'utf8')).records)
      if (record.type === 'start') counts[record.card ?? 'unknown'] = (counts[record.card ?? 'unknown'] ?? 0) + 1;
  return counts;
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const address = (card: number) => `0000:0${card}:00.0`;

/** The worker process that has a card open. */
function workerOn(sweep: Started, card: string): number | undefined {
  return children(sweep.child.pid!).find((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === card);
    } catch {
      return false; // gone, or closing files
    }
  });
}

const canCover = ['-m', '-rm'].some(
  (flags) => spawnSync('unshare', [flags, 'mount', '--bind', '/dev/null', '/dev/zero']).status === 0,
);

for (const way of ['told', ...(canCover ? ['namespace'] : [])])
  test(`${way}: three cards, a worker on each, the bits of one card`, async () => {
    const { env } = machine(`three-${way}`, 3, way);
    const out = join(scratch, `out-${way}`);
    const ran = await rhm(args(out, '--pack', '1'), { env, timeoutSeconds: 600 });
    assert.is(ran.code, 0, ran.stderr);
    assertSameRuns(out, whole, RUNS);
    const starts = startsIn(out);
    assert.equal(Object.keys(starts).sort(), [0, 1, 2].map(address));
    assert.is(sum(Object.values(starts)), RUNS);
    const lines = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { cards } = lines.findLast(({ type }) => type === 'progress');
    assert.equal(
      cards.map(({ card, done }: { card: string; done: number }) => [card, done]),
      [0, 1, 2].map((card) => [`card ${card}`, starts[address(card)]]),
    );
    const index = readFileSync(join(out, 'index.jsonl'), 'utf8');
    for (const card of [0, 1, 2]) assert.match(index, new RegExp(`"by":"process \\d+ on [^"]*, card ${card}"`));

    const two = join(scratch, `two-${way}`);
    const chosen = await rhm(args(two, '--gpus', '2,0', '--pack', '1'), { env, timeoutSeconds: 600 });
    assert.is(chosen.code, 0, chosen.stderr);
    assert.equal(Object.keys(startsIn(two)).sort(), [address(0), address(2)]);
    const last = join(scratch, `last-${way}`);
    assert.is((await rhm(args(last, '--gpus', '1,'), { env, timeoutSeconds: 600 })).code, 0);
    assert.equal(startsIn(last), { [address(1)]: RUNS });
    assertSameRuns(last, whole, RUNS);
  });

if (!canCover) test.skip('namespace: this system forbids mount namespaces');

test('Deno: a worker on each card, chosen as in Node', async () => {
  const { env } = machine('deno', 2, canCover ? 'namespace' : 'told');
  const out = join(scratch, 'out-deno');
  const ran = await deno(['run', '-A', resolve('dist/cli.js'), ...args(out, '--pack', '1')], {
    env,
    timeoutSeconds: 600,
  });
  assert.is(ran.code, 0, ran.stderr);
  assertSameRuns(out, whole, RUNS);
  assert.equal(Object.keys(startsIn(out)).sort(), [address(0), address(1)]);
});

test('reproduce: a worker on each card', async () => {
  const { env } = machine('reproduce', 2, 'told');
  const out = join(scratch, 'out-reproduce');
  const ran = await rhm(['reproduce', 'curves', '--out', out, '--minutes', '0.3', '--gpus', 'all'], {
    env,
    timeoutSeconds: 600,
  });
  assert.match(ran.stderr, /runs on 2 cards, a worker process each/);
  assert.match(ran.stderr, /\(cards 0: \d+, 1: \d+\)/);
  assert.equal(Object.keys(startsIn(out)).sort(), [address(0), address(1)]);
});

test('a card that disappears while it computes: its runs go to the others, with the bits of an undisturbed sweep', async () => {
  const { folder, env } = machine('going', 3, 'told');
  const out = join(scratch, 'out-going');
  const card = join(folder, 'card1');
  const sweep = startRhm(args(out, '--pack', '1', '--checkpoint-seconds', '0.2'), env);
  await sweep.said(/"card":"card 1","done":1/);
  rmSync(card);
  // Its file is gone: new workers no longer find the card; the worker that has it is killed.
  for (const pid of children(sweep.child.pid!))
    if (readdirSync(`/proc/${pid}/fd`).some((fd) => link(pid, fd) === `${card} (deleted)`))
      process.kill(pid, 'SIGKILL');
  const { code, output } = await sweep.ended;
  assert.is(code, 0, output);
  assertSameRuns(out, whole, RUNS);
  const end = lastLine(output);
  assert.equal([end.trained, end.failed, end.interrupted], [RUNS, [], false]);
  assert.match(output, /"type":"retry".*was ended by SIGKILL/);
  assert.match(output, /"type":"device","worker":1,"place":"card 1","error":"AdapterError: No simulated card/);
});

function link(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

test('a card that is broken from the start', async () => {
  const { folder, env } = machine('broken', 2, 'told');
  writeFileSync(join(folder, 'card0'), 'fell off the bus');
  const out = join(scratch, 'out-broken');
  const ran = await rhm(args(out, '--pack', '2'), { env, timeoutSeconds: 600 });
  assert.is(ran.code, 0, ran.stderr);
  assert.equal(startsIn(out), { [address(1)]: RUNS });
  assertSameRuns(out, whole, RUNS);
  writeFileSync(join(folder, 'card1'), 'fell off the bus');
  const asked = await rhm(args(join(scratch, 'out-asked'), '--gpus', 'all'), { env, timeoutSeconds: 600 });
  assert.is(asked.code, 1);
  assert.match(asked.stderr, /AdapterError: .*fell off the bus/);
  const none = join(scratch, 'out-none');
  const without = await rhm(args(none), { env, timeoutSeconds: 600 });
  assert.is(without.code, 0, without.stderr);
  assert.match(
    without.stderr,
    /there are 2 cards.*none of which WebGPU offers \(.*fell off the bus\): computing without/,
  );
  assert.match(without.stderr, /running on WebAssembly/);
  assert.equal(startsIn(none), { unknown: RUNS });
});

test('a worker that is killed: its card continues', async () => {
  const { folder, env } = machine('killed', 2, 'told');
  const out = join(scratch, 'out-killed');
  const sweep = startRhm(args(out, '--pack', '2', '--checkpoint-seconds', '0.2'), env);
  await sweep.said(/"card":"card 0","done":2/);
  const pid = workerOn(sweep, join(folder, 'card0'));
  if (pid) process.kill(pid, 'SIGKILL');
  const { code, output } = await sweep.ended;
  assert.is(code, 0, output);
  assertSameRuns(out, whole, RUNS);
  assert.not.match(output, /"type":"device"/);
});

test('if no card can be chosen it reports this and uses one', async () => {
  const { env } = machine('fixed', 4, 'none');
  const out = join(scratch, 'out-fixed');
  const ran = await rhm(args(out, '--gpus', 'all'), { env, timeoutSeconds: 600 });
  assert.is(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /there are 4 cards: 0 to 3 .*the simulated cards cannot be chosen: one card is used/);
  assert.equal(startsIn(out), { [address(0)]: RUNS });
  for (const [gpus, message] of [
    ['2,', /AdapterError: card 2 .*: a worker was to compute on it, but it opened card 0/],
    ['1,3', /AdapterError: --gpus 1,3: there are 4 cards.*leave --gpus out to use one card/],
  ] as const) {
    const refused = await rhm(args(join(scratch, `out-${gpus}`), '--gpus', gpus), { env });
    assert.is(refused.code, 1);
    assert.match(refused.stderr, message);
  }
});

test('bad input: cards that do not exist, more workers than cards, and executors without cards', async () => {
  const { env } = machine('bad', 2, 'told');
  for (const [more, message] of [
    [['--gpus', '3'], /InputError: --gpus 3: there are not that many cards; there are 2 cards: 0 and 1/],
    [['--gpus', '0,5'], /InputError: --gpus 0,5: there is no card 5/],
    [['--gpus', 'first'], /--gpus.*all, a number of cards such as 2, or a list such as 0,2/],
    [['--gpus', '1', '--workers', '2'], /InputError: --workers 2: one card is used .*pass at most 1/],
    [['--workers', '3'], /InputError: --workers 3: 2 cards are used .*pass at most 2, or --executor wasm/],
    [['--gpus', 'all', '--executor', 'wasm'], /InputError: --gpus: cannot be combined with --executor wasm/],
    [['--gpus', 'all', '--threads', '2'], /InputError: --gpus: cannot be combined with --threads/],
    [['--gpus', 'all', '--isolate', 'thread'], /InputError: --gpus: cannot be combined with --isolate thread/],
  ] as const) {
    const out = join(scratch, 'out-bad');
    const ran = await rhm(args(out, ...more), { env });
    assert.is(ran.code, 2, `${more}: ${ran.stderr}`);
    assert.match(ran.stderr, message);
    assert.not(existsSync(join(out, 'runs')) && readdirSync(join(out, 'runs')).length, 'nothing was begun');
  }
  const named = await rhm(args(join(scratch, 'out-bad'), '--gpus', 'all', '--adapter', 'swiftshader'));
  assert.is(named.code, 2, named.stderr);
  for (const command of [
    ['sweep', 'work', '--queue', 'redis://127.0.0.1:1'],
    ['reproduce', 'curves', '--out', join(scratch, 'r')],
  ]) {
    const ran = await rhm([...command, '--gpus', '7'], { env });
    assert.is(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, /InputError: --gpus 7: there are not that many cards/);
  }
});

test('doctor --cards: every card, and how it is chosen', async () => {
  const { folder, env } = machine('doctor', 2, canCover ? 'namespace' : 'told');
  const ran = await rhm(['doctor', '--cards', '--json'], { env });
  assert.is(ran.code, 0, ran.stderr);
  const { cards, way, default: used } = JSON.parse(ran.stdout);
  assert.equal(
    cards.map(({ index, pci, files, adapter, checked }: Record<string, unknown>) => [
      index,
      pci,
      files,
      adapter,
      checked,
    ]),
    [0, 1].map((i) => [i, address(i), [join(folder, `card${i}`)], 'SwiftShader', 'open']),
  );
  assert.match(way.name, canCover ? /^unshare -(m|r -m)$/ : /^told$/);
  assert.equal(used, [0, 1]);
});

test('a queue: a worker on each card', async () => {
  const server = await startRedis();
  try {
    const { env } = machine('queue', 2, 'told');
    const out = join(scratch, 'out-queue');
    const worker = startRhm(['sweep', 'work', '--pack', '3', '--json'], { ...env, RHM_QUEUE: server.url });
    const submitted = await rhm(['sweep', 'submit', spec, '--out', out, '--json'], {
      env: { RHM_QUEUE: server.url },
      timeoutSeconds: 600,
    });
    assert.is(submitted.code, 0, submitted.stderr);
    worker.child.kill('SIGTERM');
    assert.is((await worker.ended).code, 143, worker.output);
    assertSameRuns(out, whole, RUNS);
    const starts = startsIn(out);
    assert.equal(Object.keys(starts).sort(), [address(0), address(1)], JSON.stringify(starts));
  } finally {
    await server.stop();
  }
});

test.run();
