/** A store with damaged runs: every command names file and remedy, and continues with the others. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rhm } from '../support/run.js';

const test = suite('damaged stores');
let scratch = '';
const path = (name: string) => join(scratch, name);
const spec = {
  name: 'grid',
  base: {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 8, steps: 40 },
    evaluation: { size: 16 },
  },
  seeds: 6,
};
const compute = ['--executor', 'wasm', '--threads', '1', '--isolate', 'none'];
let hashes: string[] = [];
const runFile = (i: number, file: string) => path(`store/runs/${hashes[i]}/${file}`);

function change(file: string, from: RegExp, to: string): void {
  const text = readFileSync(file, 'utf8');
  assert.match(text, from);
  writeFileSync(file, text.replace(from, to));
}

test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-damage-'));
  writeFileSync(path('grid.json'), JSON.stringify(spec));
  const ran = await rhm(['sweep', 'run', path('grid.json'), '--out', path('store'), ...compute]);
  assert.is(ran.code, 0, ran.stderr);
  cpSync(path('store'), path('sound'), { recursive: true });
  hashes = readdirSync(path('store/runs')).sort();
  // Run 0: a digit of a loss; 1: whole lines lost; 2: a digit of the experiment; 3: a bit of the weights; 4: another rule; 5:
  // intact.
  change(runFile(0, 'records.jsonl'), /"step":12,(.*)"loss":1\.(\d)/, '"step":12,$1"loss":2.$2');
  change(runFile(1, 'records.jsonl'), /(\{"type":"eval","replica":0,"step":12.*\n)[\s\S]*/, '$1');
  change(runFile(2, 'experiment.json'), /"steps": 40/, '"steps": 49');
  const weights = readFileSync(runFile(3, 'checkpoint.safetensors'));
  weights[weights.length - 99] ^= 1;
  writeFileSync(runFile(3, 'checkpoint.safetensors'), weights);
  const rules = JSON.parse(readFileSync(runFile(4, 'rules.json'), 'utf8'));
  const [a, b] = rules.rules[0][0];
  rules.rules[0][0] = [b, a];
  writeFileSync(runFile(4, 'rules.json'), JSON.stringify(rules));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const named = (i: number, file: string) => new RegExp(`${hashes[i]}/${file}: .*(restore|remove)`);

test('sweep export: the damaged runs are left out by name, the others are there, exit status 1', async () => {
  const ran = await rhm(['sweep', 'export', path('store'), '--to', path('tables'), '--format', 'csv', '--json']);
  assert.is(ran.code, 1, ran.stderr);
  for (const [i, file] of ['records.jsonl', 'records.jsonl', 'experiment.json'].entries())
    assert.match(ran.stderr, named(i, file));
  const { runs, damaged } = JSON.parse(ran.stdout);
  assert.is(runs, 3);
  assert.equal(damaged.map((d: { run: string }) => d.run).sort(), hashes.slice(0, 3));
  const rows = readFileSync(path('tables/evals.csv'), 'utf8');
  for (const [i, hash] of hashes.entries()) assert.is(rows.includes(hash), i > 2, hash);
});

test('analyze: likewise', async () => {
  const ran = await rhm(['analyze', path('store'), '--no-report', '--json']);
  assert.is(ran.code, 1, ran.stderr);
  for (const [i, file] of ['records.jsonl', 'records.jsonl', 'experiment.json'].entries())
    assert.match(ran.stderr, named(i, file));
  assert.match(ran.stderr, named(4, 'rules.json'));
  assert.not.match(ran.stderr, new RegExp(hashes[5]));
  const sound = await rhm(['analyze', path('sound'), '--no-report', '--json']);
  assert.is(sound.code, 0, sound.stderr);
  assert.not.match(sound.stderr, /left out|unchecked/);
});

test('export of weights: a flipped bit is refused, damaged records are reported', async () => {
  const refused = await rhm(['export', path(`store/runs/${hashes[3]}`), '-o', path('w.safetensors')]);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, named(3, 'checkpoint.safetensors'));
  const said = await rhm(['export', path(`store/runs/${hashes[0]}`), '-o', path('w.safetensors')]);
  assert.is(said.code, 0, said.stderr);
  assert.match(said.stderr, named(0, 'records.jsonl'));
});

test('train --resume names the file; with the remedy it continues to the same records', async () => {
  for (const [i, file] of [
    [0, 'records.jsonl'],
    [1, 'records.jsonl'],
    [2, 'experiment.json'],
    [3, 'checkpoint.safetensors'],
  ] as const) {
    const out = path(`copy-${i}/${hashes[i]}`);
    cpSync(path(`store/runs/${hashes[i]}`), out, { recursive: true });
    const again = [
      'train',
      path(`sound/runs/${hashes[i]}/experiment.json`),
      '--out',
      out,
      '--resume',
      ...compute.slice(0, 4),
    ];
    const refused = await rhm(again);
    assert.is(refused.code, 1, `${file}: ${refused.stderr}`);
    assert.match(refused.stderr, named(i, file));
    rmSync(join(out, file === 'experiment.json' ? file : 'checkpoint.safetensors'));
    const resumed = await rhm(again);
    assert.is(resumed.code, 0, resumed.stderr);
    const evals = (folder: string) =>
      readFileSync(join(folder, 'records.jsonl'), 'utf8')
        .split('\n')
        .flatMap((line) => (line.includes('"eval"') ? [line.replace(/"elapsed_ms":\d+/, '')] : []));
    assert.equal(evals(out), evals(path(`sound/runs/${hashes[i]}`)), file);
  }
});

test('sweep status --check finds all five, exit status 1; when they are removed the sweep trains them again', async () => {
  const quick = await rhm(['sweep', 'status', path('store'), '--json']);
  assert.is(JSON.parse(quick.stdout).done, 6);
  const ran = await rhm(['sweep', 'status', path('store'), '--check', '--json']);
  assert.is(ran.code, 1, ran.stderr);
  const { damaged, done, failed } = JSON.parse(ran.stdout);
  assert.equal([done, failed], [1, 5]);
  const files = ['records.jsonl', 'records.jsonl', 'experiment.json', 'checkpoint.safetensors', 'rules.json'];
  for (const [i, file] of files.entries())
    assert.match(damaged.find((d: { run: string }) => d.run === hashes[i]).faults.join(), named(i, file));
  // Nothing is trained over the damage in the meantime.
  const kept = await rhm(['sweep', 'run', path('grid.json'), '--out', path('store'), '--json', ...compute]);
  assert.is(kept.code, 1);
  assert.is(JSON.parse(kept.stdout.trim().split('\n').at(-1)!).failed.length, 5);
  for (const hash of hashes.slice(0, 5)) rmSync(path(`store/runs/${hash}`), { recursive: true });
  const again = await rhm(['sweep', 'run', path('grid.json'), '--out', path('store'), '--retry-failed', ...compute]);
  assert.is(again.code, 0, again.stderr);
  const after = await rhm(['sweep', 'status', path('store'), '--check', '--json']);
  assert.equal([after.code, JSON.parse(after.stdout).done, JSON.parse(after.stdout).unchecked], [0, 6, 0]);
});

test('a file shortened to nothing is named too', async () => {
  for (const file of ['records.jsonl', 'experiment.json', 'checkpoint.safetensors', 'rules.json']) {
    const at = path(`sound/runs/${hashes[5]}/${file}`);
    const whole = readFileSync(at);
    truncateSync(at, 0);
    const ran = await rhm(['sweep', 'status', path('sound'), '--check', '--json']);
    writeFileSync(at, whole);
    assert.is(ran.code, 1, file);
    assert.match(JSON.parse(ran.stdout).damaged[0].faults.join(), named(5, file));
  }
});

test.run();
