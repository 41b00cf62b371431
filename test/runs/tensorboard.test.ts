/** `rhm export --tensorboard`, read back by an independent reader. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32c } from '../../src/core/crc32c.js';
import { type EvalRecord, type MeasureRecord, parseRecords } from '../../src/core/records.js';
import { rhm, sweepInto } from '../support/run.js';

const test = suite('rhm export --tensorboard');
let scratch = '';
let store = '';
test.before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-tensorboard-'));
  store = join(scratch, 'store');
  const grid = join(scratch, 'grid.json');
  const base = {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 6, m: 2, L: 2 },
    budget: { batch: 8, steps: 100 },
    evaluation: { size: 32, validation: 16 },
    measures: ['norms'],
    replicas: 2,
  };
  writeFileSync(grid, JSON.stringify({ base, grid: { 'model.width': [8, 16] } }));
  await sweepInto(store, grid);
});
test.after(() => rmSync(scratch, { recursive: true, force: true }));

/** Fields of a protocol buffer: number, and a number or bytes. */
function* fieldsOf(bytes: Buffer): Generator<[field: number, value: number | Buffer]> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key & 7;
    if (kind === 0) yield [key >> 3, varint()];
    else {
      const size = kind === 1 ? 8 : kind === 5 ? 4 : varint();
      const part = bytes.subarray(at, at + size);
      at += size;
      yield [key >> 3, kind === 1 ? part.readDoubleLE() : kind === 5 ? part.readFloatLE() : part];
    }
  }
}

const unmasked = (masked: number) => {
  const turned = (masked - 0xa282ead8) >>> 0;
  return ((turned >>> 17) | (turned << 15)) >>> 0;
};

/** Tag to its values by step, and the times. */
function readEvents(file: string) {
  const bytes = readFileSync(file);
  const scalars = new Map<string, Map<number, number>>();
  const times: number[] = [];
  let version = '';
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    assert.is(unmasked(bytes.readUInt32LE(at + 8)), crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.is(unmasked(bytes.readUInt32LE(at + 12 + length)), crc32c(data));
    at += 16 + length;
    let step = 0;
    for (const [field, value] of fieldsOf(data)) {
      if (field === 1) times.push(value as number);
      if (field === 2) step = value as number;
      if (field === 3) version = String(value);
      if (field !== 5) continue;
      for (const [, one] of fieldsOf(value as Buffer)) {
        const parts = new Map(fieldsOf(one as Buffer));
        const tag = String(parts.get(1));
        scalars.set(tag, (scalars.get(tag) ?? new Map()).set(step, parts.get(2) as number));
      }
    }
  }
  assert.is(version, 'brain.Event:2');
  return { scalars, times };
}

test('every evaluation, test and measure of every replica, at its step and its time', async () => {
  const before = Date.now() / 1000 - 3600;
  const ran = await rhm(['export', '--tensorboard', store, '--json']);
  assert.is(ran.code, 0, ran.stderr);
  const result = JSON.parse(ran.stdout);
  assert.equal([result.runs, result.files.length, result.folder], [2, 4, join(store, 'tensorboard')]);
  for (const run of readdirSync(join(store, 'runs')))
    for (const replica of [0, 1]) {
      const file = result.files.find((f: string) => f.includes(`-${run.slice(0, 8)}/replica.${replica}/`));
      assert.match(file, /\/model\.width=(8|16)-/);
      const { scalars, times } = readEvents(file);
      const { records } = parseRecords(readFileSync(join(store, 'runs', run, 'records.jsonl'), 'utf8'));
      const mine = records.filter((r) => 'replica' in r && r.replica === replica);
      const evals = mine.filter((r): r is EvalRecord => r.type === 'eval');
      const values = (tag: string) => [...scalars.get(tag)!];
      assert.equal(
        values('loss/validation'),
        evals.map(({ step, loss }) => [step, Math.fround(loss)]),
      );
      assert.equal(
        values('accuracy/validation'),
        evals.map(({ step, accuracy }) => [step, Math.fround(accuracy)]),
      );
      const [tested] = mine.filter((r) => r.type === 'test');
      assert.equal(values('loss/test at best'), [[tested.step, Math.fround(tested.loss)]]);
      const norms = mine.filter((r): r is MeasureRecord => r.type === 'measure' && r.name === 'weight-norm');
      assert.equal(
        values('measures/weight-norm'),
        norms.map(({ step, value }) => [step, Math.fround(value)]),
      );
      const [start] = records.filter((r) => r.type === 'start');
      const began = Date.parse(start.time!) / 1000;
      for (const [i, { elapsed_ms }] of evals.entries())
        assert.ok(Math.abs(times[i + 1] - (began + elapsed_ms / 1000)) < 1e-3, 'behind the version, an event a step');
      assert.ok(
        times.every((time, i) => time > before && time < Date.now() / 1000 && (i === 0 || time >= times[i - 1] - 1)),
      );
    }
});

test('again: the same files anew; some runs; one run; refusals', async () => {
  const again = await rhm(['export', '--tensorboard', store, '--where', 'model.width=8', '--json']);
  assert.is(again.code, 0, again.stderr);
  assert.is(JSON.parse(again.stdout).runs, 1);
  const [run] = readdirSync(join(store, 'runs'));
  const out = join(scratch, 'single');
  const single = await rhm(['export', '--tensorboard', join(store, 'runs', run), '-o', out]);
  assert.is(single.code, 0, single.stderr);
  assert.match(single.stdout, /view them with: tensorboard --logdir/);
  const foreign = join(scratch, 'foreign');
  await rhm(['export', '--tensorboard', store, '-o', foreign]);
  rmSync(join(foreign, '.rhm-files.json'));
  for (const [args, pattern] of [
    [['--tensorboard', store, '-o', foreign], /is there already and was not written by this command/],
    [['--tensorboard', store, '--where', 'model.width=9'], /no run meets model\.width=9/],
    [['--tensorboard', join(scratch, 'nowhere')], /nowhere: no such folder/],
    [[join(store, 'runs', run)], /--out: pass a safetensors file to write, or --tensorboard/],
    [[join(store, 'runs', run), '-o', 'x', '--where', 'seed=1'], /--where: chooses among runs for --tensorboard/],
  ] satisfies [string[], RegExp][]) {
    const { code, stderr } = await rhm(['export', ...args]);
    assert.is(code, 2, stderr);
    assert.match(stderr, pattern);
  }
  assert.not(existsSync('x'));
});

test('a run with damaged records is left out and named', async () => {
  const [run] = readdirSync(join(store, 'runs'));
  const records = join(store, 'runs', run, 'records.jsonl');
  const text = readFileSync(records, 'utf8');
  writeFileSync(records, text.replace(/"loss":\d/, '"loss":9'));
  const ran = await rhm(['export', '--tensorboard', store, '--json']);
  writeFileSync(records, text);
  assert.is(ran.code, 1);
  assert.match(ran.stderr, /left out: .*records\.jsonl: .*do not fit their check/);
  const { runs, damaged } = JSON.parse(ran.stdout);
  assert.equal([runs, damaged.map((one: { run: string }) => one.run)], [1, [run]]);
});

test.run();
