import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { claimFiles } from '../../src/platform/ownFiles.js';
import { rhm, sweepInto } from '../support/run.js';

const test = suite('folders of results');
const root = mkdtempSync(join(tmpdir(), 'rhm-own-'));
test.after(() => rmSync(root, { recursive: true, force: true }));

test('files of other programs are left alone, our own are overwritten', async () => {
  const out = join(root, 'out');
  mkdirSync(out);
  writeFileSync(join(out, 'runs.csv'), 'precious');
  const claim = (names: string[], ours = false) => claimFiles(out, names, '--to', () => ours);
  await claim(['runs.csv']).then(
    () => assert.unreachable(),
    (error) =>
      assert.match(error.message, /out\/runs.csv: is there already and was not written by this command; choose/),
  );
  await claim(['other.csv']);
  writeFileSync(join(out, 'other.csv'), 'ours');
  await claim(['other.csv']);
  await claim(['other.csv', 'runs.csv'], true).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /runs.csv/, 'a folder with a list goes by the list'),
  );
  const old = join(root, 'old');
  mkdirSync(old);
  writeFileSync(join(old, 'runs.csv'), 'run,name');
  await claimFiles(old, ['runs.csv'], '--to', () => true);
});

test('the commands: a sweep is exported twice, not over a table of another program; empty names', async () => {
  const grid = join(root, 'grid.json');
  const base = { model: { kind: 'hcnn', width: 4 }, grammar: { v: 4, m: 2, L: 2 }, budget: { batch: 4, steps: 8 } };
  writeFileSync(grid, JSON.stringify({ base }));
  const store = join(root, 'store');
  await sweepInto(store, grid);
  for (let i = 0; i < 2; i++) assert.is((await rhm(['sweep', 'export', store])).code, 0);
  const to = join(root, 'tables');
  mkdirSync(to);
  writeFileSync(join(to, 'evals.parquet'), 'precious');
  const refused = await rhm(['sweep', 'export', store, '--to', to]);
  assert.is(refused.code, 2, refused.stderr);
  assert.is(readFileSync(join(to, 'evals.parquet'), 'utf8'), 'precious');
  const report = join(root, 'report');
  mkdirSync(report);
  writeFileSync(join(report, 'index.html'), 'precious');
  const other = await rhm(['analyze', store, '--out', report]);
  assert.is(other.code, 2, other.stderr);
  assert.is(readFileSync(join(report, 'index.html'), 'utf8'), 'precious');
  rmSync(join(report, 'index.html'));
  for (let i = 0; i < 2; i++) {
    const done = await rhm(['analyze', store, '--out', report]);
    assert.is(done.code, 0, done.stderr);
  }
  for (const args of [
    ['train', '--set', 'model=hcnn', '--out', ''],
    ['sweep', 'run', grid, '--out', ''],
    ['analyze', store, '--out', ''],
    ['sweep', 'export', store, '--to', ''],
  ]) {
    const empty = await rhm(args, { cwd: root, timeoutSeconds: 30 });
    assert.is(empty.code, 2, `${args}: ${empty.stderr}`);
    assert.match(empty.stderr, /an empty name/);
  }
  for (const args of [
    ['analyze', store, '--out', '/proc/x/y'],
    ['sweep', 'export', store, '--to', '/proc/x/y'],
  ])
    assert.is((await rhm(args, { timeoutSeconds: 30 })).code, 1, args.join(' '));
});

test.run();
