/**
 * The disk fills up at every kind of write of every command that writes: the command ends with one sentence that reports it,
 * leaves nothing incomplete, and continues when there is room. A layer below the program simulates the disk, so that no
 * privileges are needed; training/fullDisk and faults/suspend fill real file systems.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Ran, rhm } from '../support/run.js';
import { outcomeOf } from '../sweep/support.js';

const test = suite('full disks, at every kind of write');
let scratch = '';
const at = (...names: string[]) => join(scratch, ...names);
test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-full-'));
  writeFileSync(at('experiment.json'), JSON.stringify(experiment));
  writeFileSync(at('grid.json'), JSON.stringify({ base: experiment, seeds: 3 }));
  const [trained, swept] = [
    await rhm(train(at('source'))),
    await rhm(['sweep', 'run', at('grid.json'), '--out', at('store'), ...wasm]),
  ];
  assert.equal([trained.code, swept.code], [0, 0], trained.stderr + swept.stderr);
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const experiment = {
  model: { kind: 'hcnn', width: 8 },
  grammar: { v: 6, m: 3, L: 3 },
  budget: { batch: 16, sentences: 64, epochs: 60, patience: 4 },
  evaluation: { size: 64, validation: 32 },
};
const wasm = ['--executor', 'wasm', '--threads', '1', '--checkpoint-seconds', '0.01'];
const train = (out: string) => ['train', at('experiment.json'), ...wasm, '--out', out];
const preload = pathToFileURL(resolve('test/faults/fixtures/full.mjs')).href;

/** Runs a command on a disk that has room for all changes before number `from`; without it for all. */
async function on(folder: string, args: readonly string[], from?: number): Promise<Ran & { changes: string[] }> {
  const [log, flag] = [at('changes.log'), at('full.flag')];
  for (const file of [log, flag]) rmSync(file, { force: true });
  const setting = { folder: `${folder}/`, log, ...(from !== undefined && { at: from, flag }) };
  const env = { RHM_FULL: JSON.stringify(setting), NODE_OPTIONS: `--import=${preload}` };
  const ran = await rhm(args, { env });
  return { ...ran, changes: existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [] };
}

/** The numbers of the first and the last change to each kind of file. byEnding: kinds are identified by the ends of names. */
function phases(changes: readonly string[], byEnding = false): Map<string, number> {
  const found = new Map<string, number>();
  for (const change of changes) {
    const [, count, path] = /^(\d+) (.*)$/.exec(change)!;
    const whole = path
      .replace(/\.partial-.*/, '')
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')
      .replace(/\b[0-9a-f]{16}\b/g, 'HASH');
    const kind = byEnding ? whole.replace(/.*\//, '').replace(/.*(?=\.)/, '') : whole;
    if (!found.has(`first ${kind}`)) found.set(`first ${kind}`, Number(count));
    found.set(`last ${kind}`, Number(count));
  }
  return found;
}

const leftovers = (folder: string) =>
  readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /partial|\.tmp$|run\.lock/.test(name));
const contents = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(folder.length), readFileSync(file).toString('base64')]),
  );
const outcomes = (folder: string) => readdirSync(folder).map((name) => [name, outcomeOf(join(folder, name))]);

interface Writer {
  args: (folder: string) => string[];
  /** Arguments with which it continues, if they differ. */
  again?: (folder: string) => string[];
  /** Files that must be among those at which it was stopped. */
  writes: RegExp[];
  /** What it came to. */
  result: (folder: string) => unknown;
  says?: RegExp;
  /** So many files that kinds are distinguished by their endings. */
  many?: boolean;
}

const writers: Record<string, Writer> = {
  train: {
    args: (folder) => train(join(folder, 'run')),
    again: (folder) => [
      ...train(join(folder, 'run')),
      ...(existsSync(join(folder, 'run', 'experiment.json')) ? ['--resume'] : []),
    ],
    writes: [/run$/, /experiment\.json/, /rules\.json/, /records\.jsonl/, /checkpoint/, /run\.lock/],
    result: (folder) => outcomeOf(join(folder, 'run')),
    says: /FileError: .*ENOSPC; the disk is full; free some space/,
  },
  'sweep run': {
    args: (folder) => ['sweep', 'run', at('grid.json'), '--out', join(folder, 'store'), '--pack', '1', ...wasm],
    writes: [/store\.json/, /index\.jsonl/, /runs$/, /experiment\.json/, /records\.jsonl/, /checkpoint/, /run\.lock/],
    result: (folder) => outcomes(join(folder, 'store', 'runs')),
    says: /no room on the disk: .*ENOSPC; free some space, then run the same command again to continue|FileError: .*ENOSPC/,
  },
  'sweep export': {
    args: (folder) => ['sweep', 'export', at('store'), '--to', join(folder, 'tables')],
    writes: [/runs\.csv/, /evals\.csv/, /runs\.parquet/, /tables$/],
    result: (folder) => contents(join(folder, 'tables')),
  },
  export: {
    args: (folder) => ['export', at('source'), '-o', join(folder, 'weights.safetensors')],
    writes: [/weights/],
    result: contents,
  },
  analyze: {
    args: (folder) => ['analyze', at('store', 'runs'), '--out', join(folder, 'report')],
    writes: [/\.html/, /\.svg/, /\.csv/, /report$/],
    many: true,
    result: (folder) => Object.keys(contents(join(folder, 'report'))).sort(),
  },
  rules: {
    args: (folder) => ['rules', '-v', '8', '-m', '2', '-L', '2', '-o', join(folder, 'rules.json')],
    writes: [/rules\.json/],
    result: contents,
  },
  sample: {
    args: (folder) => ['sample', '-v', '8', '-m', '2', '-L', '2', '--count', '50', '-o', join(folder, 'sentences.npy')],
    writes: [/sentences/],
    result: contents,
  },
};

for (const [name, { args, again = args, writes, result, many, says = /ENOSPC|no space left/ }] of Object.entries(
  writers,
))
  test(`rhm ${name}`, async () => {
    writeFileSync(at('experiment.json'), JSON.stringify(experiment));
    const whole = at(`whole ${name}`);
    mkdirSync(whole);
    const ran = await on(whole, args(whole));
    assert.is(ran.code, 0, ran.stderr);
    const want = result(whole);
    const stops = phases(ran.changes, many);
    for (const file of writes)
      assert.ok(
        [...stops.keys()].some((stop) => file.test(stop)),
        `${file} of ${[...stops.keys()]}`,
      );
    const tried = new Set<number>();
    let stopped = 0;
    for (const [stop, count] of stops) {
      if (tried.has(count)) continue;
      tried.add(count);
      const folder = at(`${name} ${count}`);
      mkdirSync(folder);
      const full = await on(folder, args(folder), count);
      const told = `${name}, ${stop}: ${full.code} ${full.stdout.slice(-1500)}${full.stderr}`;
      if (!existsSync(at('full.flag'))) continue; // it took a different path and never reached that change
      stopped++;
      assert.is(full.code, 1, told);
      assert.match(full.stderr + full.stdout, says, told);
      assert.not.match(full.stderr + full.stdout, /not expected|^ {4}at |set aside|--debug/m, told);
      assert.equal(leftovers(folder), [], told);
      const more = await on(folder, again(folder));
      assert.is(more.code, 0, `${told}\nwith room: ${more.stdout.slice(-1500)}${more.stderr}`);
      assert.equal(result(folder), want, told);
      assert.equal(leftovers(folder), [], told);
      rmSync(folder, { recursive: true });
    }
    assert.ok(stopped >= 0.7 * tried.size, `${stopped} of ${tried.size}`);
    console.log(`${name}: full at ${stopped} of ${ran.changes.length} changes`);
  });

test.run();
