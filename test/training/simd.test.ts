import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EngineError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import type { RunRecord } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { hasRelaxedSimd, type Simd } from '../../src/core/simd.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, wasmExecutor } from '../../src/kernels/index.js';
import type { Executor } from '../../src/plan/executor.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { trainChunk } from '../../src/sweep/chunk.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { type GroupResult, train, trainGroup } from '../../src/training/loop.js';
import { failure } from '../support/gpu.js';
import { relaxedRhm } from '../support/relaxed.js';
import { rhm } from '../support/run.js';

const test = suite('a run keeps the variant of WebAssembly that it began with');
const plain = wasmExecutor({ simd: 'plain' });
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => {
  await plain.destroy();
  await gpu.release();
});

/** An executor with both variants on any engine: WebGPU, whose roundings are different, plays the relaxed one. */
function both(simd: Simd): Executor & { asked: Simd[] } {
  const asked: Simd[] = [];
  const of = (simd: Simd): Executor & { asked: Simd[] } => ({
    kind: 'wasm',
    description: `pretended ${simd}`,
    simd,
    asked,
    withSimd(other) {
      asked.push(other);
      return other === simd ? this : of(other);
    },
    load: (program) => (simd === 'plain' ? plain : gpuExecutor(gpu)).load(program),
  });
  return of(simd);
}

/** Like an engine that has only the plain variant. */
const without: Executor = {
  ...both('plain'),
  withSimd(simd) {
    if (simd === 'relaxed')
      throw new EngineError('the run began with relaxed SIMD, which this engine lacks; use another');
    return this;
  },
};

const experiment = (seed = 1, steps = 60) =>
  parseExperiment({
    grammar: { v: 6, m: 2, s: 2, L: 2 },
    model: { kind: 'hcnn', width: 8 },
    budget: { batch: 8, steps },
    evaluation: { size: 32, perDoubling: 1 },
    seed,
  });

const starts = (records: readonly RunRecord[]) =>
  records.flatMap((r) => (r.type === 'start' ? [[r.executor, r.simd, r.step]] : []));
const losses = (records: readonly RunRecord[]) => records.flatMap((r) => (r.type === 'eval' ? [r.loss] : []));
const metadata = (folder: MemoryFolder) => decodeSafetensors(folder.contents.get(files.checkpoint)!).metadata;

/** A run that `executor` has trained to step 16. */
async function begun(executor: Executor, seed = 1): Promise<MemoryFolder> {
  const folder = new MemoryFolder(`seed ${seed}`);
  const controller = new AbortController();
  const onRecord = (r: RunRecord) => {
    if (r.type === 'eval' && r.step === 16) controller.abort();
  };
  const result = await train(experiment(seed), { executor, folder, signal: controller.signal, onRecord });
  assert.is(result.reason, 'interrupted');
  return folder;
}

const whole: Partial<Record<Simd, number[]>> = {};
test.before(async () => {
  for (const simd of ['plain', 'relaxed'] as const)
    whole[simd] = losses((await train(experiment(), { executor: both(simd), folder: new MemoryFolder() })).records);
  assert.not.equal(whole.plain, whole.relaxed);
});

for (const [first, second] of [
  ['relaxed', 'plain'],
  ['plain', 'relaxed'],
] as const)
  test(`begun ${first}, resumed where a new run would be ${second}: the bits of one uninterrupted run`, async () => {
    const folder = await begun(both(first));
    assert.is(metadata(folder).simd, first);
    const executor = both(second);
    const { records } = await train(experiment(), { executor, folder, resume: true });
    assert.equal(executor.asked, [first]);
    assert.equal(starts(records), [
      ['wasm', first, 0],
      ['wasm', first, 16],
    ]);
    assert.equal(losses(records), whole[first]);
    assert.is(metadata(folder).simd, first);
  });

test('an engine without it refuses the run with the remedy, and leaves the folder unchanged', async () => {
  const folder = await begun(both('relaxed'));
  const before = new Map(folder.contents);
  const error = await failure(() => train(experiment(), { executor: without, folder, resume: true }));
  assert.instance(error, EngineError);
  assert.equal(folder.contents, before);
});

test('a run whose process was killed before its first checkpoint keeps the variant in its record', async () => {
  const folder = await begun(both('relaxed'));
  folder.contents.delete(files.checkpoint);
  assert.instance(await failure(() => train(experiment(), { executor: without, folder, resume: true })), EngineError);
  const { records } = await train(experiment(), { executor: both('plain'), folder, resume: true });
  assert.equal(losses(records), whole.relaxed);
});

test('a run of an earlier version, whose files name no variant, continues plain', async () => {
  const folder = await begun(without); // `without` of this file has a variant: it is removed from what was written
  const { contents } = folder;
  const text = new TextDecoder().decode(contents.get(files.records)).replace(/,"simd":"plain"/g, '');
  contents.set(files.records, new TextEncoder().encode(text.replace(/\{"type":"check".*\n/g, '')));
  contents.delete(files.checkpoint);
  const executor = both('relaxed');
  const { records } = await train(experiment(), { executor, folder, resume: true });
  assert.equal(executor.asked, ['plain']);
  assert.equal(losses(records), whole.plain);
});

test('a run that began on another executor takes its variant when it first reaches wasm, and keeps it', async () => {
  const folder = await begun(gpuExecutor(gpu));
  assert.is(metadata(folder).simd, undefined);
  const { records } = await train(experiment(), { executor: both('relaxed'), folder, resume: true });
  assert.equal(starts(records), [
    ['webgpu', undefined, 0],
    ['wasm', 'relaxed', 16],
  ]);
  assert.is(metadata(folder).simd, 'relaxed');
});

test('runs side by side: each with its own variant, with the bits that it gives alone', async () => {
  const folders = [await begun(both('relaxed'), 1), await begun(both('plain'), 2), new MemoryFolder('new')];
  const runs = folders.map((folder, i) => ({ experiment: experiment(i + 1), folder, resume: true }));
  const results = await trainGroup(runs, { executor: both('relaxed') });
  for (const [i, simd] of (['relaxed', 'plain', 'relaxed'] as const).entries()) {
    const alone = await train(experiment(i + 1), { executor: both(simd), folder: new MemoryFolder() });
    const together = results[i] as Exclude<GroupResult, { reason: 'failed' }>;
    assert.is(together.reason, 'done');
    assert.equal(losses(together.records), losses(alone.records), `run ${i}`);
    assert.ok(starts(together.records).every(([, kept]) => kept === simd));
  }
});

test('side by side on an engine without it, the run that needs it is left alone and the others are trained', async () => {
  const folders = [await begun(both('relaxed'), 1), new MemoryFolder('new')];
  const hashes = ['a', 'b'];
  const outcomes = await trainChunk(
    folders.map((_, i) => ({ hash: hashes[i], experiment: experiment(i + 1), folder: String(i) })),
    { openFolder: async (name) => folders[Number(name)], executor: async () => without, host: { runtime: 'test' } },
  );
  assert.equal(
    outcomes.map(({ result }) => result),
    ['elsewhere', 'done'],
  );
  const alone = await train(experiment(2), { executor: plain, folder: new MemoryFolder() });
  assert.is(outcomes[1].loss, losses(alone.records).at(-1), 'on its own sentences');
  assert.match(outcomes[0].error!, /^InputError: the run began with relaxed SIMD.*; use another$/);
});

test('a requested variant does not apply to other runs', async () => {
  const error = await failure(() => plain.withSimd('relaxed'));
  assert.instance(error, EngineError, 'another worker may be told otherwise');
  assert.is(error.name, 'InputError');
  assert.match(error.message, /^simd: got plain, and the run began with relaxed, .*; leave simd out, or pass relaxed$/);
});

test('the command: recorded, kept, refused by Node without it, --simd plain', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'rhm-simd-'));
  const args = (out: string, ...more: string[]) => [
    ...['train', '--set', 'grammar.v=6', 'grammar.m=2', 'grammar.L=2', 'model=hcnn', 'model.width=8', 'budget.batch=8'],
    ...['budget.steps=30000000', 'evaluation.size=32', '--threads', '1', '--checkpoint-seconds', '0.2'],
    ...['--out', join(scratch, out), ...more],
  ];
  const startsOf = (out: string) =>
    readFileSync(join(scratch, out, files.records), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{"type":"start"'))
      .map((line) => JSON.parse(line).simd);
  const checkpoint = () => join(scratch, 'relaxed', files.checkpoint);
  try {
    const killed = await relaxedRhm(args('relaxed'), { timeoutSeconds: 3 });
    assert.is(killed.signal, 'SIGKILL', killed.stderr);
    assert.ok(existsSync(checkpoint()), 'it wrote a checkpoint');
    const bytes = readFileSync(checkpoint());
    assert.is(decodeSafetensors(new Uint8Array(bytes)).metadata.simd, 'relaxed');

    const plainly = await relaxedRhm(args('relaxed', '--resume', '--simd', 'plain'), { timeoutSeconds: 30 });
    assert.is(plainly.code, 2, plainly.stderr);
    assert.match(plainly.stderr, /simd: got plain, and the run began with relaxed/);
    if (!hasRelaxedSimd()) {
      const refused = await rhm(args('relaxed', '--resume'), { timeoutSeconds: 30 });
      assert.is(refused.code, 2, refused.stderr);
      assert.match(
        refused.stderr,
        /InputError: the run began with relaxed SIMD .*; use Node 22, Deno 2\.9, Chrome 114/s,
      );
    }
    assert.equal(readFileSync(checkpoint()), bytes, 'what is refused is not touched');
    assert.is((await relaxedRhm(args('relaxed', '--resume'), { timeoutSeconds: 2 })).signal, 'SIGKILL');
    assert.equal(startsOf('relaxed'), ['relaxed', 'relaxed']);

    await relaxedRhm(args('plain', '--simd', 'plain'), { timeoutSeconds: 2 });
    assert.equal(startsOf('plain'), ['plain']);
    const gpu = await rhm(args('gpu', '--executor', 'webgpu', '--simd', 'plain'));
    assert.is(gpu.code, 2);
    assert.match(gpu.stderr, /simd: got plain for the webgpu executor, which has none; leave it out, or use wasm/);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

test.run();
