import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Experiment, parseExperiment } from '../../src/core/experiment.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { spawnNodeThread } from '../../src/platform/nodeThread.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { generate } from '../../src/training/generate.js';
import { train } from '../../src/training/loop.js';
import { rulesOf } from '../../src/training/members.js';
import { weightsOf } from '../../src/training/weights.js';

/** Networks learn what they should, at sizes that two cores manage. WebAssembly gives the same bits everywhere. */
const test = suite('learning');
const executor = wasmExecutor({ threads: 2, spawn: spawnNodeThread });
test.after(() => executor.destroy());

const grammar = { v: 8, m: 2, s: 2, L: 3, seed: 1 };

async function learn(input: object) {
  const experiment: Experiment = parseExperiment({ grammar, ...input });
  const folder = new MemoryFolder();
  const { records, reason } = await train(experiment, { executor, folder });
  assert.is(reason, 'done');
  const evals = records.flatMap((r) => (r.type === 'eval' ? [r] : []));
  return { experiment, folder, evals, last: evals.at(-1)! };
}

for (const [name, model, optimiser] of [
  ['hcnn', { kind: 'hcnn', width: 64 }, { kind: 'sgd', rate: 1 }],
  ['mla', { kind: 'mla', channels: 32, heads: 4 }, { kind: 'adamw', rate: 5e-3 }],
] as const)
  test(`${name}: through the plateaus of its grammar in order, to the last`, async () => {
    const { experiment, evals, last } = await learn({
      model,
      optimiser,
      budget: { batch: 32, steps: 1500 },
      evaluation: { size: 512, perDoubling: 4 },
    });
    const { H } = lossPlateaus(rulesOf(experiment));
    // A step is taken when the loss has fallen half way from one plateau to the next.
    const crossings = [1, 2, 3].map(
      (ell) => evals.find((e) => e.loss < (H[ell - 1] + H[ell]) / 2)?.samples ?? Number.NaN,
    );
    assert.ok(crossings[0] < crossings[1] && crossings[1] < crossings[2], `steps at P = ${crossings}`);
    assert.ok(evals[0].loss > H[1], `${evals[0].loss} at the start`);
    assert.ok(Math.abs(last.loss - H[3]) < 0.02, `ends at ${last.loss}, H(3) = ${H[3]}`);
  });

test('class: for every m the error falls when P passes n m^L', async () => {
  for (const m of [2, 3, 4]) {
    const scale = 8 * m ** 3; // n m^L
    const error = async (sentences: number) => {
      const errors: number[] = [];
      for (const seed of [1, 2]) {
        const { last } = await learn({
          grammar: { ...grammar, m, seed },
          task: 'class',
          model: { kind: 'hcnn', width: 64 },
          budget: { batch: 16, sentences, steps: Math.max(1000, (20 * sentences) / 16) },
          evaluation: { size: 512, perDoubling: 1 },
        });
        errors.push(1 - last.accuracy);
      }
      return (errors[0] + errors[1]) / 2;
    };
    // Guessing is wrong in 7 of 8 cases.
    const [half, twice] = [await error(scale / 2), await error(2 * scale)];
    assert.ok(half > 0.5, `m = ${m}: error ${half} from ${scale / 2} sentences`);
    assert.ok(twice < 0.15, `m = ${m}: error ${twice} from ${2 * scale} sentences`);
  }
});

test('clm: at least 95 in 100 of its sentences are grammatical to the root, and temperature has its effect', async () => {
  const { experiment, folder } = await learn({
    task: 'auto',
    model: { kind: 'clm', channels: 32, heads: 4, depth: 3 },
    optimiser: { kind: 'adamw', rate: 1e-2 },
    schedule: { kind: 'cosine', warmup: 50, floor: 0 },
    budget: { batch: 64, steps: 2000 },
    evaluation: { size: 256, perDoubling: 1 },
  });
  const rules = rulesOf(experiment);
  const weights = weightsOf((await folder.read(files.checkpoint))!, 'checkpoint', { which: 'last' });
  const at = (temperature: number) =>
    generate(experiment, rules, weights, executor, { count: 600, temperature, seed: 3 });
  const { grammatical, sentences } = await at(1);
  assert.ok(grammatical[3] >= 0.95, `grammatical up to level 0, 1, 2, 3: ${grammatical}`);
  const distinct = new Set(Array.from({ length: 600 }, (_, i) => sentences.subarray(8 * i, 8 * i + 8).join()));
  assert.ok(distinct.size > 300, `${distinct.size} different sentences among 600`);
  assert.ok((await at(20)).grammatical[3] < 0.5, 'nearly uniform tokens are rarely grammatical');
  assert.equal((await at(1)).sentences, sentences, 'the same seed gives the same sentences');
});

test('host memory does not grow with the steps', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const steps = process.env.RHM_SOAK ? 400_000 : 100_000;
  const experiment = parseExperiment({
    grammar: { v: 4, m: 2, s: 2, L: 1, seed: 1 },
    model: { kind: 'hcnn', width: 4 },
    budget: { batch: 2, steps },
    evaluation: { size: 4, perDoubling: 1 },
  });
  const used: number[] = [];
  const look = () => {
    collect();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    used.push(heapUsed + external + arrayBuffers);
  };
  const single = wasmExecutor();
  await train(experiment, {
    executor: single,
    folder: new MemoryFolder(),
    sliceMs: 5, // many slices: a leak per slice would show here
    onProgress: ({ step }) => {
      if (step >= steps / 8 && used.length === 0) look();
    },
  });
  look();
  await single.destroy();
  assert.is(used.length, 2);
  assert.ok(used[1] - used[0] < 2 ** 20, `${used} bytes`);
});

test.run();
