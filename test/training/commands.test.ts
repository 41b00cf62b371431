import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { rhm } from '../support/run.js';
import { startRhm } from '../sweep/processes.js';

const test = suite('commands train, export, generate');
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-train-'));
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

const path = (name: string) => join(scratch, name);
const train = (out: string, settings: string, ...more: string[]) =>
  rhm(['train', '--set', ...settings.split(' '), '--executor', 'wasm', '--threads', '1', '--out', path(out), ...more]);
const load = (file: string) => decodeSafetensors(new Uint8Array(readFileSync(file)));
const small = 'grammar.v=6 grammar.m=2 grammar.L=2 budget.batch=8 budget.steps=40 evaluation.size=32';

test('train announces its work on standard error, and prints only JSON lines on standard output', async () => {
  const { code, stdout, stderr } = await train('hcnn', `model=hcnn model.width=8 replicas=2 ${small}`, '--json');
  assert.is(code, 0, stderr);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const result = lines.at(-1);
  const { records } = parseRecords(readFileSync(path('hcnn/records.jsonl'), 'utf8'));
  assert.equal(lines.slice(0, -1), JSON.parse(JSON.stringify(records)), 'every record, in its order');
  assert.is(result.type, 'result');
  assert.is(result.reason, 'done');
  assert.is(result.loss.length, 2);
  assert.match(stderr, new RegExp(`experiment ${result.hash}`));
  assert.match(stderr, /"perDoubling": 4/);
  assert.match(stderr, /running on WebAssembly SIMD, 1 thread(, fused multiply-add)?, [\d.]+ MiB there/);
  assert.not.match(stderr, /samples\/s/);
  const start = JSON.parse(readFileSync(path('hcnn/records.jsonl'), 'utf8').split('\n')[0]);
  assert.is(start.executor, 'wasm');
  assert.match(start.runtime, /^node 2\d/);
});

test('train --resume with a folder alone takes the experiment of that folder', async () => {
  const plain = ['--executor', 'wasm', '--threads', '1'];
  const first = await rhm([
    'train',
    '--set',
    'model=hcnn',
    'model.width=8',
    ...small.split(' '),
    ...plain,
    '--out',
    path('alone'),
  ]);
  assert.is(first.code, 0, first.stderr);
  const again = await rhm(['train', '--resume', '--out', path('alone'), '--json', ...plain]);
  assert.is(again.code, 0, again.stderr);
  assert.is(JSON.parse(again.stdout.trim().split('\n').at(-1)!).step, 40);
  const empty = await rhm(['train', '--resume', '--out', path('nothing-there')]);
  assert.is(empty.code, 2);
  assert.match(empty.stderr, /experiment: pass a file, or fields with --set/);
});

test('train --json prints records as they happen, and how it was stopped at the end', async () => {
  const settings = ['model=hcnn', 'model.width=8', ...small.split(' '), 'budget.steps=100000000'];
  const args = [
    'train',
    '--set',
    ...settings,
    '--executor',
    'wasm',
    '--threads',
    '1',
    '--out',
    path('stream'),
    '--json',
  ];
  const running = startRhm(args);
  await running.said(/"type":"start".*\n(.*\n)*.*"type":"eval".*"step":8,/);
  assert.not(running.over);
  running.child.kill('SIGTERM');
  const { code, output } = await running.ended;
  assert.is(code, 143);
  const lines = output.split('\n').filter((line) => line.startsWith('{"'));
  const { type, reason, step } = JSON.parse(lines.at(-1)!);
  assert.equal([type, reason], ['result', 'interrupted']);
  assert.ok(step >= 8);
  assert.equal(JSON.parse(lines.at(-2)!), { type: 'end', reason: 'interrupted' });
});

test('export: names and shapes of the reference, best and last, by replica', async () => {
  for (const [which, replica] of [
    ['best', 0],
    ['last', 1],
  ] as const) {
    const out = path(`${which}.safetensors`);
    const ran = await rhm([
      'export',
      path('hcnn'),
      '-o',
      out,
      '--weights',
      which,
      '--replica',
      String(replica),
      '--json',
    ]);
    assert.is(ran.code, 0, ran.stderr);
    const { tensors, metadata } = load(out);
    assert.equal(
      [...tensors].map(([name, { shape, dtype }]) => [name, dtype, ...shape]),
      [
        ['hidden.0.0.filter', 'F32', 8, 6, 2],
        ['hidden.1.0.filter', 'F32', 8, 8, 2],
        ['readout', 'F32', 8, 6],
      ],
    );
    assert.is(metadata.weights, which);
    assert.is(metadata.format, 'pt');
    assert.equal(JSON.parse(ran.stdout).tensors.readout, [8, 6]);
    const prefix = `replica.${replica}/${which === 'best' ? 'best/' : ''}`;
    const checkpoint = load(path('hcnn/checkpoint.safetensors')).tensors;
    for (const [name, { data }] of tensors) assert.equal(data, checkpoint.get(prefix + name)!.data);
  }
  const no = await rhm(['export', path('hcnn'), '-o', path('x'), '--replica', '2']);
  assert.is(no.code, 2);
  assert.match(no.stderr, /replica: got 2, .* contains 2; pass 0 to 1/);
  const none = await rhm(['export', path('nothing'), '-o', path('x')]);
  assert.is(none.code, 2);
  assert.match(none.stderr, /nothing: no such run in .*; pass a folder, a hash or the beginning of one/);
});

test('train --init starts from exported weights; files that do not fit are refused', async () => {
  const exported = path('last.safetensors');
  const frozen = `model=hcnn model.width=8 ${small.replace('steps=40', 'steps=1')} optimiser.rate=1e-12`;
  const ran = await train('init', frozen, '--init', exported);
  assert.is(ran.code, 0, ran.stderr);
  assert.equal(
    load(path('init/checkpoint.safetensors')).tensors.get('readout')!.data,
    load(exported).tensors.get('readout')!.data,
  );
  const wide = await train('wide', frozen.replace('width=8', 'width=9'), '--init', exported);
  assert.is(wide.code, 2);
  assert.match(wide.stderr, /InputError: weights: hidden.0.0.filter is \[8,6,2\], the model expects \[9,6,2\]/);
  writeFileSync(path('cut.safetensors'), readFileSync(exported).subarray(0, 300));
  const cut = await train('cut', frozen, '--init', path('cut.safetensors'));
  assert.is(cut.code, 2);
  assert.match(cut.stderr, /InputError: --init .*the file is damaged/);
});

test('a refused run leaves no folder; a folder that cannot be made', async () => {
  for (const [settings, says] of [
    ['measures=["invariant"]', /measures: got "invariant"; did you mean invariance\?/],
    ['budget.batch=9 budget.sentences=8', /budget.batch: 9 sentences per step, budget.sentences P = 8/],
    ['model.filter=3', /take model.filter = 2, or another divisor of 4/],
    ['grammar.rules=[[[[0,1]]]]', /rules: expected 2 entries \(one entry per level, L\), got 1/],
  ] as const) {
    const { code, stderr } = await train('refused', `model=hcnn model.width=8 ${small} ${settings}`);
    assert.is(code, 2);
    assert.match(stderr, says);
    assert.not.ok(existsSync(path('refused')));
  }
  if (!existsSync('/proc/version')) return;
  const { code, stderr } = await train('unused', `model=hcnn model.width=8 ${small}`, '--out', '/proc/x/y');
  assert.is(code, 1);
  assert.match(stderr, /FileError: .*could not make the folder: E\w+; .*choose another --out/);
});

test('generate: sentences of a clm as JSON and as text; other models are refused', async () => {
  const ran = await train('clm', `model=clm task=auto model.channels=8 model.heads=2 model.depth=1 ${small}`);
  assert.is(ran.code, 0, ran.stderr);
  const args = ['generate', path('clm'), '--executor', 'wasm', '--count', '70', '--seed', '4'];
  const { stdout } = await rhm([...args, '--json', '--show', '70']);
  const { grammatical, sentences } = JSON.parse(stdout);
  assert.is(sentences.length, 70);
  assert.ok(sentences.every((s: number[]) => s.length === 4 && s.every((t) => t >= 0 && t < 6)));
  assert.is(grammatical.length, 3);
  assert.is(grammatical[0], 1);
  // The fractions, recounted from the rules in the folder.
  const { rules } = JSON.parse(readFileSync(path('clm/rules.json'), 'utf8')) as { rules: number[][][][] };
  const pairs = new Set(rules[1].flat().map((tuple) => tuple.join()));
  const fine = sentences.filter((s: number[]) => [0, 2].every((i) => pairs.has(`${s[i]},${s[i + 1]}`))).length;
  assert.ok(Math.abs(grammatical[1] - fine / 70) < 1e-12, `${grammatical[1]}, counted ${fine} of 70`);
  const text = await rhm([...args, '--show', '2', '--temperature', '0']);
  assert.match(text.stdout, /^(\d \d \d \d\n){2}70 sentences at temperature 0, grammatical up to level 0: 100.0 %/);
  const refused = await rhm(['generate', path('hcnn'), '--executor', 'wasm']);
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /task.kind: the run learnt 'last'/);
});

test('a buffer larger than the adapter allows is refused with the numbers', async () => {
  const { code, stderr } = await rhm([
    ...[
      'train',
      '--set',
      'model=hcnn',
      'model.width=40000',
      'grammar.L=2',
      'budget.steps=1',
      '--adapter',
      'swiftshader',
    ],
    ...['--out', path('large')],
  ]);
  assert.not.equal(code, 0);
  assert.match(stderr, /ShapeError: buffer velocity: 1280\d* bytes, the adapter's limit is \d+; use fewer replicas/);
});

test.run();
