import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  curveSlope,
  positionExponents,
  predictedPower,
  ratioExponents,
  ratioTable,
  scalingTable,
} from '../../src/analysis/exponents.js';
import { crossing, positionsOf, positionTable, stepThreshold } from '../../src/analysis/staircase.js';
import { linearStatistic } from '../../src/analysis/statistics.js';
import { lawPositions, Normal, syntheticCurve } from '../support/syntheticRuns.js';

const test = suite('analysis staircase');
const shape = (m: number) => ({ v: 8, n: 8, m, s: 2, L: 3 });
const kinds = new Map([
  ['hcnn', 'hcnn' as const],
  ['mla', 'mla' as const],
]);
const close = (a: number, b: number, tolerance: number, what = '') => {
  if (!(Math.abs(a - b) <= tolerance)) assert.unreachable(`${what}: ${a}, expected ${b} within ${tolerance}`);
};

test('thresholds: geometric mean of the excess, half the gap at the last step', () => {
  const plateaus = [2, 1.1, 0.35, 0.1];
  close(stepThreshold(plateaus, 1), 0.1 + Math.sqrt(1.9 * 1.0), 1e-12);
  close(stepThreshold(plateaus, 2), 0.1 + Math.sqrt(1.0 * 0.25), 1e-12);
  close(stepThreshold(plateaus, 3), 0.1 + 0.125, 1e-12);
});

test('a crossing is interpolated in ln P, and bounds are reported', () => {
  const points = [
    { samples: 100, loss: 2, accuracy: 0 },
    { samples: 400, loss: 1, accuracy: 0 },
    { samples: 1600, loss: 0.5, accuracy: 0 },
  ];
  close(crossing(points, 1.5)!.logSamples, Math.log(200), 1e-12);
  assert.equal(crossing(points, 0.2), { logSamples: Math.log(1600), bound: 'lower' });
  assert.equal(crossing(points, 3), { logSamples: Math.log(100), bound: 'upper' });
  assert.is(crossing([...points, { samples: 3200, loss: Number.NaN, accuracy: 0 }], 0.2), undefined);
  close(crossing([...points, { samples: 3200, loss: Number.NaN, accuracy: 0 }], 1.5)!.logSamples, Math.log(200), 1e-12);
  assert.is(crossing([], 1), undefined);
});

test('constructed staircases are found at their places', () => {
  for (const m of [2, 3, 4]) {
    const positions = lawPositions(shape(m), 'hcnn', 60);
    const curve = syntheticCurve({ shape: shape(m), staircase: { positions, width: 0.6 }, steps: 2 ** 18 });
    const found = positionsOf(curve);
    assert.equal(
      found.map((p) => p.ell),
      [1, 2, 3],
    );
    // Evaluations are a factor of 2^(1/4) apart and the loss is curved between them: the error is a small part of that distance.
    for (const p of found) close(p.logSamples, positions[p.ell - 1], 0.02, `m ${m} ell ${p.ell}`);
  }
});

test('exponents of P_ell: intervals cover the truth in 90% to 99% of 500 draws', () => {
  const random = new Normal(11);
  let inside = 0;
  let bias = 0;
  for (let draw = 0; draw < 500; draw++) {
    const curves = [2, 3, 4].flatMap((m) =>
      [1, 2, 3, 4].map((grammarSeed) =>
        syntheticCurve({
          shape: shape(m),
          grammarSeed,
          staircase: { positions: lawPositions(shape(m), 'hcnn', 60, 0.2, random), width: 0.5 },
          noise: 0.002,
          seed: draw * 100 + m * 10 + grammarSeed,
          steps: 2 ** 16,
        }),
      ),
    );
    const row = positionExponents(positionTable(curves), kinds).find((r) => r.ell === 3)!;
    assert.is(row.predicted, 4);
    inside += Number(row.estimate.low <= 4 && 4 <= row.estimate.high);
    bias += (row.estimate.value - 4) / 500;
  }
  assert.ok(inside >= 450 && inside <= 495, `${inside} of 500`);
  close(bias, 0, 0.03, 'mean error');
});

test('exponents of the excess loss: intervals cover the truth in 90% to 99% of 500 draws', () => {
  const random = new Normal(12);
  const alpha = 0.8;
  const base = [1, 2, 3, 4].map((grammarSeed) =>
    syntheticCurve({
      shape: shape(3),
      grammarSeed,
      staircase: { positions: lawPositions(shape(3), 'hcnn', 60), width: 0.5 },
    }),
  );
  let inside = 0;
  let bias = 0;
  for (let draw = 0; draw < 500; draw++) {
    const units = base.map((curve) => {
      const own = alpha + 0.05 * random.next();
      const scale = Math.exp(0.3 * random.next());
      const floor = curve.plateaus!.at(-1)!;
      const top = curve.plateaus![0] - floor;
      const points = curve.points.map((p) => {
        const excess = top * Math.min(1, scale * (p.samples / 500) ** -own) * Math.exp(0.02 * random.next());
        return { ...p, loss: floor + excess };
      });
      const value = curveSlope({ ...curve, points })!;
      return { value, bound: 'none' as const };
    });
    const { low, high, value } = linearStatistic([units], [1]);
    inside += Number(low <= alpha && alpha <= high);
    bias += (value - alpha) / 500;
  }
  assert.ok(inside >= 450 && inside <= 495, `${inside} of 500`);
  close(bias, 0, 0.02, 'mean error');
});

test('the finite-depth prediction is what a staircase at the predicted positions gives', () => {
  const curves = [1, 2, 3].map((grammarSeed) =>
    syntheticCurve({
      kind: 'mla',
      shape: shape(2),
      grammarSeed,
      staircase: { positions: lawPositions(shape(2), 'mla', 100), width: 0.6 },
    }),
  );
  const [row] = scalingTable(curves);
  close(row.predicted!, Math.log(4) / (2 * Math.log(2)), 1e-12);
  close(row.steps!.value, row.predictedFinite!, 0.02);
});

test('ratios are paired by grammar: what both models share cancels', () => {
  const random = new Normal(13);
  let inside = 0;
  const draws = 60;
  for (let draw = 0; draw < draws; draw++) {
    const curves = [2, 3, 4].flatMap((m) =>
      [1, 2, 3, 4].flatMap((grammarSeed) => {
        const common = 0.5 * random.next(); // a hard grammar is hard for both
        return (['hcnn', 'mla'] as const).map((kind) => {
          const positions = lawPositions(shape(m), kind, 60, 0.05, random).map((p) => p + common);
          return syntheticCurve({
            kind,
            shape: shape(m),
            grammarSeed,
            staircase: { positions, width: 0.5 },
            steps: 2 ** 18,
          });
        });
      }),
    );
    const table = ratioTable(positionTable(curves), kinds);
    const third = table.filter((r) => r.ell === 3);
    assert.equal(
      third.map((r) => [Math.round(r.predicted!), r.paired]),
      [2, 3, 4].map((m) => [m, true]),
    );
    for (const r of third) assert.ok(r.estimate.high / r.estimate.low < 1.9, 'the common part did not cancel');
    const power = ratioExponents(table, kinds).find((r) => r.ell === 3)!;
    assert.is(power.predicted, 1);
    inside += Number(power.estimate.low <= 1 && 1 <= power.estimate.high);
  }
  assert.ok(inside >= 51, `${inside} of ${draws}`); // 57 expected, standard deviation 1.7
});

test('a step that was not reached gives lower bounds, up to the exponent', () => {
  const curves = [2, 3, 4].flatMap((m) =>
    [1, 2, 4].map((grammarSeed) =>
      syntheticCurve({
        kind: 'mla',
        shape: shape(m),
        grammarSeed,
        staircase: { positions: lawPositions(shape(m), 'mla', 60), width: 0.5 },
        steps: 3000,
      }),
    ),
  );
  const rows = positionTable(curves);
  const last = rows.filter((r) => r.ell === 3);
  // Grammar 3 of m = 2 has no third step: H(2) = H(3).
  assert.equal(
    last.map((r) => [r.shape.m, r.estimate.bound, r.reached]),
    [
      [2, 'none', 3],
      [3, 'lower', 0],
      [4, 'lower', 0],
    ],
  );
  assert.is(Math.round(last[2].estimate.value), 96000); // the last evaluation
  assert.is(last[2].estimate.high, Infinity);
  const exponent = positionExponents(rows, kinds).find((r) => r.ell === 3)!;
  assert.is(exponent.estimate.bound, 'lower');
  assert.ok(exponent.estimate.value < 5);
});

test('predicted powers of m', () => {
  assert.equal(
    [1, 2, 3, 4].map((ell) => predictedPower('hcnn', ell)),
    [1, 3, 4, 5],
  );
  assert.equal(
    [1, 2, 3, 4].map((ell) => predictedPower('mla', ell)),
    [1, 3, 5, 7],
  );
  assert.is(predictedPower('fcn', 2), undefined);
});

test.run();
