import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fitLine, linearStatistic, slopeCoefficients, slopeFromScatter } from '../../src/analysis/statistics.js';
import { studentQuantile } from '../../src/theory/student.js';
import { Normal } from '../support/syntheticRuns.js';

const test = suite('analysis statistics');
const close = (a: number, b: number, tolerance: number, what = '') => {
  if (!(Math.abs(a - b) <= tolerance)) assert.unreachable(`${what}: ${a}, expected ${b} within ${tolerance}`);
};

test("Student's quantiles are those of printed tables", () => {
  // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2, column 0.975
  for (const [df, value] of [
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [5, 2.571],
    [10, 2.228],
    [30, 2.042],
    [100, 1.984],
  ])
    close(studentQuantile(0.975, df), value, 6e-4, `df ${df}`);
  close(studentQuantile(0.95, 4), 2.132, 6e-4);
  close(studentQuantile(0.025, 3), -3.182, 6e-4);
});

test('bootstrap intervals cover the truth in 90% to 99% of 500 draws, also for few units', () => {
  for (const sizes of [[3], [4], [8], [3, 3, 3], [4, 8, 3]]) {
    const coefficients = sizes.length === 1 ? [1] : slopeCoefficients([2, 3, 4].map(Math.log));
    const random = new Normal(sizes.length * 10 + sizes[0]);
    let inside = 0;
    for (let draw = 0; draw < 500; draw++) {
      const cells = sizes.map((n, i) =>
        Array.from({ length: n }, () => ({ value: 3 * i + 0.3 * (i + 1) * random.next(), bound: 'none' as const })),
      );
      const truth = coefficients.reduce((sum, c, i) => sum + c * 3 * i, 0);
      const { low, high } = linearStatistic(cells, coefficients, 300);
      inside += Number(low <= truth && truth <= high);
    }
    assert.ok(inside >= 450 && inside <= 495, `${sizes}: ${inside} of 500`);
  }
});

test('a slope from the scatter about the line covers too', () => {
  const random = new Normal(3);
  const x = [0, 1, 2, 4];
  let inside = 0;
  for (let draw = 0; draw < 500; draw++) {
    const { low, high } = slopeFromScatter(
      x,
      x.map((a) => 2 * a + random.next()),
    );
    inside += Number(low <= 2 && 2 <= high);
  }
  assert.ok(inside >= 450 && inside <= 495, `${inside} of 500`);
});

test('censored units turn a statistic into a bound in the direction of their coefficient', () => {
  const exact = [1, 1.1, 0.9].map((value) => ({ value, bound: 'none' as const }));
  const censored = [{ value: 5, bound: 'lower' as const }, ...exact];
  assert.is(linearStatistic([exact, censored], [-1, 1]).bound, 'lower');
  assert.is(linearStatistic([exact, censored], [-1, 1]).high, Infinity);
  assert.is(linearStatistic([exact, censored], [1, -1]).bound, 'upper');
  assert.is(linearStatistic([censored, censored], [1, -1]).bound, 'unknown');
  assert.is(linearStatistic([exact, censored], [1, 0]).bound, 'none');
});

test('one unit gives no interval', () => {
  const { value, low, high, units } = linearStatistic([[{ value: 2, bound: 'none' }]], [1]);
  assert.equal([value, units], [2, 1]);
  assert.ok(Number.isNaN(low) && Number.isNaN(high));
});

test('a line through exact points', () => {
  const { slope, intercept } = fitLine([1, 2, 5], [5, 8, 17]);
  close(slope, 3, 1e-12);
  close(intercept, 2, 1e-12);
});

test('the half of a bootstrap interval is Student\u2019s t times the standard error, for few units too', () => {
  for (const values of [
    [1, 2, 4],
    [0.3, -1, 2, 0.5, 0.1],
  ]) {
    const { low, high } = linearStatistic([values.map((value) => ({ value, bound: 'none' as const }))], [1], 20_000);
    const centre = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - centre) ** 2, 0) / (values.length - 1);
    const half = studentQuantile(0.975, values.length - 1) * Math.sqrt(variance / values.length);
    close((high - low) / 2 / half, 1, 0.03, `${values}`); // 20,000 draws: 0.5% of a standard deviation
  }
});

test.run();
