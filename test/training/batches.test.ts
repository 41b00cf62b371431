import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { decodeNpy } from '../../src/core/npy.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { type Batch, type BatchOptions, batches, lab } from '../../src/entry/node.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { train } from '../../src/training/loop.js';
import { crossEntropy } from '../support/crossEntropy.js';
import { failure } from '../support/gpu.js';
import { rhm } from '../support/run.js';

const test = suite('batches as a run sees them');
const executor = wasmExecutor({ threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), 'rhm-batches-'));
test.after(async () => {
  await executor.destroy();
  rmSync(scratch, { recursive: true });
});

const wasm = { executor: 'wasm', threads: 1 } as const;
const all = async (input: ExperimentInput, options: BatchOptions) => {
  const found: Batch[] = [];
  for await (const batch of batches(input, options)) found.push(batch);
  return found;
};

const cases: Record<string, ExperimentInput> = {
  'last token, P sentences over three epochs': {
    model: { kind: 'hcnn', width: 8 },
    budget: { batch: 8, sentences: 20, epochs: 3 },
  },
  'root symbol, fresh sentences': { task: 'class', model: { kind: 'hcnn', width: 8 }, budget: { batch: 7, steps: 5 } },
  'every token of a part, P sentences': {
    task: { kind: 'auto', context: 6 },
    model: { kind: 'clm', channels: 8, heads: 2, depth: 1 },
    budget: { batch: 5, sentences: 12, steps: 6 },
  },
  'every hidden symbol, of fewer roots, P sentences over two epochs': {
    task: 'parse',
    model: { kind: 'hcnn', width: 8 },
    budget: { batch: 6, sentences: 18, epochs: 2 },
  },
  'masked tokens of a part, any number of them, P sentences over two epochs': {
    task: { kind: 'mask', context: 6 },
    model: { kind: 'mla', channels: 8, heads: 2, depth: 1 },
    budget: { batch: 5, sentences: 12, epochs: 2 },
  },
  'masked tokens, a third of them': {
    task: { kind: 'mask', fraction: 1 / 3 },
    model: { kind: 'unet', width: 8 },
    budget: { batch: 4, steps: 4 },
  },
};

/** Mean over sentences of the mean over the tokens hidden from the network. */
function maskedLoss(data: ArrayLike<number>, v: number, parts: readonly Batch[], d: number): number {
  const values = Array.from(data);
  const losses = parts.flatMap(({ count, tokens, targets }) => {
    const T = targets.length / count;
    return Array.from({ length: count }, (_, row) => {
      const hidden = Array.from({ length: T }, (_, i) => i).filter((i) => tokens[row * d + d - T + i] === v);
      assert.ok(hidden.length > 0, 'no sentence without a mask');
      const logits = values.splice(0, T * v);
      const chosen = hidden.flatMap((i) => logits.slice(i * v, (i + 1) * v));
      return crossEntropy(
        chosen,
        v,
        hidden.map((i) => targets[row * T + i]),
      );
    });
  });
  return losses.reduce((a, b) => a + b) / losses.length;
}

for (const [name, own] of Object.entries(cases))
  test(`${name}: losses of the run are those of the batches`, async () => {
    const grammar = { v: 6, m: 2, s: 3, L: 2, seed: 2 };
    const whole: ExperimentInput = { ...own, grammar, evaluation: { size: 40, validation: 24 }, seed: 3, replicas: 2 };
    // Weights that are not arbitrary, and steps that do not change them.
    const learnt = await lab.train({ ...whole, replicas: 1, budget: { batch: 16, steps: 60 } }, wasm);
    const init = decodeSafetensors(learnt.checkpoint!);
    const still: ExperimentInput = { ...whole, optimiser: { kind: 'sgd', rate: 1e-12 } };
    const experiment = parseExperiment(still);
    const folder = new MemoryFolder();
    let ring: ArrayLike<number> = [];
    const { records } = await train(experiment, {
      executor,
      folder,
      init,
      beforeEnd: async ({ training, loaded }) => {
        ring = await loaded.read(training.state.record);
      },
    });
    const network = {
      experiment: still,
      weights: folder.contents.get('checkpoint.safetensors')!,
      which: 'last' as const,
    };
    const lossOf = async (parts: readonly Batch[], replica: number) => {
      const d = 9;
      const tokens = parts.flatMap(({ tokens }) => [...tokens]);
      const { data, shape } = await lab.logits(
        { ...network, replica },
        { shape: [tokens.length / d, d], data: tokens },
        wasm,
      );
      if (experiment.task.kind === 'mask') return maskedLoss(data, 6, parts, d);
      return crossEntropy(
        data,
        shape[shape.length - 1],
        parts.flatMap(({ targets }) => [...targets]),
      );
    };
    const near = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) < 1e-5, `${what}: ${a} and ${b}`);
    for (const replica of [0, 1]) {
      const steps = await all(still, { replica });
      const { batch } = experiment.budget;
      assert.ok(steps.every(({ count, first }, i) => count === batch && first === i * batch));
      for (const [step, one] of steps.entries())
        near(
          ring[(replica * (ring.length / 4) + step) * 2],
          await lossOf([one], replica),
          `step ${step} of ${replica}`,
        );
      for (const [split, type] of [
        ['validation', 'eval'],
        ['test', 'test'],
      ] as const) {
        const parts = await all(still, { split, replica, batch: 11 });
        assert.equal(
          parts.map((p) => p.count).reduce((a, b) => a + b),
          split === 'test' ? 40 : 24,
        );
        const told = records.find((r) => r.type === type && r.replica === replica) as { loss: number };
        near(told.loss, await lossOf(parts, replica), split);
      }
    }
    const [skipped] = await all(still, { from: 5, count: 3 });
    const first = (await all(still, { count: 8, batch: 8 }))[0];
    assert.equal([...skipped.tokens], [...first.tokens.subarray(45, 72)]);
  });

test('rhm sample --experiment: the same sentences, all of a split by default', async () => {
  const file = join(scratch, 'experiment.json');
  const experiment: ExperimentInput = {
    ...cases['last token, P sentences over three epochs'],
    grammar: { v: 6, m: 2, L: 3 },
    evaluation: { size: 30, validation: 10 },
    replicas: 2,
  };
  writeFileSync(file, JSON.stringify(experiment));
  const sample = (...args: string[]) => rhm(['sample', '--experiment', file, ...args]);
  for (const split of ['train', 'validation', 'test'] as const) {
    const out = join(scratch, `${split}.npy`);
    const ran = await sample('--split', split, '--format', 'npy', '--replica', '1', '-o', out);
    assert.is(ran.code, 0, ran.stderr);
    const { shape, data } = decodeNpy(readFileSync(out));
    assert.equal(shape, [{ train: 20, validation: 10, test: 30 }[split], 8]);
    const [whole] = await all(experiment, { split, replica: 1, batch: 30, count: shape[0] });
    assert.equal([...(data as Uint8Array)], [...whole.tokens]);
  }
  const part = await sample('--start', '18', '--count', '4', '--format', 'text');
  const [four] = await all(experiment, { from: 18, count: 4 });
  assert.equal(part.stdout.match(/\d+/g)!.map(Number), [...four.tokens], 'over the end of an epoch');
  for (const [args, says] of [
    [['--seed', '3'], /--seed: the experiment says it/],
    [['-v', '3'], /--v: the experiment says it/],
    [['--replica', '2'], /replica .*from 0 to 1/],
    [['--split', 'tset'], /Allowed choices are train, validation, test/],
  ] as const) {
    const ran = await sample(...args);
    assert.is(ran.code, 2);
    assert.match(ran.stderr, says);
  }
  const alone = await rhm(['sample', '--split', 'test', '--count', '3', '-v', '6', '-m', '2', '-L', '2']);
  assert.match(alone.stderr, /--split: of which experiment/);
  assert.match((await rhm(['sample', '-v', '6', '-m', '2', '-L', '2'])).stderr, /--count: missing/);
});

test('sets that the experiment does not have are refused', async () => {
  const refusals: [RegExp, BatchOptions][] = [
    [/^split: got tests; pass train, validation, test/, { split: 'tests' as 'test' }],
    [/^split: the experiment has no validation set/, { split: 'validation' }],
    [/^replica .*from 0 to 0/, { replica: 1 }],
    [/^batch .*from 1/, { batch: 0 }],
    [/^from .*from 0/, { from: -1 }],
  ];
  for (const [says, options] of refusals) {
    const error = await failure(() => all({ grammar: { v: 6, m: 2, L: 2 }, evaluation: { size: 8 } }, options));
    assert.instance(error, InputError);
    assert.match(error.message, says);
  }
});

test.run();
