import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import type { RunRecord } from '../../src/core/records.js';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { type RunMoment, type TrainOptions, train } from '../../src/training/loop.js';

const test = suite('a run under control');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const experiment = parseExperiment({
  grammar: { v: 5, m: 2, s: 2, L: 2, seed: 3 },
  model: { kind: 'hcnn', width: 6 },
  optimiser: { kind: 'sgd', rate: 0.5, momentum: 0.9 },
  schedule: { kind: 'cosine', warmup: 5 },
  budget: { batch: 8, steps: 60 },
  evaluation: { size: 32, perDoubling: 2 },
  replicas: 2,
  seed: 5,
});

async function go(options: Partial<TrainOptions> = {}, folder = new MemoryFolder()) {
  const result = await train(experiment, { executor, folder, ...options });
  const { tensors } = decodeSafetensors((await folder.read(files.checkpoint))!);
  return { ...result, folder, weights: [...tensors], lines: comparable(result.records) };
}

const comparable = (records: readonly RunRecord[]) =>
  records.flatMap((r) => (r.type === 'eval' || r.type === 'rate' ? [{ ...r, elapsed_ms: 0 }] : []));

test('paused, stepped and released again: the same records and weights, without counting the time paused', async () => {
  const plain = await go();
  const seen: number[] = [];
  let now = 0;
  const controlled = await go({
    now: () => ++now,
    async control({ step, save }) {
      seen.push(step);
      now += 1e6; // a long pause
      if (step === 7) await save();
      return step < 20 ? step + 1 : Number.POSITIVE_INFINITY;
    },
  });
  assert.equal(
    seen.slice(0, 21),
    Array.from({ length: 21 }, (_, i) => i),
    'one step at a time',
  );
  assert.equal(controlled.lines, plain.lines);
  assert.equal(controlled.weights, plain.weights);
  const last = controlled.records.findLast((r) => r.type === 'eval');
  assert.ok(last?.type === 'eval' && last.elapsed_ms < 1e6, 'pauses are not training time');
});

/** Twice the rate from step 16 on. */
const doubled = async ({ step, scaleRate }: RunMoment) => {
  if (step === 16) await scaleRate(2);
  return step < 16 ? 16 : Number.POSITIVE_INFINITY;
};

test('a changed learning rate is in the records, applies from the next step on, and survives a resume', async () => {
  const plain = await go();
  const changed = await go({ control: doubled });
  const rates = changed.lines.filter((r) => r.type === 'rate').map(({ step, factor }) => ({ step, factor }));
  assert.equal(rates, [{ step: 16, factor: 2 }]);
  const evalsOf = (lines: typeof plain.lines) => lines.filter((r) => r.type === 'eval');
  const upTo = (lines: typeof plain.lines, last: number) => evalsOf(lines).filter((r) => r.step <= last);
  assert.equal(upTo(changed.lines, 16), upTo(plain.lines, 16));
  assert.not.equal(evalsOf(changed.lines), evalsOf(plain.lines));
  // Stopped at step 30 and resumed, the rate is read from the records.
  const abort = new AbortController();
  const folder = new MemoryFolder();
  const stopped = await go(
    {
      signal: abort.signal,
      async control(moment) {
        if (moment.step >= 30) abort.abort();
        const limit = await doubled(moment);
        return Math.min(limit, moment.step < 16 ? 16 : 30);
      },
    },
    folder,
  );
  assert.is(stopped.reason, 'interrupted');
  assert.is(stopped.step, 30);
  const resumed = await go({ resume: true }, folder);
  assert.equal(resumed.lines, changed.lines);
  assert.equal(resumed.weights, changed.weights);
  const file = parseRecords(new TextDecoder().decode(await folder.read(files.records)));
  assert.equal(file.problems, []);
  assert.is(file.records.filter((r) => r.type === 'rate').length, 1);
});

test('twice the rate is twice the first step of plain SGD', async () => {
  const once = parseExperiment({
    ...experiment,
    optimiser: { kind: 'sgd', rate: 0.25 },
    schedule: { kind: 'constant' },
    budget: { batch: 8, steps: 1 },
    replicas: 1,
  });
  const step = async (factor: number | undefined) => {
    const folder = new MemoryFolder();
    let start: Float32Array | undefined;
    await train(once, {
      executor,
      folder,
      async control({ trainer, scaleRate }) {
        start ??= Float32Array.from(await trainer.loaded.read(trainer.training.params));
        if (factor !== undefined) await scaleRate(factor);
        return 1;
      },
    });
    const end = decodeSafetensors((await folder.read(files.checkpoint))!).tensors.get('hidden.0.0.filter')!;
    return { start: start!, end: end.data as Float32Array };
  };
  const [plain, twice, none] = [await step(undefined), await step(2), await step(1e-30)];
  let moved = 0;
  for (let i = 0; i < plain.end.length; i++) {
    const [a, b] = [plain.end[i] - none.end[i], twice.end[i] - none.end[i]];
    // Each weight is rounded to f32 once: half a unit in its last place, here of numbers below 4.
    if (!(Math.abs(b - 2 * a) <= 3 * 2 ** -22)) assert.unreachable(`weight ${i}: moved by ${b}, twice ${a} was wanted`);
    moved = Math.max(moved, Math.abs(a));
  }
  assert.ok(moved > 1e-3);
});

test.run();
