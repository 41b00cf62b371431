import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import type { OptimiserKind } from '../../src/core/experimentTypes.js';
import { optimisers } from '../../src/core/optimisers.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { train, trainGroup } from '../../src/training/loop.js';
import { optimiserSpec } from '../../src/training/optimisers.js';

/** Properties of every optimiser of the table. */
const test = suite('optimisers');
const executor = wasmExecutor();
test.after(() => executor.destroy());

const experimentOf = (kind: OptimiserKind, part: object = {}, optimiser: object = {}) =>
  parseExperiment({
    grammar: { v: 6, m: 2, s: 2, L: 2, seed: 3 },
    model: { kind: 'hcnn', width: 16 },
    optimiser: { kind, weightDecay: 0.01, clip: 5, ...optimiser },
    schedule: { kind: 'cosine', warmup: 10 },
    budget: { batch: 32, steps: 400 },
    evaluation: { size: 128, perDoubling: 1 },
    ...part,
  });
const checkpointOf = (folder: MemoryFolder) => decodeSafetensors(folder.contents.get(files.checkpoint)!);
/** All tensors of a checkpoint except those with times. */
const tensorsOf = (folder: MemoryFolder) =>
  [...checkpointOf(folder).tensors].map(([name, { data }]) => [name, [...data]] as const);

for (const kind of Object.keys(optimisers) as OptimiserKind[]) {
  test(`${kind}: learns, and keeps its moments in the checkpoint`, async () => {
    const folder = new MemoryFolder();
    const { records } = await train(experimentOf(kind, {}, { weightDecay: 0 }), { executor, folder });
    const losses = records.flatMap((r) => (r.type === 'eval' ? [r.loss] : []));
    assert.ok(losses.at(-1)! < losses[0] - 0.05, `${losses}`);
    const { tensors } = checkpointOf(folder);
    for (const moment of optimiserSpec(kind).moments) {
      const own = [...tensors].filter(([name]) => name.startsWith(`optimiser/${moment}/`));
      assert.ok(own.length > 0, `no tensor of ${moment}`);
    }
    assert.is(
      [...tensors.keys()].filter((name) => name.startsWith('optimiser/')).length,
      optimiserSpec(kind).moments.length * [...tensors.keys()].filter((name) => name.startsWith('best/')).length,
    );
  });

  test(`${kind}: interrupted and resumed, to the same bits`, async () => {
    const experiment = experimentOf(kind);
    const [whole, parts] = [new MemoryFolder(), new MemoryFolder()];
    await train(experiment, { executor, folder: whole });
    const stop = new AbortController();
    const onRecord = (r: { type: string; step?: number }) => {
      if (r.type === 'eval' && r.step === 64) stop.abort();
    };
    const first = await train(experiment, { executor, folder: parts, signal: stop.signal, onRecord });
    assert.is(first.reason, 'interrupted');
    assert.is((await train(experiment, { executor, folder: parts, resume: true })).reason, 'done');
    assert.equal(tensorsOf(parts), tensorsOf(whole));
  });

  test(`${kind}: side by side with another rate and decay, with the bits it gives alone`, async () => {
    const experiments = [experimentOf(kind), experimentOf(kind, { seed: 5 }, { rate: 3e-3, weightDecay: 0 })];
    const alone = experiments.map(() => new MemoryFolder());
    const together = experiments.map(() => new MemoryFolder());
    for (const [i, experiment] of experiments.entries()) await train(experiment, { executor, folder: alone[i] });
    await trainGroup(
      experiments.map((experiment, i) => ({ experiment, folder: together[i] })),
      { executor },
    );
    for (const i of experiments.keys()) assert.equal(tensorsOf(together[i]), tensorsOf(alone[i]), `run ${i}`);
  });
}

test.run();
