import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { treeCurve } from '../../src/analysis/tree.js';
import { makeRules } from '../../src/core/rules.js';
import { inOrder, inverseOrder, shuffledOrder } from '../../src/core/shuffle.js';
import { normalBelow } from '../../src/theory/crossing.js';
import { exactPairs, findTree, isTrueLevel, PairCounts, treeComplexity } from '../../src/theory/index.js';
import { sentences as allSentences, close } from './enumerate.js';

const test = suite('trees from token pairs');

test('an order: a permutation, the last stays, the same for a seed, and it can be undone', () => {
  const order = shuffledOrder(16, 3);
  assert.equal(
    [...order].sort((a, b) => a - b),
    [...Array(16).keys()],
  );
  assert.is(order[15], 15);
  assert.equal(shuffledOrder(16, 3), order);
  assert.is.not(String(shuffledOrder(16, 4)), String(order));
  const rows = Uint32Array.from({ length: 32 }, (_, i) => 100 * Math.floor(i / 16) + (i % 16));
  const shown = inOrder(rows, order);
  assert.equal(
    [...shown.subarray(16)],
    [...order].map((p) => 100 + p),
  );
  assert.equal(inOrder(shown, inverseOrder(order)), rows);
  // Uniform over the orders of three positions: each of the six occurs about equally often.
  const counts = new Map<string, number>();
  for (let seed = 0; seed < 3000; seed++) {
    const key = shuffledOrder(4, seed).join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assert.is(counts.size, 6);
  for (const count of counts.values()) assert.ok(Math.abs(count - 500) < 100, String(count));
});

for (const [shape, options] of [
  [{ v: 3, n: 2, m: 2, s: 2, L: 3 }, {}],
  [
    { v: 3, n: 3, m: 2, s: 3, L: 2 },
    { ruleProbabilities: [null, { zipf: 1 }], rootPrior: { zipf: 0.5 } },
  ],
] as const)
  test(`exact pairs of s = ${shape.s} are those of all sentences, by enumeration`, () => {
    const rules = makeRules(shape, 5, options as Parameters<typeof makeRules>[2]);
    const { d, v, information, spread, contingency } = exactPairs(rules);
    const all = allSentences(rules);
    for (let p = 0; p < d; p++)
      for (let q = 0; q < d; q++) {
        if (p === q) continue;
        const joint = new Float64Array(v * v);
        for (const { tokens, probability } of all) joint[tokens[p] * v + tokens[q]] += probability;
        const [left, right] = [new Float64Array(v), new Float64Array(v)];
        joint.forEach((x, i) => {
          left[Math.floor(i / v)] += x;
          right[i % v] += x;
        });
        let [mean, square, ratio] = [0, 0, -1];
        joint.forEach((x, i) => {
          if (x === 0) return;
          const times = x / left[Math.floor(i / v)] / right[i % v];
          mean += x * Math.log(times);
          square += x * Math.log(times) ** 2;
          ratio += x * times;
        });
        close(information[p * d + q], mean, 1e-12, `information ${p} ${q}`);
        close(spread[p * d + q], square - mean ** 2, 1e-12, `spread ${p} ${q}`);
        close(contingency[p * d + q], ratio, 1e-12, `contingency ${p} ${q}`);
      }
  });

test('counted pairs: the plug-in value by hand', () => {
  const counts = new PairCounts(2, 2);
  counts.add([0, 0, 0, 0, 1, 1, 0, 1], 4);
  const { information } = counts.information;
  const expected =
    0.5 * Math.log(0.5 / (0.75 * 0.5)) + 0.25 * Math.log(0.25 / (0.25 * 0.5)) + 0.25 * Math.log(0.25 / (0.75 * 0.5));
  close(information[1], expected, 1e-15, 'information');
  assert.is(counts.sentences, 4);
});

test('50 random grammars: right at the P of the law, and reliable below it', async () => {
  const shape = { v: 8, n: 8, m: 3, s: 2, L: 4 };
  let trusted = 0;
  let doubted = 0;
  let wrong = 0;
  for (let seed = 1; seed <= 50; seed++) {
    const rules = makeRules(shape, seed);
    const law = treeComplexity(rules);
    assert.ok(law.every((P, i) => i === 0 || P >= law[i - 1]));
    const order = shuffledOrder(16, seed);
    const P = law[3];
    const sentences = [1, 2, 4, 8, 16, 64].map((part) => Math.round(P / part));
    const points = await treeCurve(rules, { sentences, seed, order });
    const last = points[points.length - 1];
    assert.is(last.sentences, P);
    assert.equal(last.right, [true, true, true, true], `seed ${seed}, P = ${P}`);
    assert.is(last.tree.order[15], 15);
    for (const { tree, right } of points)
      for (let level = 0; level < 3; level++) {
        if (!right.slice(0, level).every(Boolean)) continue;
        if (tree.sure[level] >= 0.9) {
          trusted++;
          assert.ok(right[level], `seed ${seed}: sure ${tree.sure[level]} of level ${level + 1}, and wrong`);
        } else {
          doubted++;
          if (!right[level]) wrong++;
        }
      }
  }
  assert.ok(
    trusted > 300 && doubted > 100 && wrong > 20,
    `${trusted} trusted, ${doubted} doubted, ${wrong} of them wrong`,
  );
});

test('certainty: four positions of which two pairs inform each other, by hand', () => {
  const [v, P, delta] = [5, 1000, 0.004];
  const at = (diagonal: number, pairs: number) =>
    Float64Array.from({ length: 16 }, (_, i) => {
      const [p, q] = [i >> 2, i & 3];
      return p === q ? diagonal : p >> 1 === q >> 1 ? pairs : 0;
    });
  // The pairs share no noise; each of four exchanges loses twice delta, with four times the variance (v - 1)^2 / (2 P^2).
  const independent = { d: 4, v, information: at(0, delta), spread: at(0, 0), contingency: at(v - 1, 0) };
  const z = (2 * delta) / Math.sqrt((4 * (v - 1) ** 2) / 2 / P ** 2);
  const { sure, levels } = findTree(independent, 2, P);
  assert.equal(levels[0], [
    [0, 1],
    [2, 3],
  ]);
  close(sure[0], 1 - 4 * normalBelow(-z), 1e-12, 'sure');
  assert.ok(sure[0] > 0.5 && sure[0] < 0.99, String(sure[0]));
  assert.is(sure[1], 1); // one group: nothing to exchange
  // The spread of a pair's information adds another term.
  const spread = findTree({ ...independent, spread: at(0, 0.003) }, 2, P);
  const more = (2 * delta) / Math.sqrt((4 * (v - 1) ** 2) / 2 / P ** 2 + (2 * 0.003) / P);
  close(spread.sure[0], Math.max(0, 1 - 4 * normalBelow(-more)), 1e-12, 'sure with spread');
});

test('groups of three, and positions that say nothing of each other', async () => {
  const rules = makeRules({ v: 6, n: 6, m: 5, s: 3, L: 2 }, 2);
  const order = shuffledOrder(9, 2);
  const [{ tree, right }] = await treeCurve(rules, { sentences: [4096], order });
  assert.equal(right, [true, true]);
  assert.ok(tree.levels[0].every((group) => group.length === 3) && tree.sure[0] > 0.99);
  // Every tuple used, m = v^(s-1): pairs of tokens are independent, and no number of sentences helps.
  const full = makeRules({ v: 3, n: 3, m: 3, s: 2, L: 3 }, 1);
  assert.equal(treeComplexity(full), [Infinity, Infinity, Infinity]);
  const [nothing] = await treeCurve(full, { sentences: [2 ** 14] });
  assert.ok(nothing.tree.sure[0] < 0.05, `${nothing.tree.sure}`);
});

test('lengths without a tree are refused', () => {
  const pairs = exactPairs(makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1));
  assert.throws(
    () => findTree({ ...pairs, d: 6 }, 2, 100),
    /tokens: 6 per sentence, which is not a power of s = 2; pass sentences of s\^L/,
  );
  assert.throws(() => findTree(pairs, 1, 100), /branching factor|^s\b/);
  assert.throws(() => new PairCounts(1024, 256), /over the limit of .*; take shorter sentences or fewer symbols/);
  assert.ok(
    isTrueLevel(
      [
        [0, 1],
        [3, 2],
      ],
      [0, 1, 2, 3],
    ) &&
      !isTrueLevel(
        [
          [0, 2],
          [1, 3],
        ],
        [0, 1, 2, 3],
      ),
  );
});

test.run();
