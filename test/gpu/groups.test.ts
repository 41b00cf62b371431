import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { ReplicaGroups } from '../../src/gpu/groups.js';
import { gpuExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { membersOf } from '../../src/training/members.js';
import { Trainer } from '../../src/training/trainer.js';
import { failure } from '../support/gpu.js';

const test = suite('groups of replicas');
let gpu: GpuSession;
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => gpu.release());

const common = {
  grammar: { v: 8, m: 2, s: 2, L: 3 },
  budget: { batch: 16, steps: 100 },
  evaluation: { size: 64 },
  replicas: 5,
} satisfies ExperimentInput;

/** Weights, moments and losses after three steps, and the replicas of each group. */
async function trained(input: ExperimentInput, maxBindingBytes?: number) {
  const executor = gpuExecutor(gpu, undefined, maxBindingBytes ? { maxBindingBytes } : {}, undefined, true);
  const trainer = await Trainer.create(membersOf(parseExperiment(input)), executor);
  try {
    await trainer.advance(1);
    await trainer.advance(2);
    const losses = (await trainer.evaluate()).map(({ loss }) => loss);
    const states = await trainer.state();
    const { loaded } = trainer;
    const groups = loaded instanceof ReplicaGroups ? loaded.groups.map(({ program }) => program.replicas) : [];
    return { losses, states, groups };
  } finally {
    trainer.destroy();
  }
}

const cases: Record<string, { input: ExperimentInput; limit: number }> = {
  hcnn: { input: { ...common, model: { kind: 'hcnn', width: 32 } }, limit: 70_000 },
  'mla with AdamW': {
    input: {
      ...common,
      model: { kind: 'mla', channels: 16, heads: 2, depth: 1 },
      optimiser: { kind: 'adamw', rate: 0.01 },
    },
    limit: 200_000,
  },
  'hcnn in f16': { input: { ...common, model: { kind: 'hcnn', width: 32 }, precision: 'f16' }, limit: 70_000 },
};

for (const [name, { input, limit }] of Object.entries(cases))
  test(`${name}: five replicas of which two fit a binding train to the same bits as together`, async () => {
    const together = await trained(input);
    const apart = await trained(input, limit);
    assert.equal(together.groups, []);
    assert.equal(apart.groups, [2, 2, 1]);
    assert.equal(apart.losses, together.losses);
    assert.equal(apart.states, together.states);
  });

test('a single replica that does not fit is refused, with its bytes and the limit', async () => {
  const error = await failure(() => trained(cases.hcnn.input, 4096));
  assert.match(error.message, /needs a binding of \d+ bytes, the adapter's limit is 4096; use a smaller batch/);
});

test.run();
