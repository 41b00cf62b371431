/**
 * Power cuts, from a trace of the changes that `rhm sweep run` makes to the file system. After each step the disk may contain only
 * what was synced, the names without the data, or everything: no state is refused for good, and nothing acknowledged is lost.
 * RHM_SOAK=1: every state.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRecords } from '../../src/core/records.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { openRunFolder } from '../../src/platform/nodeFolder.js';
import { openSweepFolder } from '../../src/platform/sweepFolder.js';
import { trainChunk } from '../../src/sweep/chunk.js';
import { expandGrid } from '../../src/sweep/grid.js';
import { runSweep } from '../../src/sweep/schedule.js';
import { run } from '../support/run.js';

const test = suite('power loss');
const executor = wasmExecutor({ threads: 1 });
let scratch = '';
let store = '';
let trace: Step[] = [];
const grid = {
  base: {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 8, steps: 30 },
    evaluation: { size: 16 },
  },
  seeds: 2,
};

interface Step {
  op: 'create' | 'write' | 'rename' | 'link' | 'remove' | 'mkdir' | 'sync';
  path: string;
  to?: string;
  truncate?: boolean;
  base64?: string;
}

test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-power-'));
  store = join(scratch, 'deep', 'er', 'store');
  writeFileSync(join(scratch, 'grid.json'), JSON.stringify(grid));
  const command = [resolve('dist/cli.js'), 'sweep', 'run', join(scratch, 'grid.json'), '--out', store];
  const options = [
    '--executor',
    'wasm',
    '--threads',
    '1',
    '--isolate',
    'none',
    '--pack',
    '1',
    '--checkpoint-seconds',
    '0',
  ];
  const ran = await run(
    process.execPath,
    ['--import', resolve('test/faults/fixtures/trace.mjs'), ...command, ...options],
    {
      env: { RHM_TRACE: join(scratch, 'trace') },
    },
  );
  assert.is(ran.code, 0, ran.stderr);
  const steps: Step[] = readFileSync(join(scratch, 'trace'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  trace = steps
    .filter(({ path }) => path !== undefined && `${resolve(path)}/`.startsWith(`${scratch}/`))
    .map((step) => ({ ...step, path: resolve(step.path), to: step.to && resolve(step.to) }));
});
test.after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await executor.destroy();
});

test('order of calls: data before their name, names before anything relies on them', () => {
  const renamed = trace.filter((step) => step.op === 'rename');
  assert.ok(renamed.length > 20, `${renamed.length} renames`);
  for (const [i, step] of trace.entries()) {
    if (step.op !== 'rename' && !(step.op === 'link' && /store.json$/.test(step.to!))) continue;
    const before = trace
      .slice(0, i)
      .findLast(({ path, op }) => path === step.path && (op === 'sync' || op === 'write'));
    assert.is(before?.op, 'sync', `${step.path} was synced after its last write, before it got its name`);
    const after = trace.slice(i + 1).find(({ op, path }) => op === 'sync' || (op === 'rename' && path !== step.path));
    assert.is(after?.path, dirname(step.to!), `the folder of ${step.to} is synced after it`);
  }
  for (const [i, step] of trace.entries()) {
    if (step.op === 'mkdir')
      assert.ok(
        trace.slice(i).some(({ op, path }) => op === 'sync' && path === dirname(step.path)),
        `parent of ${step.path}`,
      );
    if (step.op === 'write' && /(records|index)\.jsonl$/.test(step.path))
      assert.equal([trace[i + 1].op, trace[i + 1].path], ['sync', step.path], 'an append is synced at once');
  }
});

type Inode = { pending: Buffer; synced: Buffer | undefined };
type Names = Map<string, Inode | 'folder'>;
type Kind = 'synced' | 'names' | 'all';

/** The disk after the first `count` steps: only what was synced; all names with synced data only; everything. */
function diskAfter(count: number, kind: Kind): Names {
  const now: Names = new Map();
  let durable: Names = new Map();
  for (const { op, path, to, truncate, base64 } of trace.slice(0, count)) {
    const file = now.get(path) as Inode;
    if (op === 'mkdir') now.set(path, 'folder');
    else if (op === 'create') {
      if (!file) now.set(path, { pending: Buffer.alloc(0), synced: undefined });
      else if (truncate) file.pending = Buffer.alloc(0);
    } else if (op === 'write') file.pending = Buffer.concat([file.pending, Buffer.from(base64!, 'base64')]);
    else if (op === 'rename') {
      now.set(to!, file);
      now.delete(path);
    } else if (op === 'link') now.set(to!, file);
    else if (op === 'remove') now.delete(path);
    else if (file === ('folder' as never) || !file) {
      // A folder's names become durable, and with them the path to it, as in journaling file systems.
      const kept = [...now].filter(([name]) => dirname(name) === path);
      durable = new Map([...[...durable].filter(([name]) => dirname(name) !== path), ...kept]);
    } else file.synced = file.pending;
  }
  if (kind === 'synced') return durable;
  return now;
}

function lay(names: Names, kind: Kind, target: string): void {
  mkdirSync(join(target, 'deep'), { recursive: true });
  const at = (path: string) => join(target, path.slice(scratch.length));
  for (const [path, entry] of [...names].sort(([a], [b]) => a.length - b.length)) {
    if (!reachable(path, names)) continue;
    if (entry === 'folder') mkdirSync(at(path), { recursive: true });
    else {
      mkdirSync(dirname(at(path)), { recursive: true });
      writeFileSync(at(path), kind === 'all' ? entry.pending : (entry.synced ?? Buffer.alloc(0)));
    }
  }
}

/** Whether all parent folders exist. */
function reachable(path: string, names: Names): boolean {
  for (let above = dirname(path); above !== scratch; above = dirname(above)) if (!names.has(above)) return false;
  return true;
}

test('after a power cut at any step the same command completes the sweep to the same results', async () => {
  const { runs } = await expandGrid(grid);
  const evals = (at: string, hash: string) =>
    parseRecords(readFileSync(join(at, 'runs', hash, 'records.jsonl'), 'utf8')).records.flatMap((r) =>
      r.type === 'eval' ? [[r.step, r.loss]] : [],
    );
  const want = runs.map(({ hash }) => evals(store, hash));
  const states: [number, Kind][] = [];
  const every = process.env.RHM_SOAK ? 1 : 97;
  for (let count = 0; count <= trace.length; count += count < 15 ? 1 : every)
    for (const kind of ['synced', 'names', 'all'] as const) states.push([count, kind]);
  let refused = 0;
  const target = join(scratch, 'after');
  for (const [count, kind] of states) {
    const disk = diskAfter(count, kind);
    lay(disk, kind, target);
    const at = join(target, store.slice(scratch.length));
    const where = `${count} of ${trace.length} steps, ${kind}`;
    try {
      const found = openSweepFolder(at);
      // Runs that are complete by the index are complete.
      const complete = [...(await found.read()).values()].filter((entry) => entry.state === 'done');
      for (const { run: hash } of complete)
        assert.equal(evals(at, hash), want[runs.findIndex((one) => one.hash === hash)], where);
      const site = {
        openFolder: async (path: string) => openRunFolder(path),
        executor: async () => executor,
        host: { runtime: 'test' },
      };
      const startWorker = async () => ({
        train: (chunk: never, hooks: never) => trainChunk(chunk, site, hooks),
        close: async () => {},
      });
      const result = await runSweep(runs, found, { startWorker: startWorker as never });
      assert.equal(
        result.failed.map(({ error }) => error),
        [],
        where,
      );
      for (const [i, { hash }] of runs.entries()) assert.equal(evals(at, hash), want[i], where);
    } catch (error) {
      refused++;
      if (refused === 1) console.log(`${where}: ${error}`);
    }
    rmSync(target, { recursive: true });
  }
  console.log(`${states.length} states after a power cut, ${refused} refused`);
  assert.is(refused, 0);
});

test.run();
