import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { streamKey } from '../../src/core/threefry.js';
import { drawTrees } from '../../src/theory/drawTrees.js';
import { consistentTrees, mostProbableTrees } from '../../src/theory/index.js';
import { TreeMessages } from '../../src/theory/messages.js';
import { failure } from '../support/gpu.js';
import { uniforms } from '../support/random.js';
import { expandTree } from './enumerate.js';

const test = suite('most probable consistent tree');

const cases: [string, Rules][] = [
  ['two children', makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 1)],
  ['three children, fewer roots', makeRules({ v: 3, n: 2, m: 2, s: 3, L: 2 }, 2)],
  ['more roots than symbols', makeRules({ v: 3, n: 5, m: 1, s: 2, L: 3 }, 3)],
  ['one level', makeRules({ v: 3, n: 3, m: 2, s: 2, L: 1 }, 4)],
];

for (const [name, rules] of cases)
  test(`${name}: the best of all trees, counted`, () => {
    const { n, v, s, L } = rules;
    const nodes = (s ** L - 1) / (s - 1);
    const classes = Math.max(n, v);
    const count = 25;
    const scores = Float64Array.from(uniforms(count * nodes * classes, 6), (x) => 4 * x);
    const labels = [...new Set(expandTree(rules).map(({ levels }) => levels.slice(0, L).flat().join()))].map((text) =>
      text.split(',').map(Number),
    );
    const got = consistentTrees(rules, scores, count, classes);
    let changed = 0;
    for (let i = 0; i < count; i++) {
      const sum = (tree: readonly number[]) =>
        tree.reduce((total, a, node) => total + scores[(i * nodes + node) * classes + a], 0);
      const best = labels.reduce((x, y) => (sum(y) > sum(x) ? y : x));
      assert.equal([...got.subarray(i * nodes, (i + 1) * nodes)], best);
      changed += Number(
        best.some((a, node) => {
          const at = (i * nodes + node) * classes;
          return scores.subarray(at, at + classes).some((x) => x > scores[at + a]);
        }),
      );
    }
    assert.ok(L === 1 || changed > count / 2, 'random labels are no tree');
  });

test('scores of a tree are that tree, whatever constant is added to a symbol', () => {
  const rules = makeRules({ v: 6, n: 6, m: 3, s: 2, L: 4 }, 2);
  for (const symbols of drawTrees(rules, 20, streamKey(1, 'data'))) {
    const labels = symbols.slice(0, 4).flatMap((row) => [...row]);
    const scores = labels.flatMap((a, node) => Array.from({ length: 6 }, (_, c) => Number(a === c) - node));
    assert.equal([...consistentTrees(rules, scores, 1, 6)], labels);
  }
});

test('an exact parser is always right: tokens determine every hidden symbol', () => {
  const rules = makeRules({ v: 8, n: 8, m: 4, s: 2, L: 3 }, 5);
  const trees = Array.from(drawTrees(rules, 500, streamKey(2, 'data')), (symbols) => symbols.map((row) => [...row]));
  const parsed = mostProbableTrees(
    rules,
    trees.map((symbols) => symbols[3]),
  );
  for (const [i, symbols] of trees.entries())
    for (let depth = 0; depth < 3; depth++)
      assert.equal([...parsed.symbols[depth].subarray(i * 2 ** depth, (i + 1) * 2 ** depth)], symbols[depth]);
});

test('posteriors with evidence above the leaves are those of all trees, counted', () => {
  const rules = makeRules({ v: 3, n: 3, m: 2, s: 2, L: 2 }, 6);
  const evidence = [3, 6].map((size, depth) => Float64Array.from(uniforms(size, 7 + depth), (x) => 2 * x));
  const messages = new TreeMessages(rules);
  messages.leaves.set(Float64Array.from(uniforms(12, 9), (x) => 2 * x));
  messages.evidence = evidence;
  const trees = expandTree(rules).map(({ levels, probability }) => {
    const nodes = [...levels[0].map((a) => evidence[0][a]), ...levels[1].map((a, p) => evidence[1][3 * p + a])];
    const all = [...nodes, ...levels[2].map((a, p) => messages.leaves[3 * p + a])];
    return { levels, weight: probability * Math.exp(all.reduce((x, y) => x + y, 0)) };
  });
  const total = trees.reduce((sum, { weight }) => sum + weight, 0);
  assert.ok(Math.abs(messages.upward() - Math.log(total)) < 1e-12);
  const posteriors = [3, 6, 12].map((size) => new Float64Array(size));
  messages.downward(posteriors, 0);
  for (const [depth, row] of posteriors.entries())
    for (const [i, p] of row.entries()) {
      const here = trees.filter(({ levels }) => levels[depth][Math.floor(i / 3)] === i % 3);
      const want = here.reduce((sum, { weight }) => sum + weight, 0) / total;
      assert.ok(Math.abs(p - want) < 1e-12, `depth ${depth}, ${i}: ${p} and ${want}`);
    }
});

test('scores that do not fit, or are not finite, are refused', async () => {
  const [, rules] = cases[0];
  const call = (scores: Float64Array, classes: number) =>
    failure(async () => consistentTrees(rules, scores, 1, classes));
  assert.match(
    (await call(new Float64Array(27), 4)).message,
    /27 scores of 4 classes for 1 sentences; pass \[count, 7, 4\]/,
  );
  assert.match((await call(new Float64Array(28), 3)).message, /of 3 classes/);
  assert.match((await call(new Float64Array(28).fill(Number.NaN), 4)).message, /sentence 0 are not finite numbers/);
});

test.run();
