import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FollowingPca } from '../../src/analysis/pca.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { createSampler } from '../../src/grammar/index.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import type { Tensor } from '../../src/plan/types.js';
import * as reference from '../../src/reference/attention.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { Trainer } from '../../src/training/trainer.js';
import { addProbe, attentionMap, ofReplica, type Probe } from '../../src/web/cloud/probe.js';
import { projected } from '../../src/web/cloud/renderer.js';
import { uniforms } from '../support/random.js';

const test = suite('the cloud of activations');
const stream = uniforms(20_000, 5);
let drawn = 0;
const random = () => stream[drawn++ % stream.length] + 0.5;
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Rows of one position among several, with variances that decrease from direction to direction. */
function cloudOf(units: number, count: number, positions = 3, position = 1) {
  const stride = positions * units;
  const data = new Float32Array(count * stride).fill(99);
  const mix = Array.from({ length: units }, () => Array.from({ length: units }, normal));
  for (let b = 0; b < count; b++) {
    const z = Array.from({ length: units }, (_, k) => normal() * 0.55 ** k * 4);
    for (let u = 0; u < units; u++)
      data[b * stride + position * units + u] = 7 + mix[u].reduce((sum, m, k) => sum + m * z[k], 0);
  }
  return { data, count, units, start: position * units, stride };
}

/** Eigenvalues, descending, and eigenvectors of a symmetric matrix by Jacobi rotations, independent of the code under test. */
function jacobi(matrix: number[][]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((__, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p][q]) < 1e-300) continue;
        const theta = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
        const [c, s] = [Math.cos(theta), Math.sin(theta)];
        for (let k = 0; k < n; k++) [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
        for (let k = 0; k < n; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
        for (let k = 0; k < n; k++) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
      }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v.map((row) => row[i])) };
}

test('directions and variances are those of the covariance’s eigenvectors', () => {
  const units = 9;
  const rows = cloudOf(units, 200);
  const at = (b: number, u: number) => rows.data[rows.start + b * rows.stride + u];
  const mean = Array.from(
    { length: units },
    (_, u) => Array.from({ length: 200 }, (__, b) => at(b, u)).reduce((x, y) => x + y) / 200,
  );
  const covariance = mean.map((mu, i) =>
    mean.map(
      (nu, j) => Array.from({ length: 200 }, (_, b) => (at(b, i) - mu) * (at(b, j) - nu)).reduce((x, y) => x + y) / 200,
    ),
  );
  const { values, vectors } = jacobi(covariance);
  const total = values.reduce((x, y) => x + y);
  const pca = new FollowingPca();
  let cloud = pca.fit(rows);
  for (let i = 0; i < 300; i++) cloud = pca.fit(rows); // followed until it stands
  for (let k = 0; k < 3; k++) {
    const dot = vectors[k].reduce((sum, x, u) => sum + x * cloud.basis[k * units + u], 0);
    // Iteration converges as (value ratio)^rounds, far below the rounding of the f32 basis.
    assert.ok(Math.abs(Math.abs(dot) - 1) <= 2 ** -20, `direction ${k}: ${dot}`);
    assert.ok(Math.abs(cloud.variance[k] - values[k] / total) <= 1e-6, `variance ${k}`);
  }
  const points = projected({ cloud, rows, symbols: new Uint32Array(200), kinds: 1 });
  for (let k = 0; k < 3; k++) {
    const middle = Array.from({ length: 200 }, (_, b) => points[3 * b + k]).reduce((x, y) => x + y) / 200;
    assert.ok(Math.abs(middle) <= 1e-5, 'the cloud stands in the middle');
  }
});

test('a cloud that moves a little turns its axes a little; fewer units than directions, and no variance at all, are fine', () => {
  const rows = cloudOf(12, 150);
  const pca = new FollowingPca();
  let before = pca.fit(rows);
  for (let step = 0; step < 20; step++) {
    for (let i = 0; i < rows.data.length; i++) rows.data[i] *= 1 + 0.01 * normal();
    const after = pca.fit(rows);
    for (let k = 0; k < 3; k++) {
      let dot = 0;
      for (let u = 0; u < 12; u++) dot += before.basis[12 * k + u] * after.basis[12 * k + u];
      assert.ok(dot > 0.8, `step ${step}, axis ${k}: ${dot}`);
    }
    before = after;
  }
  for (const units of [1, 2]) {
    const cloud = new FollowingPca().fit(cloudOf(units, 40));
    assert.ok([...cloud.basis].every(Number.isFinite));
    assert.ok(Math.abs(cloud.variance.reduce((a, b) => a + b) - 1) <= 1e-9, `${units} units hold everything`);
  }
  const flat = new FollowingPca().fit({ data: new Float32Array(60).fill(2), count: 10, units: 6, start: 0, stride: 6 });
  assert.equal(
    [flat.spread, ...flat.variance].map((x) => Math.round(x * 1e9)),
    [0, 0, 0, 0],
  );
});

test('an attention map is the effect of attention on one-hot values', () => {
  const T = 5;
  const heads = 2;
  const C = heads * T;
  const sentences = 3;
  const qkv = Float32Array.from({ length: sentences * T * 3 * C }, () => normal());
  for (let b = 0; b < sentences; b++)
    for (let t = 0; t < T; t++) for (let c = 0; c < C; c++) qkv[(b * T + t) * 3 * C + 2 * C + c] = Number(c % T === t);
  for (const queries of [T, 1]) {
    const shape = {
      batch: sentences,
      tokens: T,
      queries,
      heads,
      dim: T,
      causal: false,
      lastQueryOnly: queries === 1,
      scale: 0.7,
    };
    const wanted = new Float64Array(queries * T);
    const wantedOne = new Float64Array(queries * T); // head 1 of sentence 2
    for (let b = 0; b < sentences; b++) {
      const out = new Float64Array(queries * C);
      const part = Float64Array.from(qkv.subarray(b * T * 3 * C, (b + 1) * T * 3 * C));
      reference.attention(shape, part, out, new Float64Array(heads * queries), queries);
      for (let i = 0; i < queries; i++)
        for (let c = 0; c < C; c++) wanted[i * T + (c % T)] += out[i * C + c] / (heads * sentences);
      if (b === 2)
        for (let i = 0; i < queries; i++) for (let j = 0; j < T; j++) wantedOne[i * T + j] = out[i * C + T + j];
    }
    const tensor = {
      name: 'qkv',
      shape: [1, sentences, T, 3 * C],
      dtype: 'f32',
      role: 'persistent',
      buffer: 'qkv',
      offset: 0,
      replicaStride: 0,
    } as const;
    const layer = { layer: 0, qkv: tensor, heads, scale: 0.7, queries };
    const map = attentionMap(layer, qkv);
    const one = attentionMap(layer, qkv, { head: 1, sentence: 2 });
    wantedOne.forEach((x, i) => {
      assert.ok(Math.abs(one[i] - x) <= 2 ** -21, `head 1, sentence 2, ${i}: ${one[i]}, expected ${x}`);
    });
    wanted.forEach((x, i) => {
      assert.ok(Math.abs(map[i] - x) <= 2 ** -20, `${i}: ${map[i]}, expected ${x}`); // an f32 sum of 6 terms below 1
    });
  }
});

for (const model of [
  { kind: 'hcnn', width: 8 },
  { kind: 'mla', channels: 8, heads: 2 },
] as const)
  test(`${model.kind}: the plan reads the first test sentences and does not affect training`, async () => {
    const experiment = parseExperiment({
      grammar: { v: 5, m: 2, s: 2, L: 3, seed: 4 },
      model,
      budget: { batch: 8, steps: 5 },
      evaluation: { size: 16 },
      replicas: 2,
      seed: 9,
    });
    const members = membersOf(experiment);
    const executor = wasmExecutor();
    try {
      let probe: Probe | undefined;
      const seen = trainingProgram(members, {}, (context) => {
        probe = addProbe(context, model.kind);
      });
      const trainer = await Trainer.create(members, executor, undefined, seen);
      const plain = await Trainer.create(members, executor);
      for (let step = 0; step < 3; step++) {
        await trainer.advance(1);
        await trainer.loaded.run(probe!.plan);
        await plain.advance(1);
      }
      assert.equal(await trainer.state(), await plain.state());
      const sampler = await createSampler(members[0].rules);
      assert.is(probe!.replicas, 2);
      const nodes = 1 + 2 + 4;
      const seen0: Float32Array[] = [];
      for (const { replica, test: source } of members) {
        const read = (tensor: Tensor) => trainer.loaded.read(ofReplica(tensor, replica));
        const trees = sampler.trees(source, 0, probe!.batch);
        const tokens = (await read(probe!.tokens)) as Uint32Array;
        const symbols = (await read(probe!.symbols)) as Uint32Array;
        for (let b = 0; b < probe!.batch; b++) {
          const tree = trees.symbols.subarray(b * sampler.symbolsPerTree, (b + 1) * sampler.symbolsPerTree);
          assert.equal([...symbols.subarray(b * nodes, (b + 1) * nodes)], [...tree.subarray(0, nodes)]);
          assert.equal([...tokens.subarray(b * 8, (b + 1) * 8)], [...tree.subarray(nodes)]);
        }
        for (const [k, { tensor, units, positions }] of probe!.layers.entries()) {
          // A GPU binds at multiples of 256 bytes.
          assert.is((4 * ofReplica(tensor, replica).offset) % 256, 0);
          const values = (await read(tensor)) as Float32Array;
          assert.is(values.length, probe!.batch * units * positions);
          assert.ok(values.some((x) => x !== 0) && values.every(Number.isFinite));
          if (replica === 0) seen0.push(values);
          else assert.not.equal(values, seen0[k], 'each replica has its own');
        }
      }
      assert.is(probe!.attention.length, model.kind === 'mla' ? 3 : 0);
      trainer.destroy();
      plain.destroy();
    } finally {
      await executor.destroy();
    }
  });

test.run();
