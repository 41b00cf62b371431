import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { adjustedRandIndex, kMeans, type WeightedRows } from '../../src/theory/cluster.js';
import { Normal } from '../support/syntheticRuns.js';
import { close } from './enumerate.js';

const test = suite('clusters');

const sure = (labels: readonly number[], truth: readonly number[]) =>
  truth.map((t, i) => ({ truth: t, found: new Map([[labels[i], 1]]) }));

test('adjusted Rand index: values from the definition, by counting pairs', () => {
  // Hubert and Arabie's example: contingency table [[1, 1, 0], [1, 2, 1], [0, 0, 4]].
  const table = [
    [1, 1, 0],
    [1, 2, 1],
    [0, 0, 4],
  ];
  const truth: number[] = [];
  const found: number[] = [];
  for (const [a, row] of table.entries())
    for (const [b, count] of row.entries())
      for (let i = 0; i < count; i++) {
        truth.push(a);
        found.push(b);
      }
  const pairs = (n: number) => (n * (n - 1)) / 2;
  const [index, rows, columns] = [7, 1 + 6 + 6, 1 + 3 + 10];
  assert.is(
    table.flat().reduce((sum, n) => sum + pairs(n), 0),
    index,
  );
  const expected = (rows * columns) / pairs(10);
  close(adjustedRandIndex(sure(found, truth)), (index - expected) / ((rows + columns) / 2 - expected), 1e-12, 'index');
  assert.is(adjustedRandIndex(sure([5, 5, 7, 7], [0, 0, 1, 1])), 1);
  assert.ok(adjustedRandIndex(sure([0, 1, 0, 1], [0, 0, 1, 1])) < 0);
});

test('independent labels have index 0 on average', () => {
  const random = new Normal(2);
  let sum = 0;
  for (let draw = 0; draw < 400; draw++) {
    const label = () => Math.floor(2 + Math.abs(random.next()));
    sum += adjustedRandIndex(sure(Array.from({ length: 20 }, label), Array.from({ length: 20 }, label)));
  }
  assert.ok(Math.abs(sum / 400) < 0.02, String(sum / 400));
});

test('an item whose copies were assigned differently counts in parts, and never as a pair with itself', () => {
  const split = [
    {
      truth: 0,
      found: new Map([
        [1, 0.5],
        [2, 0.5],
      ]),
    },
    { truth: 0, found: new Map([[1, 1]]) },
    { truth: 1, found: new Map([[3, 1]]) },
  ];
  const whole = sure([1, 1, 3], [0, 0, 1]);
  assert.ok(adjustedRandIndex(split) < adjustedRandIndex(whole));
  assert.is(adjustedRandIndex(sure([1, 2, 3], [1, 2, 3])), 1, 'no pairs of the same class: nothing to disagree about');
});

test('k-means finds planted groups, and ignores parts that were not seen', () => {
  const random = new Normal(1);
  const groups = 5;
  const count = 40;
  const centres = Array.from({ length: groups * 6 }, () => random.next());
  const rows: WeightedRows = {
    count,
    parts: 2,
    dimensions: 3,
    values: new Float64Array(count * 6),
    weights: new Float64Array(count * 2),
  };
  for (let i = 0; i < count; i++) {
    for (let d = 0; d < 6; d++) rows.values[i * 6 + d] = centres[(i % groups) * 6 + d] + 0.02 * random.next();
    rows.weights.set([1 + (i % 3), i % 7 === 0 ? 0 : 2], i * 2);
    if (i % 7 === 0) rows.values.fill(1e3, i * 6 + 3, i * 6 + 6); // has no weight
  }
  const classes = kMeans(rows, groups);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < i; j++) assert.is(classes[i] === classes[j], i % groups === j % groups, `${i} ${j}`);
  assert.equal([...kMeans({ ...rows, count: 3 }, 5)], [0, 1, 2], 'fewer rows than classes: each its own');
});

test.run();
