import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { parseRecords, type RunRecord } from '../../src/core/records.js';
import { decodeSafetensors, type SafeFile } from '../../src/core/safetensors.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { type TrainOptions, train } from '../../src/training/loop.js';
import { weightsOf } from '../../src/training/weights.js';
import { failure } from '../support/gpu.js';

/** The initial weights of a run are part of its identity. */
const test = suite('runs that begin with given weights');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const small: ExperimentInput = {
  grammar: { v: 6, m: 2, s: 2, L: 2, seed: 3 },
  model: { kind: 'hcnn', width: 8 },
  budget: { batch: 8, steps: 200 },
  evaluation: { size: 32, perDoubling: 1 },
};
const experiment = parseExperiment(small);

async function trained(seed: number): Promise<SafeFile> {
  const folder = new MemoryFolder();
  await train(parseExperiment({ ...small, seed, budget: { batch: 8, steps: 20 } }), { executor, folder });
  return weightsOf((await folder.read(files.checkpoint))!, 'checkpoint', { which: 'last' });
}

const go = (folder: MemoryFolder, options: Partial<TrainOptions>) =>
  train(experiment, { executor, folder, ...options });

async function abortAt(folder: MemoryFolder, step: number, options: Partial<TrainOptions>): Promise<void> {
  const controller = new AbortController();
  const onRecord = (r: RunRecord) => {
    if (r.type === 'eval' && r.step >= step) controller.abort();
  };
  assert.is((await go(folder, { ...options, signal: controller.signal, onRecord })).reason, 'interrupted');
}

async function refused(folder: MemoryFolder, options: Partial<TrainOptions>, says: RegExp): Promise<void> {
  const before = new Map(folder.contents);
  const error = await failure(() => go(folder, { ...options, resume: true }));
  assert.instance(error, InputError);
  assert.match(error.message, says);
  assert.equal(folder.contents, before, 'a refusal leaves the folder as it is');
}

const tensorsOf = (folder: MemoryFolder) => [...decodeSafetensors(folder.contents.get(files.checkpoint)!).tensors];
const startsOf = (folder: MemoryFolder) =>
  parseRecords(new TextDecoder().decode(folder.contents.get(files.records))).records.flatMap((r) =>
    r.type === 'start' ? [r] : [],
  );

test('a run is resumed with the weights that it began with, or with none; others are refused', async () => {
  const [mine, other] = [await trained(1), await trained(2)];
  const whole = new MemoryFolder();
  await go(whole, { init: mine });
  const folder = new MemoryFolder();
  await abortAt(folder, 16, { init: mine });
  const [{ init: digest }] = startsOf(folder);
  assert.match(digest!, /^[0-9a-f]{16}$/);
  assert.is(decodeSafetensors(folder.contents.get(files.checkpoint)!).metadata.init, digest);
  await refused(
    folder,
    { init: other },
    new RegExp(`this run began with the weights ${digest}, now it is given the weights [0-9a-f]{16}; resume it with`),
  );
  await abortAt(folder, 64, { resume: true, init: mine });
  await go(folder, { resume: true });
  assert.equal(tensorsOf(folder), tensorsOf(whole));
  assert.equal(
    startsOf(folder).map((r) => r.init),
    [digest, digest, digest],
  );
});

test('a run that was drawn from its seed takes no weights later', async () => {
  const folder = new MemoryFolder();
  await abortAt(folder, 16, {});
  assert.is(startsOf(folder)[0].init, undefined);
  await refused(
    folder,
    { init: await trained(1) },
    /began with weights drawn from its seed, now it is given the weights/,
  );
});

test('killed before its first checkpoint: the file is needed again', async () => {
  const init = await trained(1);
  const whole = new MemoryFolder();
  await go(whole, { init });
  const folder = new MemoryFolder();
  await abortAt(folder, 16, { init });
  folder.contents.delete(files.checkpoint);
  await refused(folder, {}, /began with the weights [0-9a-f]{16}, now it is given weights drawn from its seed/);
  await go(folder, { resume: true, init });
  assert.equal(tensorsOf(folder), tensorsOf(whole));
});

test('the digest is of the weights alone: the same as f64, in another order, with other tensors', async () => {
  const init = await trained(1);
  const twin: SafeFile = { metadata: { made: 'elsewhere' }, tensors: new Map() };
  twin.tensors.set('extra', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
  for (const [name, { shape, data }] of [...init.tensors].reverse())
    twin.tensors.set(name, { dtype: 'F64', shape, data: Float64Array.from(data as Float32Array) });
  const changed: SafeFile = { ...twin, tensors: new Map(twin.tensors) };
  const readout = twin.tensors.get('readout')!;
  const data = (readout.data as Float64Array).slice();
  data[3] += 1e-3;
  changed.tensors.set('readout', { ...readout, data });
  const digests = [];
  for (const file of [init, twin, changed]) {
    const folder = new MemoryFolder();
    await abortAt(folder, 1, { init: file });
    digests.push(startsOf(folder)[0].init);
  }
  assert.is(digests[0], digests[1]);
  assert.not.equal(digests[0], digests[2]);
});

test.run();
