import * as assert from 'uvu/assert';
import { threefry } from '../../src/core/threefry.js';
import { gpuExecutor, referenceExecutor, wasmExecutor } from '../../src/kernels/index.js';
import { ridge as addRidge } from '../../src/kernels/ridge.js';
import { runCase } from '../../src/kernels/tools/check.js';
import { openNodeGpu } from '../../src/platform/node.js';
import { ridge } from '../../src/reference/ridge.js';
import { kernelSuite, refusal } from './harness.js';

const test = kernelSuite(addRidge);

const uniform = (i: number, j: number, key: number) => threefry([key, j], i, 0)[0] / 2 ** 32;
const gramOf = (features: number[][]) =>
  features.flatMap((x) => features.map((y) => x.reduce((sum, xj, j) => sum + xj * y[j], 0)));

test('scores are those of the normal equations of the features', () => {
  const [batch, F] = [95, 5];
  const features = Array.from({ length: batch }, (_, i) => Array.from({ length: F }, (_, j) => 1 + uniform(i, j, 7)));
  const labels = features.map((x, i) => Math.floor((3 * (x[0] + x[1] - 2 + 0.6 * uniform(i, 9, 8))) / 2.6));
  for (const fit of [1, 2, 6, 61]) {
    const fitted = features.slice(0, fit);
    const mean = Array.from({ length: F }, (_, j) => fitted.reduce((sum, x) => sum + x[j] / fit, 0));
    const X = features.map((x) => x.map((xj, j) => xj - mean[j]));
    const squares = (rows: number[][]) =>
      rows.slice(0, fit).reduce((sum, x) => sum + x.reduce((s, xj) => s + xj * xj, 0) / fit, 0);
    const penalty = 1e-3 * squares(X) + 1e-6 * squares(features) + 1e-30;
    const share = [0, 1, 2].map((c) => labels.slice(0, fit).filter((l) => l === c).length / fit);
    // (X^T X + penalty) W = X^T Y by Gauss-Jordan, right-hand sides beside the matrix
    const sum = (f: (x: number[], b: number) => number, start = 0) =>
      X.slice(0, fit).reduce((s, x, b) => s + f(x, b), start);
    const rows = Array.from({ length: F }, (_, i) => [
      ...Array.from({ length: F }, (_, j) => sum((x) => x[i] * x[j], i === j ? penalty : 0)),
      ...share.map((mine, c) => sum((x, b) => x[i] * (Number(labels[b] === c) - mine))),
    ]);
    for (let i = 0; i < F; i++) {
      rows[i] = rows[i].map((x) => x / rows[i][i]);
      for (let k = 0; k < F; k++) if (k !== i) rows[k] = rows[k].map((x, j) => x - rows[k][i] * rows[i][j]);
    }
    const got = new Float64Array((batch - fit) * 3);
    ridge({ batch, fit, columns: 3 }, gramOf(features), (b, c) => labels[b] === c, got);
    X.slice(fit).forEach((x, i) => {
      share.forEach((mine, c) => {
        const want = x.reduce((s, xj, f) => s + xj * rows[f][F + c], mine);
        assert.ok(Math.abs(got[3 * i + c] - want) < 1e-8, `${fit} fitted: ${got[3 * i + c]}, normal equations ${want}`);
      });
    });
  }
});

test('linear functions of the features are read, noise is not', () => {
  const [batch, fit] = [90, 60];
  const features = Array.from({ length: batch }, (_, i) => Array.from({ length: 6 }, (_, j) => uniform(i, j, 4) - 0.5));
  const right = (label: (i: number) => boolean) => {
    const scores = new Float64Array(2 * (batch - fit));
    ridge({ batch, fit, columns: 2 }, gramOf(features), (b, c) => label(b) === (c === 1), scores);
    let count = 0;
    for (let i = fit; i < batch; i++) count += Number(scores[2 * (i - fit) + 1] > scores[2 * (i - fit)] === label(i));
    return count / (batch - fit);
  };
  assert.ok(right((i) => features[i][0] > features[i][3]) > 0.85);
  assert.ok(right((i) => uniform(i, 5, 5) < 0.5) < 0.8);
});

test('a replica with invalid numbers has no scores, the others keep theirs', async () => {
  const item = addRidge.cases[0];
  const fill = { ...item.fill };
  let replica = -1;
  fill.gram = (i, random) => {
    if (i === 0) replica++;
    const value = item.fill!.gram(i, random);
    return replica === 1 ? Number.NaN : value;
  };
  const gpu = await openNodeGpu();
  try {
    for (const executor of [gpuExecutor(gpu), wasmExecutor(), referenceExecutor()]) {
      replica = -1;
      const { scores } = await runCase({ ...item, fill }, executor);
      const broken = Array.from({ length: 3 }, (_, r) => {
        const mine = [...scores.subarray((r * scores.length) / 3, ((r + 1) * scores.length) / 3)];
        return mine.filter(Number.isNaN).length / mine.length;
      });
      assert.equal(broken, [0, 1, 0], executor.description);
    }
  } finally {
    await gpu.release();
  }
});

test('matrices that are not square, and nothing or too much to fit, are refused', () => {
  const attempt = (gram: number[], scores: number[], batch: number, columns = scores[2]) =>
    refusal((plan) => {
      const p = plan.program;
      addRidge(plan, {
        label: 'x',
        gram: p.persistent('gram', gram),
        symbols: p.persistent('symbols', [batch, 3], 'u32'),
        targets: p.persistent('targets', [columns, 2], 'u32'),
        scores: p.persistent('scores', scores),
      });
    });
  assert.match(attempt([1, 8, 7], [1, 3, 5], 8), 'gram is [2,1,8,7], batch = 8; pass [2,1,8,8]');
  assert.match(attempt([1, 8, 8], [2, 3, 5], 8), 'scores is [2,2,3,5], spaces = 1; pass [2,1,3,5]');
  assert.match(attempt([1, 8, 8], [1, 8, 5], 8), '0 of 8 sentences are fitted; take 1 to 2048');
  assert.match(attempt([1, 8, 8], [1, 3, 5], 9), 'symbols is [2,9,3], batch = 8; pass [2,8,3]');
  assert.match(attempt([1, 8, 8], [1, 3, 5], 8, 4), 'scores is [2,1,3,5], columns = 4; pass [2,1,3,4]');
});

test.run();
