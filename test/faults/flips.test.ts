/**
 * Flipped bits, changed digits and truncations in every file of a run: each is named, none gives other results. RHM_SOAK=1: all of them.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import { formatRecord, inspectRecords, RecordLines } from '../../src/core/records.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/core/safetensors.js';
import { threefry } from '../../src/core/threefry.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { endOf } from '../../src/sweep/store.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { checkRun, type RunCheck } from '../../src/training/integrity.js';
import { type TrainOptions, train } from '../../src/training/loop.js';

const test = suite('flips and truncations');
const executor = wasmExecutor({ threads: 1 });
test.after(() => executor.destroy());

const TIMES = process.env.RHM_SOAK ? 40 : 1;
// Replica 1 ends before replica 0: its state is saved beside that of the one that continues.
const experiment = parseExperiment({
  model: { kind: 'hcnn', width: 8 },
  grammar: { v: 6, m: 2, L: 2 },
  budget: { batch: 16, steps: 300, stopLoss: 1.69 },
  evaluation: { size: 32 },
  replicas: 2,
});
const text = (bytes?: Uint8Array) => bytes && new TextDecoder().decode(bytes);
let whole: Map<string, Uint8Array>;
let hash = '';

const go = (folder: MemoryFolder, options: Partial<TrainOptions> = {}) =>
  train(experiment, { folder, executor, now: () => 0, ...options });

function folderOf(contents: ReadonlyMap<string, Uint8Array>, file?: string, bytes?: Uint8Array): MemoryFolder {
  const folder = new MemoryFolder('run');
  for (const [name, data] of contents) folder.contents.set(name, data.slice());
  if (file && bytes) folder.contents.set(file, bytes);
  return folder;
}

const look = ({ contents }: MemoryFolder): Promise<RunCheck> =>
  checkRun({
    name: 'run',
    hash,
    experiment: text(contents.get(files.experiment)),
    rules: text(contents.get(files.rules)),
    records: text(contents.get(files.records)),
    checkpoint: contents.get(files.checkpoint),
  });

/** Evaluations and ends of the run's records, without times. */
function results(bytes: Uint8Array | undefined) {
  const { records, intact } = inspectRecords(text(bytes) ?? '');
  const kept = records.slice(0, intact).filter((r) => r.type !== 'start' && r.type !== 'rate');
  return kept.map((r) => ('elapsed_ms' in r ? { ...r, elapsed_ms: 0 } : r));
}

test('an undamaged run has no fault and no unchecked file', async () => {
  const folder = new MemoryFolder('run');
  hash = (await go(folder)).hash;
  whole = new Map(folder.contents);
  assert.equal(await look(folderOf(whole)), { faults: [], unchecked: [] });
  const steps = inspectRecords(text(whole.get(files.records))!).records.flatMap((r) => (r.type === 'eval' ? [r] : []));
  const lasts = [0, 1].map((replica) => Math.max(...steps.filter((r) => r.replica === replica).map((r) => r.step)));
  assert.ok(lasts[0] !== lasts[1], `the replicas end at different steps, got ${lasts}`);
});

/** Bytes of a file with one bit changed, the n-th of some; and texts with one digit changed. */
function* damages(bytes: Uint8Array, count: number, stream: number): Generator<{ what: string; bytes: Uint8Array }> {
  for (let i = 0; i < count; i++) {
    const [a, b] = threefry([18, stream], i, 0);
    const at = a % bytes.length;
    const flipped = bytes.slice();
    flipped[at] ^= 1 << (b % 8);
    yield { what: `bit ${b % 8} of byte ${at}`, bytes: flipped };
    const digit = bytes.findIndex((byte, j) => j >= at && byte >= 48 && byte <= 57);
    if (digit >= 0 && text(bytes)!.startsWith('{')) {
      const changed = bytes.slice();
      changed[digit] = 48 + ((bytes[digit] - 48 + 1 + (b % 9)) % 10);
      yield { what: `digit at byte ${digit}`, bytes: changed };
    }
    const length = a % bytes.length;
    yield { what: `cut at byte ${length}`, bytes: bytes.slice(0, length) };
  }
}

for (const [file, count] of [
  [files.experiment, 60],
  [files.rules, 60],
  [files.records, 250],
  [files.checkpoint, 250],
] as const)
  test(`${file}: each of ${3 * count * TIMES} damages is named, or changes nothing`, async () => {
    const original = whole.get(file)!;
    let named = 0;
    let harmless = 0;
    for (const { what, bytes } of damages(original, count * TIMES, file.length)) {
      const { faults } = await look(folderOf(whole, file, bytes));
      if (faults.length) {
        for (const fault of faults) assert.match(fault, /^run\/\S+: .+; (restore|continue|remove)/, what);
        assert.ok(
          faults.some((fault) => fault.startsWith(`run/${file}: `)),
          `${what}: ${faults}`,
        );
        named++;
      } else if (file === files.records) {
        // The remaining records are right, and report that they are not complete.
        const left = results(bytes);
        assert.equal(left, results(original).slice(0, left.length), what);
        if (left.length < results(original).length)
          assert.is(endOf(text(bytes), experiment.replicas), undefined, `${what}: said to be done`);
        harmless++;
      } else {
        assert.equal(JSON.parse(text(bytes)!), JSON.parse(text(original)!), what); // white space
        harmless++;
      }
    }
    assert.ok(named > 10 * harmless, `${named} named, ${harmless} harmless`);
  });

test('train --resume: each damage of checkpoint or records is refused by name, or ends in the same results', async () => {
  const stopped = new MemoryFolder('run');
  const stop = new AbortController();
  await go(stopped, { signal: stop.signal, onRecord: (r) => r.type === 'eval' && r.step > 16 && stop.abort() });
  let refused = 0;
  let same = 0;
  for (const file of [files.checkpoint, files.records])
    for (const { what, bytes } of damages(stopped.contents.get(file)!, 30 * TIMES, 99)) {
      const folder = folderOf(stopped.contents, file, bytes);
      let error: unknown;
      try {
        await go(folder, { resume: true });
      } catch (e) {
        error = e;
      }
      if (error) {
        const message = (error as Error).message;
        assert.match(message, new RegExp(`^run/${file}: .*(restore|remove)`), `${file}: ${what}`);
        refused++;
      } else {
        assert.equal(
          results(folder.contents.get(files.records)),
          results(whole.get(files.records)),
          `${file}: ${what}`,
        );
        const last = (bytes: Uint8Array) => [...decodeSafetensors(bytes).tensors];
        assert.equal(last(folder.contents.get(files.checkpoint)!), last(whole.get(files.checkpoint)!), what);
        same++;
      }
    }
  assert.ok(refused > 3 * same, `${refused} refused, ${same} went on`);
});

test('damage in the state of a replica that had ended is found', async () => {
  const bytes = whole.get(files.checkpoint)!.slice();
  const place = text(bytes)!.indexOf('replica.1/best/readout');
  assert.ok(place > 0);
  const { tensors } = decodeSafetensors(bytes);
  const needle = new Uint8Array(tensors.get('replica.1/best/readout')!.data.buffer);
  const at = Buffer.from(bytes).indexOf(Buffer.from(needle));
  bytes[at + 5] ^= 4;
  const { faults } = await look(folderOf(whole, files.checkpoint, bytes));
  assert.match(faults.join(), /^run\/checkpoint.safetensors: its digest is [0-9a-f]{16}, its bytes give [0-9a-f]{16}/);
});

/** The files as versions without digests wrote them. */
function withoutChecks(contents: ReadonlyMap<string, Uint8Array>): MemoryFolder {
  const folder = folderOf(contents);
  const { records } = inspectRecords(text(contents.get(files.records))!);
  folder.contents.set(files.records, new TextEncoder().encode(records.map(formatRecord).join('')));
  const file = decodeSafetensors(contents.get(files.checkpoint)!);
  const { digest: _, records: __, ...rest } = file.metadata;
  file.metadata = { ...rest, format: 'rhm-lab checkpoint 1' };
  folder.contents.set(files.checkpoint, encodeSafetensors(file));
  return folder;
}

test('files of earlier versions open as unchecked and continue to the same results', async () => {
  assert.equal(await look(withoutChecks(whole)), { faults: [], unchecked: [files.checkpoint, files.records] });
  const stopped = new MemoryFolder('run');
  const stop = new AbortController();
  await go(stopped, { signal: stop.signal, onRecord: (r) => r.type === 'eval' && r.step > 16 && stop.abort() });
  const old = withoutChecks(stopped.contents);
  let told: readonly string[] = [];
  await go(old, {
    resume: true,
    onStart: ({ unchecked }) => {
      told = unchecked;
    },
  });
  assert.equal(told, [files.checkpoint, files.records]);
  assert.equal(results(old.contents.get(files.records)), results(whole.get(files.records)));
  // Files taken over from such a run are remembered as unchecked.
  assert.equal(await look(old), { faults: [], unchecked: [files.records] });
  // A lost line is found without checks too.
  const gap = withoutChecks(whole);
  const lines = text(gap.contents.get(files.records))!.split('\n');
  lines.splice(12, 1);
  gap.contents.set(files.records, new TextEncoder().encode(lines.join('\n')));
  assert.match((await look(gap)).faults.join(), /no evaluation of replica \d at step \d+; lines are missing/);
});

test('lines that are swapped, repeated, removed, or from another run are found', async () => {
  const lines = text(whole.get(files.records))!.split('\n').slice(0, -1);
  const other = new RecordLines().format([{ type: 'start', hash: '0123456789abcdef' }]);
  for (const changed of [
    lines.toSpliced(4, 2, lines[5], lines[4]),
    lines.toSpliced(4, 0, lines[4]),
    lines.toSpliced(4, 1),
    lines.toSpliced(3, 3),
    lines.slice(0, -9),
    lines.slice(3),
    [...other.trim().split('\n'), ...lines.slice(2)],
    lines.map((line) => line.replace('"crc32"', '"crc33"')),
  ]) {
    const bytes = new TextEncoder().encode(`${changed.join('\n')}\n`);
    const { faults } = await look(folderOf(whole, files.records, bytes));
    assert.ok(
      faults.some((fault) => fault.startsWith('run/records.jsonl: ')),
      changed.slice(0, 8).join('\n'),
    );
  }
});

test.run();
