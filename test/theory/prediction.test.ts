import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseRows } from '../../src/theory/prediction/design.js';
import {
  type Factor,
  FactorRegression,
  type FactorRow,
  isRefusal,
} from '../../src/theory/prediction/factorRegression.js';
import { MixedRegression, type Prediction, type RegressionRow } from '../../src/theory/prediction/mixedRegression.js';
import { truncatedNormal } from '../../src/theory/prediction/truncatedNormal.js';
import { studentBelow, studentQuantile } from '../../src/theory/student.js';
import { Normal } from '../support/syntheticRuns.js';

const test = suite('regressions that predict');

const close = (actual: number, expected: number, tolerance: number, what = '') =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, expected ${expected}`);
const exact = (x: readonly number[], y: number, group: string): RegressionRow => ({ x, group, low: y, high: y });
const fitted = (factors: readonly Factor[], rows: readonly FactorRow[]): FactorRegression => {
  const fit = FactorRegression.of(factors, rows);
  if (isRefusal(fit)) throw new Error(fit.refused);
  return fit;
};
const reason = (found: object): string => (isRefusal(found) ? found.refused : 'predicted');

test('a group a row: the textbook line, and its prediction interval by Student t with n - 2 degrees of freedom', () => {
  const x = [0, 1, 2, 4, 5, 7];
  const y = [1.1, 1.9, 3.2, 4.8, 6.3, 7.9];
  const regression = new MixedRegression(x.map((at, i) => exact([1, at], y[i], `g${i}`)));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const sxx = x.reduce((sum, at) => sum + (at - mean(x)) ** 2, 0);
  const slope = x.reduce((sum, at, i) => sum + (at - mean(x)) * y[i], 0) / sxx;
  const line = (at: number) => mean(y) + slope * (at - mean(x));
  const s2 = x.reduce((sum, at, i) => sum + (y[i] - line(at)) ** 2, 0) / 4;
  for (const at of [1.5, 6]) {
    const half = studentQuantile(0.975, 4) * Math.sqrt(s2 * (1 + 1 / 6 + (at - mean(x)) ** 2 / sxx));
    const prediction = regression.predict([1, at], 'new');
    close(prediction.quantile(0.5), line(at), 1e-6, 'middle'); // found by bisection
    close(prediction.quantile(0.025), line(at) - half, 1e-6, 'low');
    close(prediction.quantile(0.975), line(at) + half, 1e-6, 'high');
    close(prediction.below(line(at) + half), 0.975, 1e-9, 'distribution');
  }
  close(regression.coefficients[1].value, slope, 1e-9, 'slope');
  close(studentBelow(-2, 3), 1 - studentBelow(2, 3), 1e-15, 'both sides of Student t');
});

test('moments of a normal number between bounds, against sums over its density', () => {
  for (const [low, high] of [
    [-Infinity, 0.3],
    [1, Infinity],
    [-0.5, 2],
    [2, 2.2],
    [-7, -5],
  ]) {
    const from = Math.max(low, -12);
    const step = (Math.min(high, 12) - from) / 200_000;
    const sums = [0, 0, 0];
    for (let i = 0; i < 200_000; i++) {
      const z = from + (i + 0.5) * step;
      for (let k = 0; k < 3; k++) sums[k] += z ** k * Math.exp((-z * z) / 2);
    }
    const mean = sums[1] / sums[0];
    const found = truncatedNormal(low, high);
    // The distribution function is exact to 1.2e-7 of a tail; a narrow interval is the difference of two values.
    close(found.mean, mean, 1e-4, `mean of ${low} to ${high}`);
    close(found.variance, sums[2] / sums[0] - mean * mean, 1e-4, `variance of ${low} to ${high}`);
  }
  const { mean, variance } = truncatedNormal(50, Infinity);
  assert.equal([mean, variance], [50, 0]);
});

interface Plan {
  groups: number;
  each: number; // rows of a group
  between: number; // standard deviation of u
  limit: number; // values of y above it are bounds
}

/** How often 95% intervals contain new rows, for a new group and for a known one. */
function coverage({ groups, each, between, limit }: Plan, draws: number): { fresh: number; known: number } {
  const random = new Normal(groups * 100 + each);
  let fresh = 0;
  let known = 0;
  let done = 0;
  const holds = (prediction: Prediction, y: number) => {
    const p = prediction.below(y);
    return Number(p > 0.025 && p < 0.975);
  };
  while (done < draws) {
    const u = Array.from({ length: groups + 1 }, () => between * random.next());
    const xOf = (g: number, i: number) => [1, Math.log(2 + (g % 3)), i - 1.5];
    const yOf = (g: number, i: number) => {
      const [, a, b] = xOf(g, i);
      return 1 + 0.5 * a - 0.2 * b + u[g] + 0.2 * random.next();
    };
    const rows = Array.from({ length: groups * each }, (_, k): RegressionRow => {
      const [g, i] = [Math.floor(k / each), k % each];
      const y = yOf(g, i);
      const open = y > limit;
      return { x: xOf(g, i), group: `g${g}`, low: open ? limit : y, high: open ? Infinity : y };
    });
    if (rows.filter(({ low, high }) => low === high).length < 6) continue;
    const regression = new MixedRegression(rows);
    fresh += holds(regression.predict(xOf(groups, 0), 'new'), yOf(groups, 0));
    known += holds(regression.predict(xOf(0, 3), 'g0'), yOf(0, 3));
    done++;
  }
  return { fresh: fresh / draws, known: known / draws };
}

test('intervals hold 90 to 99% of new values: few groups, many, none that differ, and a third of the values known as bounds', () => {
  const plans: Plan[] = [
    { groups: 9, each: 4, between: 0.3, limit: Infinity },
    { groups: 6, each: 2, between: 0.5, limit: Infinity },
    { groups: 9, each: 3, between: 0, limit: Infinity },
    { groups: 9, each: 4, between: 0.3, limit: 1.7 },
    { groups: 12, each: 3, between: 1, limit: 1.8 },
  ];
  for (const plan of plans) {
    // For 300 draws at 95% a fraction below 0.9 has a probability of 1e-4, for 150 one of 0.005: the draws are fixed.
    const { fresh, known } = coverage(plan, plan.limit < Infinity ? 150 : 300);
    console.log(JSON.stringify(plan), `new ${fresh.toFixed(3)}, known ${known.toFixed(3)}`);
    assert.ok(fresh >= 0.9 && fresh <= 0.995, `new groups: ${fresh}`);
    assert.ok(known >= 0.9 && known <= 0.995, `known groups: ${known}`);
  }
});

test('bounds count: without them values that were not reached pull a prediction down, and hide the scatter', () => {
  let lengths = 0;
  for (let seed = 40; seed < 60; seed++) {
    const random = new Normal(seed);
    const rows = Array.from({ length: 60 }, (_, i): RegressionRow => {
      const y = 2 + random.next();
      return y > 2 ? { x: [1], group: `g${i}`, low: 2, high: Infinity } : exact([1], y, `g${i}`);
    });
    const some = new MixedRegression(rows.filter(({ high }) => high < Infinity)).predict([1], 'new').quantile(0.5);
    assert.ok(some < 1.5, `${some}`);
    const all = new MixedRegression(rows).predict([1], 'new');
    close(all.quantile(0.5), 2, 0.6, 'with bounds'); // 60 numbers of deviation 1, half of them bounds: standard error about 0.15
    lengths += (all.quantile(0.975) - all.quantile(0.025)) / 20;
  }
  // Twice 2.04 (Student's t, some 30 degrees of freedom) times a deviation of 1, known to 15% in each of 20 draws.
  close(lengths, 4.15, 0.4, 'mean length');
});

test('a known group is predicted better than a new one, and its rows show where it is', () => {
  const random = new Normal(1);
  const rows = Array.from({ length: 24 }, (_, i) =>
    exact([1, i % 4], 3 * Math.floor(i / 4) + 0.5 * (i % 4) + 0.1 * random.next(), `g${Math.floor(i / 4)}`),
  );
  const regression = new MixedRegression(rows);
  const width = (p: Prediction) => p.quantile(0.975) - p.quantile(0.025);
  const known = regression.predict([1, 2], 'g5');
  close(known.quantile(0.5), 16, 0.3, 'group 5');
  assert.ok(width(known) * 10 < width(regression.predict([1, 2], 'new')));
});

const factors: Factor[] = [
  { name: 'm', scale: 'log' },
  { name: 'width', scale: 'log' },
  { name: 'rate', scale: 'log', square: true },
];

/** A store: four grammars for every m, at the given widths and rates; y = ln m + 0.3 ln width + bend (ln rate)^2. */
function store(widths: (m: number) => number[], rates = [1], bend = 0): FactorRow[] {
  const random = new Normal(2);
  return [2, 3, 4].flatMap((m) =>
    [0, 1, 2, 3].flatMap((g) =>
      widths(m).flatMap((width) =>
        rates.map((rate): FactorRow => {
          const y = Math.log(m) + 0.3 * Math.log(width) + bend * Math.log(rate) ** 2 + 0.02 * random.next();
          return { values: [m, width, rate], group: `m${m} g${g}`, low: y, high: y };
        }),
      ),
    ),
  );
}

test('powers of the factors that vary, with their errors; a square if the best rate is inside', () => {
  const fit = fitted(
    factors,
    store(() => [16, 64]),
  );
  const powers = new Map(fit.powers.map(({ name, power, error }) => [name, { power, error }]));
  assert.equal([...powers.keys()], ['m', 'width']);
  for (const [name, planted] of [
    ['m', 1],
    ['width', 0.3],
  ] as const) {
    const { power, error } = powers.get(name)!;
    assert.ok(error > 0 && Math.abs(power - planted) < 4 * error, `${name}: ${power} ± ${error}`);
  }
  const bent = fitted(
    factors,
    store(() => [16, 64], [0.1, 0.5, 2, 10], 1),
  );
  const at = (rate: number) => {
    const found = bent.predict([3, 16, rate], 'new');
    if (isRefusal(found)) throw new Error(found.refused);
    return found.quantile(0.5);
  };
  close(at(1), Math.log(3) + 0.3 * Math.log(16), 0.1, 'best rate');
  close(at(5), Math.log(3) + 0.3 * Math.log(16) + Math.log(5) ** 2, 0.1, 'beside it');
});

test('values outside the rows are refused, with the factor and its range', () => {
  const fit = fitted(
    factors,
    store(() => [16, 64]),
  );
  assert.is(reason(fit.predict([3, 32, 1], 'new')), 'predicted');
  assert.match(reason(fit.predict([5, 32, 1], 'new')), /^m 5: the store has 2 to 4$/);
  assert.match(reason(fit.predict([3, 8, 1], 'new')), /^width 8: the store has 16 to 64$/);
  assert.match(reason(fit.predict([3, 32, 2], 'new')), /^rate 2: the store has 1 alone$/);
  // Wide networks only at small m: a wide one at large m is inside both ranges, but outside the observed combinations.
  const corner = fitted(
    factors,
    store((m) => (m === 2 ? [16, 32, 1024] : [16, 32])),
  );
  assert.match(reason(corner.predict([4, 1024, 1], 'new')), /combination of m, width is outside/);
  // Width and m vary together: their effects cannot be separated.
  const together = fitted(
    factors,
    store((m) => [8 * m]),
  );
  assert.is(reason(together.predict([3, 24, 1], 'new')), 'predicted');
  assert.match(reason(together.predict([3, 16, 1], 'new')), /width: varies together with other factors/);
});

test('too few rows, or too few grammars, are refused naming what is missing', () => {
  const rows = store(() => [16, 64]);
  assert.match(
    reason(FactorRegression.of(factors, rows.slice(0, 3))),
    /3 curves reached the level, at least 5 are needed/,
  );
  const bounds = rows.map((row) => ({ ...row, high: Infinity }));
  assert.is(reason(FactorRegression.of(factors, bounds)), 'none of 24 curves reached the level');
  const one = rows.map((row, i) => ({ ...row, values: [3, row.values[1] + i, 1], group: 'the only one' }));
  const fit = fitted(factors, one);
  assert.is(reason(fit.predict([3, 40, 1], 'the only one')), 'predicted');
  assert.match(reason(fit.predict([3, 40, 1], 'another')), /a grammar that is not in the store/);
});

test('the most informative rows: both ends for a power, the grammar in question for its P', () => {
  const line: Factor[] = [{ name: 'm', scale: 'log' }];
  const candidates = [2, 3, 4, 5, 6].map((m) => ({ values: [m], group: `g${m}`, weight: 1 }));
  const shared = { factors: line, known: [], candidates, ratio: 1 };
  const ends = chooseRows({ ...shared, wanted: { power: 0 }, count: 2 });
  assert.equal(ends.map(({ index }) => candidates[index].values[0]).sort(), [2, 6]);
  assert.ok(ends[0].before > ends[0].after && ends[0].after === ends[1].before && ends[1].before > ends[1].after);
  const own = chooseRows({ ...shared, wanted: [{ values: [4], group: 'g4' }], count: 1 });
  assert.equal(
    own.map(({ index }) => candidates[index].group),
    ['g4'],
  );
  // Of two equal candidates, the one with more information.
  const unequal = candidates.flatMap((one) => [{ ...one, weight: 0.5 }, one]);
  const [first] = chooseRows({ ...shared, candidates: unequal, wanted: { power: 0 }, count: 1 });
  assert.is(unequal[first.index].weight, 1);
  assert.is(chooseRows({ ...shared, wanted: { power: 0 }, count: 99 }).length, 5);
});

test.run();
