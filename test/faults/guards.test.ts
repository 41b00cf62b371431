/** Faults that no other test would notice. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { formatRecord, inspectRecords, RecordLines, type RunRecord } from '../../src/core/records.js';
import { makeRules } from '../../src/core/rules.js';
import { safetensorsMetadata } from '../../src/core/safetensors.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import { endOf } from '../../src/sweep/store.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { lostRecords } from '../../src/training/integrity.js';
import { type TrainOptions, train } from '../../src/training/loop.js';

const test = suite('guards');
const executor = wasmExecutor({ threads: 1 });
test.after(() => executor.destroy());

const text = (folder: MemoryFolder) => new TextDecoder().decode(folder.contents.get(files.records));
const recordsOf = (folder: MemoryFolder) => inspectRecords(text(folder)).records;

const base: ExperimentInput = {
  model: { kind: 'hcnn', width: 8 },
  grammar: { v: 6, m: 2, L: 2 },
  budget: { batch: 16, steps: 60 },
  evaluation: { size: 32 },
};
const go = (folder: MemoryFolder, options: Partial<TrainOptions> = {}, experiment = parseExperiment(base)) =>
  train(experiment, { folder, executor, ...options });

const hashes: [ExperimentInput, string][] = [
  [{}, 'a200c0fa5c608eed'],
  [{ replicas: 2 }, 'a0ffad9d556d0521'],
  [{ replicas: 3 }, '51e435bccf754a5b'],
  [{ seed: 1 }, 'd8805acbe3a7ea44'],
  [{ seed: 2 ** 53 - 2 }, 'f5124b64c56fd360'],
  [{ grammar: { v: 6, m: 2, L: 2 } }, '4f43b6190885ae2e'],
  [{ grammar: { v: 6, m: 2, L: 2, seed: 3 } }, '9665682956320bc1'],
  [{ grammar: { v: 6, m: 3, L: 2 } }, '579e40e4b7166ed4'],
  [{ model: { kind: 'hlcn', width: 64 } }, 'df47e0b72793635d'],
  [{ model: { kind: 'fcn', width: 64 }, task: 'class' }, '6d9bf86ceec2d75e'],
  [{ model: { kind: 'mla', channels: 32, heads: 4 } }, '6f39596ac5a3e1e9'],
  [{ model: { kind: 'clm', channels: 32, heads: 4 }, task: 'auto' }, '6bb20ce854b7d359'],
  [{ optimiser: { kind: 'adamw', rate: 0.001 } }, 'dedf6fb7965b21c1'],
  [{ schedule: { kind: 'cosine', warmup: 10 } }, '077d7eca1bae4873'],
  [{ budget: { batch: 64 } }, '6b731a36447e3ed8'],
  [{ budget: { batch: 64, sentences: 1024, epochs: 3 } }, '02a85284cd88936e'],
  [{ measures: ['invariance'] }, '48be9ef29142c3eb'],
];

test('hashes of experiments have not changed', async () => {
  for (const [input, hash] of hashes) assert.is(await contentHash(parseExperiment(input)), hash, JSON.stringify(input));
  assert.is(new Set(hashes.map(([, hash]) => hash)).size, hashes.length, 'every field counts');
});

test('the order of keys does not count, the order of lists does', async () => {
  const reversed = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, inner]) => [key, reversed(inner)]),
        )
      : value;
  for (const [input, hash] of hashes) assert.is(await contentHash(reversed(parseExperiment(input))), hash);
  assert.is.not(await contentHash({ a: [1, 2] }), await contentHash({ a: [2, 1] }));
});

const grammars: [shape: Parameters<typeof makeRules>[0], seed: number, hash: string][] = [
  [{ v: 6, n: 6, m: 2, s: 2, L: 2 }, 0, '44221267dd4c225c'],
  [{ v: 6, n: 6, m: 2, s: 2, L: 2 }, 1, '6e05b98512e403c4'],
  [{ v: 6, n: 6, m: 2, s: 2, L: 2 }, 2, '14ba6e9046a6b14a'],
  [{ v: 6, n: 6, m: 2, s: 2, L: 2 }, 3, '264bcb08bf9af599'],
  [{ v: 6, n: 6, m: 2, s: 2, L: 2 }, 4, '4fe73ad6d1ed0b65'],
  [{ v: 16, n: 16, m: 4, s: 2, L: 3 }, 0, '62d01be578d19e3c'],
  [{ v: 16, n: 16, m: 4, s: 2, L: 3 }, 1, 'ef61e90a5e9e3169'],
  [{ v: 16, n: 16, m: 4, s: 2, L: 3 }, 2, '70f0c17a9bf7638d'],
  [{ v: 16, n: 16, m: 4, s: 2, L: 3 }, 3, '994557a2c27f0284'],
  [{ v: 16, n: 16, m: 4, s: 2, L: 3 }, 4, 'dde9aaf3cdc14d7d'],
  [{ v: 5, n: 3, m: 2, s: 3, L: 2 }, 7, '4c9dfed5e01a55d1'],
];

test('grammars drawn from seeds have not changed', async () => {
  for (const [shape, seed, hash] of grammars)
    assert.is(
      await contentHash(JSON.parse(JSON.stringify(makeRules(shape, seed).rules))),
      hash,
      `${JSON.stringify(shape)} seed ${seed}`,
    );
});

test('a run of several replicas is done when the last of them has ended', () => {
  const records: RunRecord[] = [0, 1, 2].map((replica) => ({
    type: 'eval',
    replica,
    step: 9,
    samples: 9,
    loss: 1 + replica,
    accuracy: 0,
    elapsed_ms: 1,
  }));
  const end = (replica: number, reason: 'done' | 'diverged' | 'interrupted' = 'done'): RunRecord => ({
    type: 'end',
    replica,
    reason,
  });
  const state = (...ends: RunRecord[]) => endOf([...records, ...ends].map(formatRecord).join(''), 3)?.state;
  assert.is(state(), undefined);
  assert.is(state(end(0)), undefined);
  assert.is(state(end(0), end(1)), undefined);
  assert.is(state(end(0), end(0), end(0)), undefined, 'one replica three times');
  assert.is(state(end(0), end(1), end(2, 'interrupted')), undefined);
  assert.is(state(end(2), end(0), end(1)), 'done');
  assert.is(state(end(0, 'diverged'), end(1, 'diverged'), end(2)), 'done');
  assert.is(state(end(0, 'diverged'), end(1, 'diverged'), end(2, 'diverged')), 'diverged');
  assert.is(endOf([...records, end(0), end(1), end(2)].map(formatRecord).join(''), 3)?.loss, 2);
});

test('the process dies between the checkpoint of an end and its record: the record is made on resume', async () => {
  const folder = new MemoryFolder();
  await go(folder);
  const whole = recordsOf(folder);
  const cut = new MemoryFolder();
  class Killed extends Error {}
  const append = cut.append.bind(cut);
  cut.append = async (file, lines) => {
    if (lines.includes('"type":"end"')) throw new Killed();
    await append(file, lines);
  };
  let killed: unknown;
  await go(cut).catch((error) => {
    killed = error;
  });
  assert.instance(killed, Killed);
  assert.is(endOf(text(cut), 1), undefined);
  cut.append = append;
  const result = await go(cut, { resume: true });
  assert.is(result.reason, 'done');
  const kinds = (records: readonly RunRecord[]) =>
    records.filter((r) => r.type !== 'start').map((r) => [r.type, 'step' in r ? r.step : 0]);
  assert.equal(kinds(recordsOf(cut)), kinds(whole));
  assert.is(endOf(text(cut), 1)?.state, 'done');
});

test('time continues after a resume: that of the checkpoint and what was spent since', async () => {
  const folder = new MemoryFolder();
  const stop = new AbortController();
  let now = 1000;
  const clock = () => {
    now += 10;
    return now;
  };
  await go(folder, {
    now: clock,
    signal: stop.signal,
    onRecord: (r) => r.type === 'eval' && r.step === 8 && stop.abort(),
  });
  const spent = now - 1000;
  const before = Number(
    JSON.parse(
      text(folder)
        .split('\n')
        .findLast((line) => line.includes('"eval"'))!,
    ).elapsed_ms,
  );
  assert.ok(before > 0 && before <= spent);
  now = 5_000_000; // a new process, with a different clock
  await go(folder, { now: clock, resume: true });
  const times = recordsOf(folder).flatMap((r) => (r.type === 'eval' ? [r.elapsed_ms] : []));
  for (let i = 1; i < times.length; i++) assert.ok(times[i] > times[i - 1], `${times}`);
  assert.ok(times.at(-1)! < spent + (now - 5_000_000), `${times.at(-1)} ms of ${spent} and ${now - 5_000_000}`);
  assert.ok(times.find((time) => time > before)! - before < 1000, 'neither lost nor counted twice');
});

test('a checkpoint relies on every record before it: one missing measure is a loss', async () => {
  const folder = new MemoryFolder();
  const experiment = parseExperiment({ ...base, measures: ['norms'] });
  await go(folder, { measures }, experiment);
  const records = recordsOf(folder);
  const { step, records: count } = safetensorsMetadata(folder.contents.get(files.checkpoint)!, 'checkpoint');
  const kept = { step: Number(step), records: Number(count) };
  const lost = (some: readonly RunRecord[]) =>
    lostRecords(inspectRecords(new RecordLines().format(some)), experiment, kept);
  assert.is(lost(records), undefined);
  const last = records.findLastIndex((r) => r.type === 'measure');
  assert.ok(last > 0);
  assert.match(
    String(lost(records.toSpliced(last, 1))),
    new RegExp(`${kept.records - 1} evaluations and measures .*${count} were written`),
  );
});

test.run();
