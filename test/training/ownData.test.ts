import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { decodeNpy, npyHeader } from '../../src/core/npy.js';
import { type OwnData, withData } from '../../src/core/ownData.js';
import { parseRecords } from '../../src/core/records.js';
import { decodeSafetensors } from '../../src/core/safetensors.js';
import { batches, lab, startWorker, type TrainedRun } from '../../src/entry/node.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { train, trainGroup } from '../../src/training/loop.js';
import { crossEntropy } from '../support/crossEntropy.js';
import { failure } from '../support/gpu.js';
import { randomFrom } from '../support/random.js';
import { rhm } from '../support/run.js';

const test = suite("rows of tokens of one's own");
const executor = wasmExecutor({ threads: 1 });
let gpu: GpuSession;
const scratch = mkdtempSync(join(tmpdir(), 'rhm-own-'));
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => {
  await executor.destroy();
  await gpu.release();
  rmSync(scratch, { recursive: true });
});
const wasm = { executor: 'wasm', threads: 1 } as const;

/** A walk on a ring of v symbols with rare jumps; its label is its starting point, halved. */
function walks(seed: number, count: number, T: number, v: number) {
  const random = randomFrom(seed);
  const tokens = Array.from({ length: count }, () => {
    let at = Math.floor(random() * v);
    return Array.from({ length: T }, () => {
      at = random() < 0.1 ? Math.floor(random() * v) : (at + 1) % v;
      return at;
    });
  });
  return { tokens, labels: tokens.map((row) => Math.floor(row[0] / 2)) };
}

const T = 6;
const data: OwnData = { train: walks(1, 50, T, 5), validation: walks(2, 20, T, 5), test: walks(3, 33, T, 5) };
const grammar = { v: 5, n: 3, s: 6, L: 1 };
const cases: Record<string, ExperimentInput> = {
  'last token': { grammar, model: { kind: 'fcn', width: 16, depth: 1 }, budget: { batch: 8, epochs: 3 } },
  label: { grammar, task: 'class', model: { kind: 'hcnn', width: 8 }, budget: { batch: 8, sentences: 21, epochs: 4 } },
  'every token': {
    grammar,
    task: { kind: 'auto', context: 5 },
    model: { kind: 'clm', channels: 8, heads: 2, depth: 2 },
    budget: { batch: 10, steps: 12 },
  },
  'another geometry of the same rows': {
    grammar: { ...grammar, s: 6, L: 1, m: 1 },
    model: { kind: 'hcnn', width: 8, depth: 1, filter: 3 },
    budget: { batch: 8, epochs: 2 },
    evaluation: { size: 11, validation: 5 },
  },
};

for (const [name, own] of Object.entries(cases))
  for (const kind of ['wasm', 'webgpu'] as const)
    test(`${name}, ${kind}: every loss of the run is that of rows of the data`, async () => {
      const filled = await withData({ ...own, seed: 4, replicas: 2 }, data);
      const learnt = await lab.train({ ...own, budget: { batch: 8, steps: 60 } }, { ...wasm, data });
      const still = { ...filled, optimiser: { kind: 'sgd', rate: 1e-12 } } as const;
      const folder = new MemoryFolder();
      let ring: ArrayLike<number> = [];
      const { records } = await train(parseExperiment(still), {
        executor: kind === 'wasm' ? executor : gpuExecutor(gpu),
        folder,
        init: decodeSafetensors(learnt.checkpoint!),
        beforeEnd: async ({ training, loaded }) => {
          ring = await loaded.read(training.state.record);
        },
      });
      const network = {
        experiment: still,
        weights: folder.contents.get('checkpoint.safetensors')!,
        which: 'last',
      } as const;
      const rowsOf = (set: keyof OwnData) => new Set((data[set] as ReturnType<typeof walks>).tokens.map(String));
      for (const replica of [0, 1])
        for (const split of ['train', 'validation', 'test'] as const) {
          let step = 0;
          let [loss, count] = [0, 0];
          const seen: string[] = [];
          for await (const batch of batches(still, { split, replica })) {
            const rows = Array.from({ length: batch.count }, (_, i) => [...batch.tokens.subarray(T * i, T * i + T)]);
            seen.push(...rows.map(String));
            if (own.task === 'class')
              assert.equal(
                [...batch.targets],
                rows.map((row) => Math.floor(row[0] / 2)),
                'labels stay with their rows',
              );
            const { data: logits, shape } = await lab.logits({ ...network, replica }, rows, wasm);
            const one = crossEntropy(logits, shape[shape.length - 1], batch.targets);
            if (split === 'train') {
              const told = ring[(replica * (ring.length / 4) + step) * 2];
              assert.ok(Math.abs(told - one) < 1e-5, `step ${step}: ${told} and ${one}`);
            }
            step++;
            loss += one * batch.count;
            count += batch.count;
          }
          assert.ok(
            seen.every((row) => rowsOf(split).has(row)),
            `${split} rows are of their set`,
          );
          const { budget, evaluation } = parseExperiment(still);
          if (split === 'train') {
            const P = budget.sentences!;
            assert.ok(
              new Set(seen.slice(0, P)).size <= P &&
                seen.slice(0, P).sort().join() ===
                  seen
                    .slice(P, 2 * P)
                    .sort()
                    .join(),
              'an epoch is all P rows',
            );
            assert.is.not(seen.slice(0, P).join(), seen.slice(P, 2 * P).join(), 'in another order');
          } else {
            assert.is(count, split === 'test' ? evaluation.size : evaluation.validation);
            const told = records.find((r) => r.type === (split === 'test' ? 'test' : 'eval') && r.replica === replica);
            assert.ok(Math.abs((told as { loss: number }).loss - loss / count) < 1e-5, `${split} of ${replica}`);
            assert.is((told as { exact?: number }).exact, undefined, 'no exact predictor');
          }
        }
    });

test('a network learns from the rows where a walk goes next', async () => {
  const more = { train: walks(5, 4000, T, 5), test: walks(6, 1000, T, 5) };
  const run = await lab.train(
    { ...cases['last token'], optimiser: { kind: 'adamw', rate: 0.01 }, budget: { batch: 32, epochs: 12 } },
    { ...wasm, data: more },
  );
  // 0.9 + 0.02 for the next symbol, 0.02 for each other.
  const exact = -0.92 * Math.log(0.92) - 4 * 0.02 * Math.log(0.02);
  assert.ok(Math.abs(run.loss[0] - exact) < 0.08, `${run.loss} and ${exact}`);
});

test('the digest of the rows is part of the hash, however they are passed', async () => {
  const { tokens, labels } = data.train as ReturnType<typeof walks>;
  const { tokens: test } = data.test as ReturnType<typeof walks>;
  const experiment = cases['last token'];
  const flat = { shape: [50, T], data: Int8Array.from(tokens.flat()) };
  const ways: OwnData[] = [
    { train: tokens, test },
    { train: flat, test: { shape: [33, T], data: BigInt64Array.from(test.flat().map(BigInt)) } },
    {
      train: (async function* () {
        yield* tokens;
      })(),
      test: decodeNpy(Buffer.concat([npyHeader('|u1', [33, T]), Uint8Array.from(test.flat())])),
    },
  ];
  const hashes = [];
  for (const own of ways) hashes.push((await lab.train(experiment, { ...wasm, data: own })).hash);
  assert.is(new Set(hashes).size, 1);
  const changed = tokens.map((row, i) => (i === 7 ? [...row.slice(0, -1), (row[T - 1] + 1) % 5] : row));
  assert.is.not((await lab.train(experiment, { ...wasm, data: { train: changed, test } })).hash, hashes[0]);
  assert.is.not((await lab.train(experiment, { ...wasm, data: { train: { tokens, labels }, test } })).hash, hashes[0]);
  const worker = await startWorker(pathToFileURL(resolve('dist/worker.node.js')));
  try {
    const there: TrainedRun = await worker.api.train(experiment, { ...wasm, data: ways[0] });
    const here = await lab.train(experiment, { ...wasm, data: ways[0] });
    assert.equal([there.hash, there.loss], [here.hash, here.loss]);
  } finally {
    await worker.terminate();
  }
});

test('stopped and continued to the same bits; side by side as alone; other rows do not continue it', async () => {
  const long: ExperimentInput = { ...cases['every token'], budget: { batch: 10, steps: 400 } };
  const whole = await lab.train(long, { ...wasm, data });
  const stop = new AbortController();
  const folder = join(scratch, 'stopped');
  const onRecord = (r: { type: string; step?: number }) => r.type === 'eval' && r.step! >= 30 && stop.abort();
  await lab.train(long, { ...wasm, data, folder, signal: stop.signal, onRecord });
  const other = { ...data, test: walks(9, 33, T, 5) };
  const error = await failure(() => lab.train(long, { ...wasm, data: other, folder, resume: true }));
  assert.match(String(error), /another experiment|other experiment|experiment/);
  const again = await lab.train(long, { ...wasm, data, folder, resume: true });
  const weights = (run: TrainedRun) =>
    [...decodeSafetensors(run.checkpoint!).tensors]
      .filter(([name]) => !name.startsWith('state'))
      .map(([n, t]) => `${n} ${t.data}`);
  assert.equal(weights(again), weights(whole));
  const fewer = { train: walks(11, 23, T, 5), validation: data.validation, test: data.test };
  const pair = [await withData(long, data), await withData({ ...long, seed: 8 }, fewer as OwnData)].map(
    parseExperiment,
  );
  const folders = pair.map(() => new MemoryFolder());
  const together = await trainGroup(
    pair.map((experiment, i) => ({ experiment, folder: folders[i] })),
    { executor },
  );
  assert.equal((together[0] as TrainedRun).loss, whole.loss);
  const alone = new MemoryFolder();
  await train(pair[1], { executor, folder: alone });
  const evals = (from: MemoryFolder) =>
    parseRecords(new TextDecoder().decode(from.contents.get('records.jsonl'))).records.flatMap((r) =>
      r.type === 'eval' ? [r.loss] : [],
    );
  assert.equal(evals(folders[1]), evals(alone));
});

test('invalid input is refused by name, before anything is opened', async () => {
  const base = cases['last token'];
  const rows = (data.train as ReturnType<typeof walks>).tokens;
  const { labels: _, ...unlabelled } = data.test as ReturnType<typeof walks>;
  const refusals: [RegExp, ExperimentInput, OwnData | undefined][] = [
    [
      /^measures: invariance needs a grammar, but the run is trained on your own data/,
      { ...base, measures: ['invariance'] },
      data,
    ],
    [/^measures: gdv needs a grammar/, { ...base, measures: ['norms', 'gdv'] }, data],
    [
      /^data.train: rows of 6 tokens, grammar.s\^L is 8; set grammar.s and grammar.L .* s=6 L=1/,
      { ...base, grammar: { v: 5, s: 2, L: 3 } },
      data,
    ],
    [/^data.train: contains the token 4, grammar.v is 4/, { ...base, grammar: { ...grammar, v: 4 } }, data],
    [/^data.test: has no labels, which task 'class' predicts/, cases.label, { train: data.train, test: unlabelled }],
    [/^data.train: contains the label 2, grammar.n is 2/, { ...cases.label, grammar: { ...grammar, n: 2 } }, data],
    [/^data.train: has 50 rows, but 51 are requested/, { ...base, budget: { batch: 8, sentences: 51 } }, data],
    [/^data.test: has 33 rows, but 40 are requested/, { ...base, evaluation: { size: 40 } }, data],
    [
      /^data.validation: missing, evaluation.validation requires 8 rows/,
      { ...base, evaluation: { size: 30, validation: 8 } },
      { train: data.train, test: data.test },
    ],
    [/^data.test: missing; pass rows of tokens/, base, { train: data.train } as OwnData],
    [/^data.valid: no such set; pass train, validation, test/, base, { ...data, valid: rows } as OwnData],
    [/^data.train: row 0 has 6 tokens, row 1 5;/, base, { ...data, train: [rows[0], rows[1].slice(1)] }],
    [/^data.train: row 1, position 2: got -1;/, base, { ...data, train: [rows[0], [0, 1, -1, 0, 0, 0]] }],
    [/^data.train: 1 row of 6 tokens; pass at least 2 rows/, base, { ...data, train: [rows[0]] }],
    [
      /^data.train.labels: 3 labels of 2 rows/,
      base,
      { ...data, train: { tokens: rows.slice(0, 2), labels: [0, 1, 2] } },
    ],
    [
      /^data.train: the rows with digest 0123456789abcdef are not available; pass them as data/,
      {
        ...base,
        data: { train: { digest: '0123456789abcdef', rows: 50 }, test: { digest: '0123456789abcdef', rows: 50 } },
      },
      undefined,
    ],
    [
      /^data.train.digest: got "xyz"/,
      { ...base, data: { train: { digest: 'xyz', rows: 50 }, test: { digest: 'xyz', rows: 50 } } },
      undefined,
    ],
  ];
  for (const [says, experiment, own] of refusals) {
    const folder = join(scratch, 'refused');
    const error = await failure(() => lab.train(experiment, { ...wasm, data: own, folder }));
    assert.instance(error, InputError, String(error));
    assert.match(error.message, says);
  }
});

test('the command line: files in, continued without naming them, sampled, predicted; theory left out', async () => {
  const file = (name: string, rows: number[][]) => {
    const path = join(scratch, name);
    writeFileSync(path, Buffer.concat([npyHeader('|u1', [rows.length, T]), Uint8Array.from(rows.flat())]));
    return path;
  };
  const { tokens } = data.train as ReturnType<typeof walks>;
  const { tokens: held } = data.test as ReturnType<typeof walks>;
  const out = join(scratch, 'run');
  const settings = [
    'model=fcn',
    'model.width=8',
    'model.depth=1',
    'grammar.v=5',
    'grammar.s=6',
    'grammar.L=1',
    'budget.batch=8',
    'budget.epochs=2',
  ];
  const common = ['--executor', 'wasm', '--threads', '1', '--out', out];
  const ran = await rhm([
    'train',
    '--set',
    ...settings,
    `data.train=${file('x.npy', tokens)}`,
    `data.test=${file('y.npy', held)}`,
    ...common,
    '--json',
  ]);
  assert.is(ran.code, 0, ran.stderr);
  const experiment = JSON.parse(readFileSync(join(out, 'experiment.json'), 'utf8'));
  const here = await lab.train(
    {
      ...cases['last token'],
      grammar: { v: 5, s: 6, L: 1 },
      model: { kind: 'fcn', width: 8, depth: 1 },
      budget: { batch: 8, epochs: 2 },
    },
    { ...wasm, data: { train: tokens, test: held } },
  );
  assert.match(ran.stdout, new RegExp(here.hash));
  assert.equal([experiment.budget.sentences, experiment.evaluation.size, experiment.data.train.rows], [50, 33, 50]);
  const resumed = await rhm(['train', join(out, 'experiment.json'), '--resume', ...common]);
  assert.is(resumed.code, 0, resumed.stderr);
  const sampled = await rhm([
    'sample',
    '--experiment',
    join(out, 'experiment.json'),
    '--split',
    'test',
    '--format',
    'text',
  ]);
  assert.equal(sampled.stdout.trim().split('\n').sort(), held.map((row) => row.join(' ')).sort());
  const predicted = await rhm(['predict', out, '--tokens', join(scratch, 'y.npy'), '--executor', 'wasm']);
  assert.is(predicted.stdout.trim().split('\n').length, 33);
  const analysed = await rhm(['analyze', out, '--out', join(scratch, 'report')]);
  assert.is(analysed.code, 2);
  assert.match(analysed.stderr, /trained on data of its own/);
  writeFileSync(join(scratch, 'x.npy'), readFileSync(join(scratch, 'y.npy')));
  const changed = await rhm(['train', join(out, 'experiment.json'), '--resume', ...common]);
  assert.is(changed.code, 2);
  assert.match(changed.stderr, /data.train: these rows are [0-9a-f]{16}, the experiment names [0-9a-f]{16}/);
  const none = await rhm(['train', '--set', ...settings, 'data.train=none.npy', 'data.test=none.npy']);
  assert.is(none.code, 2);
  assert.match(none.stderr, /none.npy: no such file; pass a .npy file/);
});

test('rhm correlations --data: covariances fall with distance, and n-gram losses are those of a chain', async () => {
  // Two symbols that flip with probability q: covariance (1 - 2 q)^k / 4 at distance k, for all four pairs.
  const q = 0.15;
  const random = randomFrom(7);
  const rows = Array.from({ length: 40_000 }, () => {
    let at = random() < 0.5 ? 0 : 1;
    return Array.from({ length: 7 }, () => {
      at = random() < q ? 1 - at : at;
      return at;
    });
  });
  const file = join(scratch, 'chain.txt');
  writeFileSync(file, rows.map((row) => row.join(' ')).join('\n'));
  const ran = await rhm(['correlations', '--data', file, '--json']);
  assert.is(ran.code, 0, ran.stderr);
  const found = JSON.parse(ran.stdout);
  assert.equal([found.v, found.rows, found.test], [2, 36_000, 4_000]);
  assert.is(found.covariance.length, 6);
  for (const { distance, signal } of found.covariance) {
    const exact = (1 - 2 * q) ** (2 * distance) / 16;
    // 36000 pairs: a covariance is known to 0.25 / 190, so its square to 2 c 0.0013, or the square of that.
    assert.ok(
      Math.abs(signal - exact) < 6 * Math.sqrt(exact) * 0.0013 + 6 * 0.0013 ** 2,
      `${distance}: ${signal} and ${exact}`,
    );
  }
  const entropy = -q * Math.log(q) - (1 - q) * Math.log(1 - q);
  assert.equal(
    found.ngram.map((x: { context: number }) => x.context),
    [0, 1, 2, 3, 4, 5, 6],
  );
  for (const { context, loss, error } of found.ngram)
    assert.ok(Math.abs(loss - (context ? entropy : Math.LN2)) < 5 * error + 0.002, `${context}: ${loss}`);
  const text = await rhm(['correlations', '--data', file]);
  assert.match(text.stdout, /Covariance of the last of 2 tokens/);
  const refused = await rhm(['correlations', '--data', file, '-L', '3']);
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /--L: of a grammar, and --data takes none/);
});

test.run();
