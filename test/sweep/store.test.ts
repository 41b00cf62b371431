/** The store on disk: who may work in a run's folder, and which damage the index survives. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { FolderBusyError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { openRunFolder } from '../../src/platform/nodeFolder.js';
import { openSweepFolder } from '../../src/platform/sweepFolder.js';
import { repairStore } from '../../src/sweep/repair.js';
import { foldIndex, IndexFold, indexLines } from '../../src/sweep/store.js';
import { train } from '../../src/training/loop.js';

const test = suite('store of a sweep');
const scratch = mkdtempSync(join(tmpdir(), 'rhm-store-'));
test.after(() => rmSync(scratch, { recursive: true, force: true }));

test('another machine’s process holds a folder while its lock is touched, and no longer', async () => {
  const store = openSweepFolder(join(scratch, 'locks'));
  const folder = store.location('abc');
  mkdirSync(folder, { recursive: true });
  const lock = join(folder, 'run.lock');
  writeFileSync(lock, JSON.stringify({ pid: 17, host: 'elsewhere', started: '1' }));
  assert.is(await store.holder('abc'), 'process 17 on elsewhere');
  assert.throws(
    () => openRunFolder(folder),
    (error: unknown) => error instanceof FolderBusyError && /process 17 on elsewhere/.test(error.message),
  );
  const before = new Date(Date.now() - 10 * 60_000);
  utimesSync(lock, before, before);
  assert.is(await store.holder('abc'), undefined);
  const open = openRunFolder(folder);
  assert.match((await store.holder('abc'))!, new RegExp(`process ${process.pid} on `));
  await open.release();
  assert.is(await store.holder('abc'), undefined);
});

test('many processes append to one index: no line is lost or mixed', async () => {
  const directory = join(scratch, 'index');
  const store = openSweepFolder(directory);
  // Each process appends like the store does, 300 times, a line of 100 to 3000 characters.
  const script = `
    const { appendFileSync } = require('node:fs');
    const [file, who] = process.argv.slice(1);
    for (let i = 0; i < 300; i++)
      appendFileSync(file, '\\n' + JSON.stringify({ run: who + '-' + i, state: 'done', at: i, name: who.repeat(100 + (i * 37) % 2900) }) + '\\n');`;
  const ends = ['a', 'b', 'c', 'd'].map(
    (who) =>
      new Promise((done) =>
        spawn(process.execPath, ['-e', script, join(directory, 'index.jsonl'), who]).on('exit', done),
      ),
  );
  for (let i = 0; i < 100; i++) await store.note([{ run: `me-${i}`, state: 'waiting', at: i }]);
  assert.equal(await Promise.all(ends), [0, 0, 0, 0]);
  const entries = await store.read();
  assert.is(entries.size, 4 * 300 + 100);
  for (const who of ['a', 'b', 'c', 'd'])
    for (let i = 0; i < 300; i++) assert.is(entries.get(`${who}-${i}`)!.name, who.repeat(100 + ((i * 37) % 2900)));
});

test('an index cut off at any byte loses at most its last line, and what is appended then is read', () => {
  const events = Array.from({ length: 6 }, (_, i) => ({
    run: `r${i}`,
    state: 'done' as const,
    at: i,
    loss: 0.25 * i,
    step: i,
  }));
  const whole = indexLines(events);
  const last = [{ run: 'last', state: 'failed' as const, at: 9, error: 'why', tries: 3 }];
  for (let cut = 0; cut <= whole.length; cut++) {
    const entries = foldIndex(whole.slice(0, cut) + indexLines(last));
    const lines = whole
      .slice(0, cut)
      .split('\n')
      .filter((line) => line.endsWith('}')).length;
    assert.is(entries.size, lines + 1, `cut at ${cut}`);
    assert.equal([entries.get('last')!.state, entries.get('last')!.error], ['failed', 'why']);
  }
});

test('an index read in pieces equals the index, wherever the pieces end', async () => {
  const events = Array.from({ length: 5 }, (_, i) => ({
    run: `r${i}`,
    state: 'failed' as const,
    at: i,
    error: 'ℓ = ½',
  }));
  const whole = `${indexLines(events)}{"run":"half`;
  for (let cut = 0; cut <= whole.length; cut++) {
    const index = new IndexFold();
    index.add(whole.slice(0, cut));
    index.add(whole.slice(cut));
    assert.equal([...index.end()], [...foldIndex(whole)], `cut at ${cut}`);
  }
  // On disk, longer than one read, with characters of several bytes at the boundaries.
  const out = join(scratch, 'pieces');
  const store = openSweepFolder(out);
  const many = Array.from({ length: 3000 }, (_, i) => ({
    run: `r${i}`,
    state: 'failed' as const,
    at: i,
    error: 'ℓ½'.repeat(300 + (i % 7)),
  }));
  await store.note(many);
  const entries = await store.read();
  assert.is(entries.size, many.length);
  for (const { run, error } of many) assert.is(entries.get(run)!.error, error);
});

test('two processes that make one store agree on it', () => {
  const directory = join(scratch, 'agree');
  const [first, second] = [openSweepFolder(directory), openSweepFolder(directory)];
  assert.is(first.id, second.id);
  assert.equal(JSON.parse(readFileSync(join(directory, 'store.json'), 'utf8')), {
    format: 'rhm sweep store',
    version: 1,
    id: first.id,
  });
});

test('a store that another process is making is left to it; an abandoned one is removed', () => {
  const directory = join(scratch, 'half-made');
  mkdirSync(directory);
  const young = join(directory, 'store.json.0a.tmp');
  const old = join(directory, 'store.json.0b.tmp');
  for (const file of [young, old]) writeFileSync(file, '');
  const before = new Date(Date.now() - 10 * 60_000);
  utimesSync(old, before, before);
  openSweepFolder(directory);
  assert.equal(
    [young, old].map((file) => existsSync(file)),
    [true, false],
  );
});

test('an entry is what its last line says: earlier errors and holders are gone, other fields stay, counts are counts', () => {
  const entries = foldIndex(
    indexLines([
      { run: 'a', state: 'running', at: 1, name: 'first', by: 'process 1 on here', tries: 2 },
      { run: 'a', state: 'failed', at: 2, error: 'it broke', step: 7 },
      { run: 'a', state: 'waiting', at: 3, tries: -1, step: 2.5 },
    ]),
  );
  const { error, by, ...entry } = entries.get('a')!;
  assert.equal([error, by], [undefined, undefined]);
  assert.equal(entry, { run: 'a', state: 'waiting', at: 3, name: 'first', tries: 2, step: 7 });
});

test('a thorough check corrects a step that is wrong in the index, and writes nothing without permission', async () => {
  const store = openSweepFolder(join(scratch, 'thorough'));
  const experiment = parseExperiment({
    ...{ model: { kind: 'hcnn', width: 4 }, grammar: { v: 4, m: 2, L: 2 }, budget: { steps: 4 } },
    evaluation: { size: 8 },
  });
  const hash = await contentHash(experiment);
  const executor = wasmExecutor({ threads: 1 });
  const folder = openRunFolder(store.location(hash));
  try {
    await train(experiment, { folder, executor });
  } finally {
    await folder.release();
    await executor.destroy();
  }
  const { entries } = await repairStore(store);
  const { loss } = entries.get(hash)!;
  assert.equal([entries.get(hash)!.state, entries.get(hash)!.step], ['done', 4]);
  await store.note([{ run: hash, state: 'done', at: 1, loss, step: 3 }]);
  const before = readFileSync(join(store.name, 'index.jsonl'), 'utf8');
  const quiet = await repairStore(store, { thorough: true, quiet: true });
  assert.equal([quiet.entries.get(hash)!.step, quiet.repaired], [4, 1]);
  assert.is(readFileSync(join(store.name, 'index.jsonl'), 'utf8'), before);
  await repairStore(store, { thorough: true });
  assert.is((await store.read()).get(hash)!.step, 4);
});

test.run();
