import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CrossingPoint, crossingOf, nextProbes } from '../../src/theory/crossing.js';
import { Normal } from '../support/syntheticRuns.js';

const test = suite('crossings in data');

const NOISE = 0.05; // scatter of ln excess for best losses of trained networks

const options = {
  from: Math.log(64),
  to: Math.log(2 ** 18),
  within: Math.log(1.25),
  stride: Math.log(8),
  together: 2,
  most: 28,
};

/** ln excess against ln P: three steps of random heights, places and widths, as in trained networks. */
function planted(random: Normal) {
  const uniform = (low: number, high: number) => low + ((high - low) * (1 + Math.tanh(random.next()))) / 2;
  const centres = [uniform(5, 6.5)];
  for (let i = 0; i < 2; i++) centres.push(centres[i] + uniform(0.9, 2.1));
  const heights = [0.5];
  for (let i = 0; i < 3; i++) heights.push(heights[i] - uniform(0.7, 1.4));
  const width = uniform(0.35, 0.6);
  const curve = (x: number) =>
    centres.reduce((y, c, i) => y + (heights[i + 1] - heights[i]) / (1 + Math.exp(-(x - c) / width)), heights[0]);
  const levels = [0, 1, 2].map((i) => (heights[i] + heights[i + 1]) / 2);
  const truth = levels.map((level) => {
    let [low, high] = [0, 20];
    for (let i = 0; i < 50; i++) {
      const middle = (low + high) / 2;
      if (curve(middle) > level) low = middle;
      else high = middle;
    }
    return low;
  });
  return { curve, levels, truth };
}

function search(curve: (x: number) => number, levels: readonly number[], noise: number, random: Normal) {
  const points: CrossingPoint[] = [];
  for (let rounds = 0; rounds < 20; rounds++) {
    const next = nextProbes(points, levels, options);
    if (!next.length) return points;
    for (const x of next) points.push({ x, y: curve(x) + noise * random.next() });
  }
  throw new Error('the search does not end');
}

test('planted crossings are found: narrow intervals that cover them, with fewer runs than a grid of factor sqrt 2', () => {
  const random = new Normal(3);
  const widths: number[] = [];
  let covered = 0;
  let runs = 0;
  let grid = 0;
  const draws = 170; // of three crossings each: 510
  for (let draw = 0; draw < draws; draw++) {
    const { curve, levels, truth } = planted(random);
    const points = search(curve, levels, NOISE, random);
    runs += points.length;
    grid += Math.ceil((Math.max(...points.map((p) => p.x)) - options.from) / (Math.LN2 / 2)) + 1;
    levels.forEach((level, i) => {
      const { bound, low, high } = crossingOf(points, level);
      assert.is(bound, 'none');
      widths.push(Math.exp(high - low));
      if (truth[i] >= low && truth[i] <= high) covered++;
    });
  }
  const part = covered / (3 * draws);
  const median = widths.sort((a, b) => a - b)[Math.floor(widths.length / 2)];
  // 510 draws of 95% have a standard error of 1%.
  assert.ok(part >= 0.93 && part <= 0.98, `${(100 * part).toFixed(1)} % covered`);
  assert.ok(median <= 1.3, `median factor ${median.toFixed(3)}`);
  assert.ok(runs < 0.85 * grid, `${runs} runs, a grid takes ${grid}`);
});

test('without noise: to within a hundredth of a factor of 2', () => {
  const random = new Normal(4);
  const { curve, levels, truth } = planted(random);
  const points = search(curve, levels, 0, random);
  levels.forEach((level, i) => {
    const { value } = crossingOf(points, level);
    assert.ok(Math.abs(value - truth[i]) < 0.05, `${value}, planted ${truth[i]}`);
  });
});

const line = (xs: readonly number[], more: Partial<CrossingPoint> = {}) => xs.map((x) => ({ x, y: 5 - x, ...more }));

test('a level that no point reaches is a lower bound, one that all have passed an upper bound', () => {
  assert.equal(crossingOf(line([1, 2, 3]), 1), { bound: 'lower', value: 3, low: 3, high: Infinity, spread: Infinity });
  assert.equal(crossingOf(line([4.5, 5, 6]), 1), {
    bound: 'upper',
    value: 4.5,
    low: -Infinity,
    high: 4.5,
    spread: Infinity,
  });
  assert.is(crossingOf([], 1).bound, 'unknown');
  assert.is(crossingOf([{ x: 1, y: Number.NaN }], 1).bound, 'unknown');
});

test('points limited by steps: above the level they say nothing, below it they are a bound and never a value', () => {
  const exact = line([1, 2, 3, 5, 6]);
  assert.is(crossingOf(exact, 1).bound, 'none');
  const aboveAt3 = [...line([1, 2]), { x: 3, y: 2, limited: true }];
  assert.equal(crossingOf(aboveAt3, 1).value, 2, 'the last point that counts');
  const below = [...line([1, 2, 3]), ...line([4.5, 6], { limited: true })];
  assert.equal(crossingOf(below, 1), { bound: 'upper', value: 4.5, low: -Infinity, high: 4.5, spread: Infinity });
});

test('the search begins with a coarse row, goes up to the last level and no farther, and ends', () => {
  const begin = nextProbes([], [1], options);
  assert.equal(
    begin.map((x) => Math.round(Math.exp(x))),
    [64, 512, 4096],
  );
  const crossed = [6, 7, 8].map((x) => ({ x, y: 8 - x }));
  assert.ok(
    nextProbes(crossed, [1], options).every((x) => x > 6 && x < 8),
    'inside what is known',
  );
  const high = [...Array(3).keys()].map((i) => ({ x: Math.log(64 * 8 ** i), y: 3 }));
  assert.equal(
    nextProbes(high, [1], options).map((x) => Math.round(Math.exp(x))),
    [32768],
  );
  const near = { ...options, to: Math.log(64 * 8 ** 2 * 1.9) };
  assert.equal(nextProbes(high, [1], near), [near.to], 'the end of the range, however close');
  assert.equal(nextProbes([...high, { x: near.to, y: 3 }], [1], near), [], 'once');
  const top = [...high, { x: options.to, y: 3 }];
  assert.equal(nextProbes(top, [1], options), [], 'no P reaches it');
  assert.equal(nextProbes(crossed, [1], { ...options, most: 3 }), [], 'no more runs are allowed');
  assert.equal(nextProbes(crossed, [], options), []);
});

test.run();
