import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRecording } from '../../src/analysis/makeRecording.js';
import { coordinate, decodeRecording, encodeRecording, packCoordinate, REACH } from '../../src/analysis/recording.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { makeRules } from '../../src/core/rules.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/core/safetensors.js';
import { countDerivations } from '../../src/grammar/derivations.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { recordedRuns } from '../../src/sweep/recordedRuns.js';
import { lossPlateaus, noiseFloor, rmsCovariances, sampleComplexities } from '../../src/theory/index.js';
import { files, MemoryFolder } from '../../src/training/folder.js';
import { train } from '../../src/training/loop.js';

const test = suite('the recording that the page plays');
const bytes = new Uint8Array(readFileSync('src/web/story/recording.safetensors'));
const recording = decodeRecording(bytes);

test('the existing recording contains the runs that rhm recording trains, on at most a tenth of the language', () => {
  const plan = recordedRuns();
  assert.equal(
    recording.networks.flatMap(({ kind, sentences }) => sentences.map((P) => `${kind} ${P}`)),
    plan.map(({ kind, sentences }) => `${kind} ${sentences}`),
  );
  const size = Number(countDerivations(recording.grammar));
  assert.ok(recording.sentences.every((P) => P <= size / 10));
  for (const { kind, model, optimiser, batch } of recording.networks) {
    const { experiment } = plan.find((run) => run.kind === kind)!;
    assert.equal({ kind, ...model }, experiment.model);
    assert.equal(optimiser, experiment.optimiser);
    assert.is(batch, experiment.budget.batch);
  }
});

test('its theory is that of its grammar, and its losses are between the floor and chance', () => {
  const { grammar, H, P, signal, networks } = recording;
  const rules = makeRules(grammar, grammar.seed);
  const close = (a: number, b: number) => Math.abs(a - b) < 1e-9 * Math.max(1, Math.abs(b));
  lossPlateaus(rules).H.forEach((exact, i) => {
    assert.ok(close(H[i], exact));
  });
  assert.equal(P, {
    cnn: sampleComplexities(grammar, 'cnn'),
    transformer: sampleComplexities(grammar, 'transformer'),
  });
  for (let ell = 1; ell <= grammar.L; ell++) {
    assert.ok(close(signal.transformer[ell - 1], rmsCovariances(rules, 0)[ell]));
    assert.ok(close(signal.cnn[ell - 1], rmsCovariances(rules, Math.max(0, ell - 2))[ell]));
  }
  for (const { loss, kind } of networks)
    for (const value of loss) assert.ok(value > H[grammar.L] - 0.005 && value < H[0] + 0.05, `${kind} ${value}`);
});

test('measured correlations are the exact ones plus the noise of P samples', () => {
  const { sentences, measured, signal, grammar } = recording;
  for (const family of ['cnn', 'transformer'] as const)
    for (const [i, P] of sentences.entries())
      for (let ell = 1; ell <= grammar.L; ell++) {
        const expected = Math.sqrt(signal[family][ell - 1] ** 2 + noiseFloor(grammar, P));
        const value = measured[family][i * grammar.L + ell - 1];
        // With few symbols few entries are averaged, and rare ones have less noise than the formula's uniform ones.
        assert.ok(
          value > 0.6 * expected && value < 1.4 * expected,
          `${family} ell ${ell} P ${P}: ${value}, ${expected}`,
        );
      }
});

test('the tokens and symbols are derivations of the grammar', () => {
  const { grammar, tokens, symbols, count } = recording;
  const { s, L } = grammar;
  const { rules } = makeRules(grammar, grammar.seed);
  const [nodes, d] = [symbols.length / count, tokens.length / count];
  for (let b = 0; b < count; b++) {
    const tree = [...symbols.subarray(b * nodes, (b + 1) * nodes), ...tokens.subarray(b * d, (b + 1) * d)];
    for (let node = 0, depth = 0; depth < L; depth++)
      for (let position = 0; position < s ** depth; position++, node++) {
        const children = tree.slice(s * node + 1, s * node + 1 + s);
        assert.ok(
          rules[depth][tree[node]].some((tuple) => String(tuple) === String(children)),
          `sentence ${b}, node ${node}`,
        );
      }
  }
});

test('written and read back, it is the same', () => {
  assert.equal(decodeRecording(encodeRecording(recording)), recording);
  for (let byte = 0; byte < 256; byte++) assert.is(packCoordinate(coordinate(byte)), byte);
  assert.equal([packCoordinate(-9), packCoordinate(9)], [0, 255]);
  assert.ok(Math.abs(coordinate(packCoordinate(1.234)) - 1.234) <= REACH / 255);
});

interface About {
  format: string;
  H: number[];
  networks: unknown[];
}

test('invalid contents are refused by name', () => {
  const { metadata, tensors } = decodeSafetensors(bytes);
  const changed = (change: (about: About, all: typeof tensors) => void) => {
    const about = JSON.parse(metadata.recording);
    const all = new Map(tensors);
    change(about, all);
    return encodeSafetensors({ metadata: { recording: JSON.stringify(about) }, tensors: all });
  };
  const cases: [RegExp, (about: About, all: typeof tensors) => void][] = [
    [/format/, (about) => (about.format = 'another')],
    [/H is/, (about) => about.H.pop()],
    [/tensor 0\.loss is missing/, (_, all) => all.delete('0.loss')],
    [/tensor 1\.points .* expected U8/, (_, all) => all.set('1.points', tensors.get('1.within')!)],
    [/holds no networks/, (about) => (about.networks = [])],
    [
      /P do not increase/,
      (_, all) => all.set('0.sentences', { ...tensors.get('0.sentences')!, data: new Uint32Array(23) }),
    ],
    [
      /a symbol does not belong to the grammar/,
      (_, all) => all.set('tokens', { ...tensors.get('tokens')!, data: new Uint8Array(4096).fill(99) }),
    ],
    [/of no layer/, (_, all) => all.set('0.places', { ...tensors.get('0.places')!, data: new Uint8Array(92).fill(9) })],
  ];
  for (const [message, change] of cases) assert.throws(() => decodeRecording(changed(change)), message);
});

test('made of two networks that were trained here: losses of the records, clouds of the best weights', async () => {
  const executor = wasmExecutor({ threads: 1 });
  const runs = [];
  try {
    for (const model of [
      { kind: 'hcnn', width: 8 },
      { kind: 'mla', channels: 8, heads: 2 },
    ])
      for (const sentences of [32, 128]) {
        const experiment = parseExperiment({
          model,
          grammar: { v: 4, n: 4, m: 2, s: 2, L: 3, seed: 1 },
          budget: { batch: 16, sentences, patience: 2, steps: 60 },
          evaluation: { size: 64, validation: 32, perDoubling: 1 },
        });
        const folder = new MemoryFolder('run');
        await train(experiment, { executor, folder });
        const read = async (file: string) => (await folder.read(file))!;
        const records = new TextDecoder().decode(await read(files.records));
        runs.push({
          name: `${model.kind} ${sentences}`,
          experiment,
          records,
          checkpoint: await read(files.checkpoint),
        });
      }
    const made = await makeRecording(runs, executor, 'here');
    assert.equal(decodeRecording(encodeRecording(made)), made);
    assert.equal(made.sentences, [32, 128]);
    assert.equal(
      made.networks.map((n) => [n.kind, n.sentences, n.clouds.map((c) => c.level)]),
      [
        ['hcnn', [32, 128], [1, 2]],
        ['mla', [32, 128], [1, 2]],
      ],
    );
    const test = runs[1].records.split('\n').flatMap((line) => (line.includes('"test"') ? [JSON.parse(line)] : []))[0];
    assert.ok(Math.abs(made.networks[0].loss[1] - (test.loss - test.exact + made.H[3])) < 1e-6);
    for (const { points, within } of made.networks) {
      assert.ok(new Set(points).size > 50);
      assert.ok(within.every((part) => part > 0 && part <= 1));
    }
    const [first] = runs;
    const online = { ...first, experiment: parseExperiment({ ...first.experiment, budget: { batch: 16, steps: 10 } }) };
    await makeRecording([online], executor, '').then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /budget\.sentences/),
    );
    await makeRecording([{ ...first, records: first.records.split('\n').slice(0, 3).join('\n') }], executor, '').then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /hcnn 32.*train it on/),
    );
  } finally {
    await executor.destroy();
  }
});

test.run();
