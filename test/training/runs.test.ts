import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceLostError, FileError, InputError } from '../../src/core/errors.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { parseRecords, type RunRecord } from '../../src/core/records.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/core/safetensors.js';
import { gpuExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { openRunFolder } from '../../src/platform/nodeFolder.js';
import { files, MemoryFolder, type RunFolder } from '../../src/training/folder.js';
import { type TrainOptions, type TrainResult, train } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { Trainer } from '../../src/training/trainer.js';
import { failure } from '../support/gpu.js';

const test = suite('runs and their folders');
const executor = wasmExecutor();
let scratch = '';
test.before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rhm-runs-'));
});
test.after(async () => {
  await executor.destroy();
  rmSync(scratch, { recursive: true, force: true });
});

const small: ExperimentInput = {
  grammar: { v: 6, m: 2, s: 2, L: 2, seed: 3 },
  model: { kind: 'hcnn', width: 8 },
  optimiser: { kind: 'sgd', rate: 0.5, momentum: 0.9 },
  budget: { batch: 8, steps: 300 },
  evaluation: { size: 32, perDoubling: 1 },
  replicas: 2,
  seed: 5,
};
const experiment = parseExperiment(small);

const go = (folder: RunFolder, options: Partial<TrainOptions> = {}, e = experiment): Promise<TrainResult> =>
  train(e, { executor, folder, ...options });

/** What must not depend on interruptions: evaluations without their times, weights and moments. */
function outcome(records: RunRecord[], checkpoint: Uint8Array | undefined) {
  const evals = records.flatMap((r) => (r.type === 'eval' ? [{ ...r, elapsed_ms: 0 }] : []));
  const { metadata, tensors } = decodeSafetensors(checkpoint!);
  return { evals, step: metadata.step, progress: metadata.progress, tensors: [...tensors] };
}

async function uninterrupted(e = experiment) {
  const folder = new MemoryFolder();
  const result = await go(folder, {}, e);
  assert.is(result.reason, 'done');
  return outcome(result.records, await folder.read(files.checkpoint));
}

async function resumedOutcome(folder: RunFolder) {
  const result = await go(folder, { resume: true });
  assert.is(result.reason, 'done');
  const written = parseRecords(new TextDecoder().decode(await folder.read(files.records)));
  assert.equal(written.problems, []);
  assert.equal(written.records, JSON.parse(JSON.stringify(result.records)), 'the file holds what was reported');
  return outcome(written.records, await folder.read(files.checkpoint));
}

/** Runs until the evaluation at `step` is recorded, then aborts. */
async function abortAt(folder: RunFolder, step: number, resume = false): Promise<void> {
  const controller = new AbortController();
  const onRecord = (r: RunRecord) => {
    if (r.type === 'eval' && r.step >= step) controller.abort();
  };
  assert.is((await go(folder, { signal: controller.signal, onRecord, resume })).reason, 'interrupted');
}

test('aborted twice and resumed: the same evaluations, weights, moments and best weights', async () => {
  const folder = new MemoryFolder();
  await abortAt(folder, 16);
  await abortAt(folder, 64, true);
  assert.equal(await resumedOutcome(folder), await uninterrupted());
});

test('a finished run that is resumed does not change', async () => {
  const folder = new MemoryFolder();
  await go(folder);
  assert.equal(await resumedOutcome(folder), await uninterrupted());
});

test('records after the checkpoint and an incomplete last line are made again', async () => {
  const folder = new MemoryFolder();
  await abortAt(folder, 16);
  const line = '{"type":"eval","replica":0,"step":32,"samples":256,"loss":0,"accuracy":1,"elapsed_ms":1}\n';
  await folder.append(files.records, `${line}{"type":"eval","replica":1,"st`);
  assert.equal(await resumedOutcome(folder), await uninterrupted());
});

test('stopped between a record and its checkpoint, at every write in turn', async () => {
  const want = await uninterrupted();
  for (let allowed = 1; allowed < 24; allowed += 2) {
    const folder = new MemoryFolder();
    let writes = 0;
    const failing: RunFolder = {
      name: 'failing',
      read: (file) => folder.read(file),
      write: (file, bytes) => (++writes > allowed ? Promise.reject(new FileError('full')) : folder.write(file, bytes)),
      append: (file, text) => (++writes > allowed ? Promise.reject(new FileError('full')) : folder.append(file, text)),
      release: () => folder.release(),
    };
    assert.instance(await failure(() => go(failing, { checkpointMs: 0 })), FileError);
    assert.equal(await resumedOutcome(folder), want, `after ${allowed} writes`);
  }
});

test('a checkpoint that cannot be written: the error is passed on, the last checkpoint stays, resuming gives the same bits', async () => {
  const path = join(scratch, 'full');
  const folder = openRunFolder(path);
  await abortAt(folder, 16);
  const before = readFileSync(join(path, files.checkpoint));
  // Disks that are really full: fullDisk.test.ts.
  const full: RunFolder = {
    name: folder.name,
    read: (file) => folder.read(file),
    append: (file, text) => folder.append(file, text),
    release: () => folder.release(),
    write: async (file, bytes) => {
      if (file === files.checkpoint) throw new FileError('no space left');
      return folder.write(file, bytes);
    },
  };
  const error = await failure(() => go(full, { resume: true }));
  assert.instance(error, FileError);
  assert.equal(readFileSync(join(path, files.checkpoint)), before);
  assert.equal(await resumedOutcome(folder), await uninterrupted());
  await folder.release();
});

test('a folder without write permission, and a path through a file', async () => {
  const path = join(scratch, 'read-only');
  await openRunFolder(path).release();
  chmodSync(path, 0o555);
  const root = process.getuid!() === 0;
  if (root) process.seteuid!(65534); // root may write everywhere
  chmodScratch(0o755);
  const error = await failure(() => openRunFolder(path)).finally(() => {
    if (root) process.seteuid!(0);
  });
  assert.instance(error, FileError);
  assert.match(error.message, /EACCES; you may not write there; choose another --out/);
  writeFileSync(join(scratch, 'file'), '');
  const through = await failure(() => openRunFolder(join(scratch, 'file', 'run')));
  assert.match(through.message, /ENOTDIR; a part of the path is a file/);
});

function chmodScratch(mode: number): void {
  if (process.geteuid!() === process.getuid!()) chmodSync(scratch, mode);
}

test('a second opener of a folder is refused until the first releases it', async () => {
  const path = join(scratch, 'held');
  const first = openRunFolder(path);
  const error = await failure(() => openRunFolder(path));
  assert.instance(error, FileError);
  assert.match(error.message, new RegExp(`process ${process.pid} on .* is working in this folder`));
  await first.release();
  // A lock left by a dead process, and one that its writer had no time to fill.
  writeFileSync(join(path, 'run.lock'), JSON.stringify({ pid: 2 ** 22 + 1, host: 'x', started: '' }));
  assert.match((await failure(() => openRunFolder(path))).message, /on x is working/);
  const { hostname } = await import('node:os');
  writeFileSync(join(path, 'run.lock'), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), started: '' }));
  await openRunFolder(path).release();
});

test('a device destroyed during the run: DeviceLostError, resumed on another device to the same bits', async () => {
  const folder = new MemoryFolder();
  const alone = new MemoryFolder();
  const gpu = await openNodeGpu();
  const onRecord = (r: RunRecord) => {
    if (r.type === 'eval' && r.step === 64) gpu.device.destroy();
  };
  const error = await failure(() => go(folder, { executor: gpuExecutor(gpu), onRecord, checkpointMs: 0 }));
  assert.instance(error, DeviceLostError);
  assert.match(error.message, /--resume/);
  await gpu.release();
  const again = await openNodeGpu();
  const resumed = await go(folder, { executor: gpuExecutor(again), resume: true });
  const whole = await go(alone, { executor: gpuExecutor(again) });
  await again.release();
  assert.ok(
    resumed.records.some((r) => r.type === 'start' && (r.step ?? 0) > 0),
    'it continued from a checkpoint',
  );
  assert.equal(
    outcome(resumed.records, await folder.read(files.checkpoint)),
    outcome(whole.records, await alone.read(files.checkpoint)),
  );
});

test('divergence ends the run of its replica, the others keep their bits', async () => {
  const of = (rate: number, seed: number) =>
    membersOf(parseExperiment({ ...small, replicas: 1, seed, optimiser: { kind: 'sgd', rate, momentum: 0.9 } }))[0];
  const members = [of(0.5, 1), of(1e5, 2), of(0.25, 3)];
  const states = async (group: typeof members) => {
    const trainer = await Trainer.create(group, executor);
    await trainer.advance(50);
    const evaluations = await trainer.evaluate();
    const state = await trainer.state();
    trainer.destroy();
    return state.map((s, i) => ({ params: s.params, velocity: s.velocity, loss: evaluations[i].loss }));
  };
  const together = await states(members);
  assert.not.ok(Number.isFinite(together[1].loss));
  for (const i of [0, 2]) assert.equal(together[i], (await states([members[i]]))[0], `replica ${i}`);

  const folder = new MemoryFolder();
  const huge = parseExperiment({ ...small, optimiser: { kind: 'sgd', rate: 1e5, momentum: 0.9 } });
  const result = await go(folder, {}, huge);
  assert.is(result.reason, 'done');
  assert.ok(Number.isNaN(result.loss[0]) && Number.isFinite(result.loss[1]), `${result.loss}`);
  const ends = result.records.filter((r) => r.type === 'end');
  assert.equal(ends, [
    { type: 'end', replica: 0, reason: 'diverged' },
    { type: 'end', replica: 1, reason: 'done' },
  ]);
  const lastEval = (replica: number) => result.records.filter((r) => r.type === 'eval' && r.replica === replica).at(-1);
  assert.is((lastEval(1) as { step: number }).step, 300);
  assert.ok((lastEval(0) as { step: number }).step < 300, 'no records after divergence');
});

test('each replica gives the bits it gives alone, also for its P sentences', async () => {
  const both = { ...small, budget: { batch: 8, sentences: 20, epochs: 7 }, evaluation: { size: 28 } };
  const together = await uninterrupted(parseExperiment({ ...both, replicas: 3 }));
  for (let r = 0; r < 3; r++) {
    const alone = await uninterrupted(parseExperiment({ ...both, replicas: 1, seed: 5 + r }));
    const mine = together.evals.filter((e) => e.replica === r).map((e) => ({ ...e, replica: 0 }));
    assert.equal(mine, alone.evals);
    const prefix = `replica.${r}/`;
    const tensors = together.tensors.filter(([name]) => name.startsWith(prefix));
    assert.equal(
      tensors.map(([name, tensor]) => [name.slice(prefix.length), tensor]),
      alone.tensors,
    );
  }
});

test('epochs: steps, samples, and the best weights are those of the lowest test loss', async () => {
  const e = parseExperiment({
    ...small,
    replicas: 1,
    budget: { batch: 8, sentences: 20, epochs: 6 },
    evaluation: { size: 28 },
  });
  const folder = new MemoryFolder();
  const { step, records } = await go(folder, {}, e);
  assert.is(step, (20 * 6) / 8);
  const evals = records.flatMap((r) => (r.type === 'eval' ? [r] : []));
  assert.is(evals.at(-1)!.samples, 120);
  const { tensors, metadata } = decodeSafetensors((await folder.read(files.checkpoint))!);
  const [{ bestLoss, bestStep }] = JSON.parse(metadata.progress);
  assert.is(bestLoss, Math.min(...evals.map((r) => r.loss)));
  // Weights at that step, from a run that stops there.
  const trainer = await Trainer.create(membersOf(e), executor);
  await trainer.advance(bestStep);
  const weights = new MemoryFolder();
  await go(
    weights,
    { signal: undefined },
    parseExperiment({ ...small, replicas: 1, budget: { ...e.budget, steps: bestStep }, evaluation: { size: 28 } }),
  );
  const stopped = decodeSafetensors((await weights.read(files.checkpoint))!);
  assert.equal(tensors.get('best/readout')!.data, stopped.tensors.get('readout')!.data);
  assert.is((await trainer.evaluate())[0].loss, bestLoss);
  trainer.destroy();
});

test('stopLoss ends a replica when it is reached', async () => {
  const whole = await uninterrupted();
  const losses = whole.evals.filter((e) => e.replica === 0).map((e) => e.loss);
  const stopLoss = (losses[0] + losses.at(-1)!) / 2;
  const e = parseExperiment({ ...small, replicas: 1, budget: { batch: 8, steps: 300, stopLoss } });
  const { step, loss, records } = await go(new MemoryFolder(), {}, e);
  assert.ok(step < 300 && loss[0] <= stopLoss);
  assert.equal(records.at(-1), { type: 'end', reason: 'done', replica: 0 });
});

test('weights given at the start are the weights at the start', async () => {
  const folder = new MemoryFolder();
  await go(folder, {}, parseExperiment({ ...small, replicas: 1 }));
  const init = decodeSafetensors((await folder.read(files.checkpoint))!);
  const e = parseExperiment({ ...small, replicas: 1, seed: 77, optimiser: { kind: 'sgd', rate: 1e-9 } });
  const second = new MemoryFolder();
  await go(second, { init }, e);
  const after = decodeSafetensors((await second.read(files.checkpoint))!);
  const [a, b] = [after, init].map((f) => f.tensors.get('readout')!.data as Float32Array);
  a.forEach((x, i) => {
    assert.ok(Math.abs(x - b[i]) < 1e-4);
  });
});

/** Refused with an InputError (or FileError) before the executor is opened. */
async function refused(input: object, says: RegExp, options: Partial<TrainOptions> = {}): Promise<void> {
  let asked = false;
  const error = await failure(() =>
    train(parseExperiment({ ...small, ...input }), {
      folder: new MemoryFolder(),
      executor: async () => {
        asked = true;
        return executor;
      },
      ...options,
    }),
  );
  assert.ok(error instanceof InputError || error instanceof FileError, String(error));
  assert.ok(says.test(error.message), `${error.message} does not match ${says}`);
  assert.not.ok(asked, 'the executor was opened before the input was checked');
}

test('bad experiments are refused, naming field, value and bound', async () => {
  await refused({ model: { kind: 'hcnn', depth: 3 } }, /model.depth: 3 layers of filter 2 need a multiple of 8 tokens/);
  await refused(
    { budget: { batch: 50, sentences: 20 } },
    /budget.batch: 50 sentences per step, budget.sentences P = 20/,
  );
  await refused(
    { budget: { batch: 8, sentences: 30 } },
    /budget.sentences: 30 to train on and 32 to test on exceed the grammar's 48 derivations.*evaluation.size/,
  );
  await refused({ modle: 'hcnn' }, /modle: no such field; did you mean model\?/);
  await refused({ model: { kind: 'hcnn', widht: 8 } }, /model.widht: no such field; did you mean model\.width\?/);
  await refused({ model: 'hcmm' }, /model.kind: got "hcmm"; pass one of hcnn/);
  await refused({ grammar: { v: '6' } }, /grammar.v: got "6"/);
  await refused({ optimiser: { kind: 'sgd', rate: Number.NaN } }, /optimiser.rate: got (null|NaN)/);
  await refused({ optimiser: { kind: 'sgd', rate: -1 } }, /optimiser.rate: got -1/);
  await refused({ task: { kind: 'last', context: 9 } }, /task.context: 9 tokens, a sentence has s\^L = 4; pass 1 to 4/);
  await refused({ model: { kind: 'mla', channels: 8, heads: 3 } }, /model.heads: 3 heads do not divide 8 channels/);
  await refused({ task: 'auto' }, /task.kind: hcnn does not learn 'auto'/);
  await refused({ grammar: { v: 6, m: 7, s: 2, L: 2 } }, /m = 42: there are only v\^s = 36/);
  const rules = [[[[0, 1]]]];
  await refused({ grammar: { v: 6, m: 2, s: 2, L: 2, rules } }, /rules/);
});

test('checkpoints of other experiments and damaged files are refused', async () => {
  const other = new MemoryFolder();
  await go(other, {}, parseExperiment({ ...small, seed: 6 }));
  const resume = true;
  await refused({}, /contains experiment [0-9a-f]{16}, this one is [0-9a-f]{16}; choose another folder/, {
    folder: other,
    resume,
  });
  const mixed = new MemoryFolder();
  mixed.contents.set(files.checkpoint, other.contents.get(files.checkpoint)!);
  await refused({}, /checkpoint of experiment [0-9a-f]{16}, this one is/, { folder: mixed, resume });

  const mine = new MemoryFolder();
  await go(mine);
  await refused({}, /contains this run already; continue it with --resume/, { folder: mine });
  const whole = mine.contents.get(files.checkpoint)!;
  for (const length of [0, 7, 100, whole.length - 1]) {
    mine.contents.set(files.checkpoint, whole.slice(0, length));
    await refused({}, /checkpoint.safetensors: .*the file is damaged/, { folder: mine, resume });
  }
  const file = decodeSafetensors(whole);
  file.tensors.delete('replica.1/best/readout');
  mine.contents.set(files.checkpoint, encodeSafetensors(file));
  await refused({}, /no tensor replica.1\/best\/readout/, { folder: mine, resume });
  await refused({}, /weights: no tensor hidden.0.0.filter; the model expects \[8,6,2\]/, {
    init: { metadata: {}, tensors: new Map() },
  });
});

test.run();
