import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FileError, InputError } from '../../src/core/errors.js';
import { type Experiment, type ExperimentInput, parseExperiment } from '../../src/core/experiment.js';
import { decodeNpy } from '../../src/core/npy.js';
import { decodeSafetensors, encodeSafetensors, type SafeFile } from '../../src/core/safetensors.js';
import { lab, type Network, startWorker } from '../../src/entry/node.js';
import type { GpuSession } from '../../src/gpu/device.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { hiddenLayers, logitsOf } from '../../src/training/logits.js';
import { verifyGolden } from '../../src/training/verify.js';
import { failure } from '../support/gpu.js';
import { rhm } from '../support/run.js';

const test = suite('logits of given sentences');
let gpu: GpuSession;
const wasm = wasmExecutor({ threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), 'rhm-logits-'));
test.before(async () => {
  gpu = await openNodeGpu();
});
test.after(async () => {
  await gpu.release();
  await wasm.destroy();
  rmSync(scratch, { recursive: true });
});

interface Case {
  experiment: Experiment;
  weights: SafeFile;
  tokens: { shape: readonly number[]; data: ArrayLike<number> };
  logits: { shape: readonly number[]; data: Float64Array };
}

/** A case of the authors' code as a user would have it: an experiment and a file of weights. */
async function golden(kind: string): Promise<Case> {
  const bytes = readFileSync(`test/data/golden/${kind}.safetensors`);
  const { metadata, tensors } = decodeSafetensors(bytes);
  const { kind: name, v, n, m, s, L, mode, ...c } = JSON.parse(metadata.case);
  const model: Record<string, unknown> = { kind: name.replace('transformer_', '') };
  for (const key of ['width', 'channels', 'heads', 'ratio', 'depth', 'bias']) if (key in c) model[key] = c[key];
  const experiment = parseExperiment({ grammar: { v, n, m, s, L }, task: mode, model });
  const weights: SafeFile = { metadata: {}, tensors: new Map() };
  for (const [path, tensor] of tensors)
    if (path.startsWith('param/')) weights.tensors.set(path.slice('param/'.length), tensor);
  const { flattened } = (await verifyGolden(bytes, kind, referenceExecutor())).inputs;
  if (flattened === 'by symbol') {
    // Inputs of this case were flattened as [v, d]; the authors' programs use [d, v].
    const first = weights.tensors.get('hidden.0.0.weight')!;
    const d = s ** L;
    const data = Float64Array.from(first.data as Float64Array, (_, i) => {
      const column = i % (v * d);
      return Number(first.data[i - column + (column % v) * d + Math.floor(column / v)]);
    });
    weights.tensors.set('hidden.0.0.weight', { ...first, data });
  }
  const tokens = tensors.get('tokens')!;
  const logits = tensors.get('logits')!;
  return {
    experiment,
    weights,
    tokens: { shape: tokens.shape, data: tokens.data as Int32Array },
    logits: { shape: logits.shape, data: logits.data as Float64Array },
  };
}

/** Within 1e-5 of the largest logit: some hundred roundings of 2^-24. */
function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, what: string): void {
  assert.is(got.length, want.length, what);
  const scale = Math.max(...Array.from(want, Math.abs));
  for (let i = 0; i < got.length; i++)
    if (!(Math.abs(got[i] - want[i]) <= 1e-5 * scale)) assert.unreachable(`${what}: ${i} is ${got[i]}, not ${want[i]}`);
}

for (const kind of ['hcnn', 'hlcn', 'fcn', 'mla', 'clm', 'hcnn-bias', 'hlcn-bias', 'fcn-bias'])
  test(`${kind}: equal to those of PyTorch, on every executor`, async () => {
    const { experiment, weights, tokens, logits: want } = await golden(kind);
    for (const executor of [wasm, gpuExecutor(gpu), referenceExecutor()]) {
      const got = await logitsOf(experiment, weights, tokens, executor, true);
      assert.equal(got.shape, want.shape);
      assertClose(got.data, want.data, `${kind} on ${executor.description}`);
      assert.equal(Object.keys(got.hidden), hiddenLayers(experiment));
      assert.ok(Object.keys(got.hidden).length > 0);
      for (const { shape, data } of Object.values(got.hidden)) {
        assert.is(shape[0], tokens.shape[0]);
        assert.is(data.length, shape[0] * shape[1] * shape[2]);
      }
    }
  });

/** Made with the torch modules of rhm.py in float64: s = 3, biases, other depths, parts of sentences, norms. */
for (const file of readdirSync('test/data/logits'))
  test(`${file}: equal to those of PyTorch, on every executor`, async () => {
    const { metadata, tensors } = decodeSafetensors(readFileSync(join('test/data/logits', file)));
    const experiment = parseExperiment(JSON.parse(metadata.experiment));
    const params = [...tensors].filter(([name]) => name.startsWith('param/'));
    const weights = { metadata: {}, tensors: new Map(params.map(([name, t]) => [name.slice('param/'.length), t])) };
    const tokens = tensors.get('tokens')!;
    const want = tensors.get('logits')!;
    for (const executor of [wasm, gpuExecutor(gpu), referenceExecutor()]) {
      const given = { shape: tokens.shape, data: tokens.data as Uint8Array };
      const got = await logitsOf(experiment, weights, given, executor);
      assert.equal(got.shape, want.shape);
      assertClose(got.data, want.data as Float64Array, `${file} on ${executor.description}`);
    }
  });

test('hidden layers lead to the logits: the mean of the last one through the readout', async () => {
  const { experiment, weights, tokens, logits } = await golden('hcnn');
  const { hidden } = await logitsOf(experiment, weights, tokens, wasm, ['hidden.2']);
  assert.equal(Object.keys(hidden), ['hidden.2']);
  const { shape, data } = hidden['hidden.2'];
  const [B, positions, units] = shape;
  const { shape: readoutShape, data: readout } = weights.tensors.get('readout')!;
  const classes = readoutShape[1];
  const want = Array.from({ length: B * classes }, (_, i) => {
    let sum = 0;
    for (let p = 0; p < positions; p++)
      for (let u = 0; u < units; u++)
        sum +=
          data[(Math.floor(i / classes) * positions + p) * units + u] * Number(readout[u * classes + (i % classes)]);
    return sum / positions / units;
  });
  assertClose(want, logits.data, 'mean-field readout');
});

test('rows as lists, rows without the predicted token, in any number; the predicted token is ignored', async () => {
  const { experiment, weights, tokens, logits } = await golden('hcnn');
  const [count, d] = tokens.shape;
  const rows = Array.from({ length: count }, (_, r) => Array.from(tokens.data).slice(r * d, (r + 1) * d));
  const of = (input: Parameters<typeof logitsOf>[2]) => logitsOf(experiment, weights, input, wasm);
  const want = (await of(rows)).data;
  assertClose(want, logits.data, 'lists');
  assert.equal((await of(rows.map((row) => row.slice(0, -1)))).data, want);
  assert.equal((await of(rows.map((row) => [...row.slice(0, -1), (row[d - 1] + 1) % 5]))).data, want);
  assert.equal(
    (await of(rows.map((row) => BigInt64Array.from(row, BigInt)) as never)).data,
    want,
    'int64, as NumPy has',
  );
  assert.equal((await of([])).shape, [0, 5]);
  const many = await of(Array.from({ length: 601 }, (_, i) => rows[i % count])); // three parts, the last one shorter
  assert.equal(many.shape, [601, 5]);
  for (let i = 0; i < 601; i++)
    assert.equal(many.data.subarray(5 * i, 5 * i + 5), want.subarray(5 * (i % count), 5 * (i % count) + 5), `row ${i}`);
});

const trained = {
  grammar: { v: 6, m: 2, s: 3, L: 2, seed: 1 },
  budget: { steps: 30, batch: 8 },
  evaluation: { size: 32 },
};
const others: Record<string, ExperimentInput> = {
  'hcnn of one layer, s = 3, biases': { ...trained, model: { kind: 'hcnn', width: 8, depth: 1, bias: true } },
  'mla with everything, root symbol': {
    ...trained,
    task: 'class',
    model: { kind: 'mla', channels: 12, heads: 3, depth: 3, residual: true, ratio: 2, norm: 'rms' },
  },
  'clm over a part of the sentence, two replicas': {
    ...trained,
    task: { kind: 'auto', context: 5 },
    model: { kind: 'clm', channels: 8, heads: 2, depth: 1, dropout: 0.2 },
    replicas: 2,
  },
  perceptron: { ...trained, model: { kind: 'fcn', depth: 0 } },
};

for (const [name, experiment] of Object.entries(others))
  test(`${name}: from a run's folder, its checkpoint and its exported weights, here and in a worker`, async () => {
    const folder = join(scratch, name.replaceAll(' ', '-'));
    const choice = { executor: 'wasm', threads: 1 } as const;
    const { checkpoint } = await lab.train(experiment, { ...choice, folder });
    const parsed = parseExperiment(experiment);
    const rules = await lab.rules({ n: 6, ...parsed.grammar }, 1);
    const length = parsed.task.context ?? 9;
    const whole = await lab.sample(rules, { count: 7, seed: 5 });
    const rows = Array.from({ length: 7 }, (_, r) => whole.subarray(9 * r + 9 - length, 9 * r + 9));
    const exported = join(scratch, 'exported.safetensors');
    const replica = (parsed.replicas ?? 1) - 1;
    const made = await rhm(['export', folder, '-o', exported, '--weights', 'last', '--replica', String(replica)]);
    assert.is(made.code, 0, made.stderr);
    const own = readFileSync(exported);
    const exact = await logitsOf(parsed, decodeSafetensors(own), rows, referenceExecutor(), true);
    const worker = await startWorker(pathToFileURL(resolve('dist/worker.node.js')));
    try {
      const networks: Network[] = [
        { run: folder, which: 'last', replica },
        { experiment, weights: checkpoint!, which: 'last', replica },
        { experiment, weights: own },
      ];
      for (const network of networks)
        for (const api of [lab, worker.api]) {
          const got = await api.logits(network, rows, { ...choice, hidden: true });
          assert.equal(got.shape, exact.shape);
          assertClose(got.data, exact.data, name);
          for (const [layer, { shape, data }] of Object.entries(exact.hidden)) {
            assert.equal(got.hidden[layer].shape, shape);
            assertClose(got.hidden[layer].data, data, layer);
          }
        }
    } finally {
      await worker.terminate();
    }
    // The context alone, or complete sentences.
    const sentences = Array.from({ length: 7 }, (_, r) => whole.subarray(9 * r, 9 * r + 9));
    assert.equal(
      (await lab.logits({ run: folder, which: 'last', replica }, sentences, choice)).data,
      (await lab.logits({ run: folder, which: 'last', replica }, rows, choice)).data,
    );
  });

test('invalid input is refused by name', async () => {
  const { experiment, weights, tokens } = await golden('hcnn');
  const bytes = encodeSafetensors(weights);
  const row = [0, 1, 2, 3, 4, 0, 1, 2];
  const network = { experiment, weights: bytes };
  const refusals: [RegExp, Network, unknown, Parameters<typeof lab.logits>[2]?][] = [
    [
      /^tokens: row 1, position 2: got 5; pass whole numbers from 0 to v - 1 = 4$/,
      network,
      [row, [0, 1, 5, 3, 4, 0, 1, 2]],
    ],
    [/^tokens: row 0, position 0: got 0.5;/, network, [[0.5, ...row.slice(1)]]],
    [/^tokens: row 0, position 1: got -1;/, network, { shape: [1, 8], data: Int32Array.of(0, -1, 0, 0, 0, 0, 0, 0) }],
    [/^tokens: row 0, position 3: got null;/, network, [[0, 1, 2, null, 4, 0, 1, 2]]],
    [/^tokens: row 0 has 8 tokens, row 1 7; pass rows of tokens/, network, [row, row.slice(1)]],
    [/^tokens: rows of 6; pass rows of 8 or 7 tokens$/, network, [row.slice(2)]],
    [/^tokens: its shape is \[8\]; pass rows/, network, { shape: [8], data: row }],
    [/^tokens: \[2,8\] needs 16 numbers, it has 8;/, network, { shape: [2, 8], data: row }],
    [/^tokens: got 3; pass rows/, network, 3],
    [/^hidden: no layer "hiden.1"; did you mean hidden.1\?/, network, [row], { hidden: ['hiden.1'] }],
    [
      /^weights: hidden.0.0.filter is \[6,5,2\], the model expects \[7,5,2\]/,
      { experiment: { ...experiment, model: { kind: 'hcnn', width: 7 } }, weights: bytes },
      [row],
    ],
    [/^weights: 3 bytes, shorter than the 8/, { experiment, weights: Uint8Array.of(1, 2, 3) }, [row]],
    [/^weights: missing; pass the bytes/, { experiment } as never, [row]],
    [/^model.kind: got "resnet"/, { experiment: { model: { kind: 'resnet' } } as object, weights: bytes }, [row]],
    [/nowhere\/experiment.json: not found; pass the folder of a run/, { run: join(scratch, 'nowhere') }, [row]],
    [/^run: got number; pass the folder/, { run: 3 } as never, [row]],
    [/^executor: got cuda/, network, [row], { executor: 'cuda' as 'wasm' }],
  ];
  for (const [says, network, input, options] of refusals) {
    const error = await failure(() =>
      lab.logits(network, input as never, { executor: 'wasm', threads: 1, ...options }),
    );
    assert.ok(error instanceof InputError || error instanceof FileError, String(error));
    assert.match(error.message, says);
  }
  assert.is((await lab.logits(network, tokens, { executor: 'wasm' })).data.length, 35);
});

test('rhm predict: from .npy files, text and JSON lines, to JSON lines, .npy and safetensors', async () => {
  const folder = join(scratch, 'predicted');
  await lab.train({ ...trained, model: { kind: 'hcnn', width: 8 } }, { executor: 'wasm', threads: 1, folder });
  const at = (name: string) => join(scratch, name);
  const sample = ['sample', '--rules', join(folder, 'rules.json'), '--count', '5', '--seed', '3'];
  for (const format of ['npy', 'text', 'jsonl'])
    assert.is((await rhm([...sample, '--format', format, '-o', at(`tokens.${format}`)])).code, 0);
  const { shape, data } = decodeNpy(readFileSync(at('tokens.npy')));
  const want = await lab.logits({ run: folder }, { shape, data }, { executor: 'wasm', threads: 1 });
  const predict = (file: string, ...more: string[]) =>
    rhm(['predict', folder, '--tokens', file, '--executor', 'wasm', '--threads', '1', ...more]);
  for (const format of ['npy', 'text', 'jsonl']) {
    const ran = await predict(at(`tokens.${format}`));
    assert.is(ran.code, 0, ran.stderr);
    const lines = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.is(lines.length, 5);
    lines.forEach(({ index, predicted, logits }, i) => {
      const own = [...want.data.subarray(6 * i, 6 * i + 6)];
      assert.equal([index, logits], [i, own.map(Math.fround)]);
      assert.is(predicted, own.indexOf(Math.max(...own)));
    });
  }
  assert.is((await predict(at('tokens.npy'), '--format', 'npy', '-o', at('logits.npy'))).code, 0);
  const named = await rhm([
    ...[
      'predict',
      'predicted',
      '--store',
      scratch,
      '--tokens',
      at('tokens.npy'),
      '--executor',
      'wasm',
      '--threads',
      '1',
    ],
    ...['--format', 'npy', '-o', at('named.npy')],
  ]);
  assert.is(named.code, 0, named.stderr);
  assert.equal(readFileSync(at('named.npy')), readFileSync(at('logits.npy')), 'a run by its name');
  const saved = decodeNpy(readFileSync(at('logits.npy')));
  assert.equal([saved.shape, saved.data], [[5, 6], want.data]);
  const hidden = await predict(at('tokens.npy'), '--format', 'safetensors', '--hidden', '-o', at('all.safetensors'));
  assert.is(hidden.code, 0, hidden.stderr);
  const { tensors } = decodeSafetensors(readFileSync(at('all.safetensors')));
  assert.equal(
    [...tensors].map(([name, t]) => [name, t.shape]),
    [
      ['logits', [5, 6]],
      ['hidden.0', [5, 3, 8]],
      ['hidden.1', [5, 1, 8]],
    ],
  );
  writeFileSync(at('bad.txt'), '0 1 2 3 4 5 0 1 2\n0 1 2 3 4 9 0 1 2\n');
  for (const [args, says] of [
    [[at('bad.txt')], /row 1, position 5: got 9; pass whole numbers from 0 to v - 1 = 5/],
    [[at('none.npy')], /none.npy: no such file; pass a .npy file/],
    [[at('tokens.npy'), '--hidden', 'hidden.7', '--format', 'safetensors'], /no layer "hidden.7"/],
    [[at('tokens.npy'), '--hidden'], /--hidden: .*--format safetensors/],
  ] as const) {
    const ran = await predict(...(args as unknown as [string]));
    assert.is(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, says);
  }
});

test.run();
