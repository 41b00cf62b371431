import * as assert from 'uvu/assert';
import { grammarImage } from '../../src/core/grammarImage.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { treeLogic } from '../../src/kernels/treeLogic.js';
import { treeLogic as reference } from '../../src/reference/treeLogic.js';
import { expandTree } from '../theory/enumerate.js';
import { checkGradient, randoms } from './finiteDifferences.js';
import { kernelSuite } from './harness.js';

const test = kernelSuite(treeLogic);

const rules = makeRules({ v: 5, n: 4, m: 2, s: 2, L: 3 }, 3);
const nodes = 7;
const classes = 5;
const weights = { parent: 0.7, tuple: 0.4, exclusive: 0.3 };

function run(p: Float64Array, own: Rules = rules, batch = p.length / nodes / classes) {
  const violations = new Float64Array(batch * nodes * 3);
  const gradient = new Float64Array(p.length);
  const { s, L } = own;
  reference({ batch, nodes, classes, s, L, ...weights }, 1, grammarImage(own), p, violations, gradient);
  return { violations, gradient };
}

/** The weighted means over sentences and nodes, of which the gradient is taken. */
function loss(violations: Float64Array): number {
  const batch = violations.length / nodes / 3;
  const total = (term: number) => violations.reduce((sum, x, i) => (i % 3 === term ? sum + x : sum), 0);
  const { parent, tuple, exclusive } = weights;
  return (parent * total(0) + tuple * total(1)) / (batch * 3) + (exclusive * total(2)) / (batch * nodes);
}

test('the gradient, by finite differences', () => {
  const p = randoms(2 * nodes * classes, 4).map((x) => 0.2 + 0.15 * x);
  checkGradient('probabilities', p, run(p).gradient, () => loss(run(p).violations));
});

const oneHot = (symbols: readonly number[]) =>
  Float64Array.from(symbols.flatMap((a) => Array.from({ length: classes }, (_, c) => Number(a === c))));

test('zero for the distributions of every tree, and for no other certain labels', () => {
  const trees = expandTree(rules);
  const consistent = new Set(trees.map(({ levels }) => levels.slice(0, 3).flat().join()));
  for (const labels of consistent) {
    const { violations } = run(oneHot(labels.split(',').map(Number)));
    assert.ok(
      violations.every((x) => x === 0),
      `the tree ${labels} violates`,
    );
  }
  // Every way to give the root, its children and the first pair below them other labels.
  let others = 0;
  for (let code = 0; code < classes ** 3; code++) {
    const own = [code % 5, Math.floor(code / 5) % 5, Math.floor(code / 25)];
    const [tree] = [...consistent];
    const labels = [...own, ...tree.split(',').map(Number).slice(3)];
    if (consistent.has(labels.join())) continue;
    const { violations } = run(oneHot(labels));
    assert.ok(violations[0] + violations[1] + violations[3] + violations[6] > 0.99, `${labels} is no tree`);
    others++;
  }
  assert.ok(others > 100);
});

test('doubt violates exclusion, even if every choice is a separate tree', () => {
  // Two synonyms of one parent that differ only in the first child: with probabilities of one half, parent and tuple agree.
  const own: Rules = {
    ...{ v: 5, n: 4, m: 2, s: 2, L: 3 },
    rules: rules.rules.map(
      (depth, l) =>
      l === 0 ? [[[0, 2], [1, 2]], [[3, 3], [3, 4]], [[4, 4], [4, 3]], [[2, 2], [2, 3]]] : depth, // biome-ignore format: a root a group
    ),
  };
  const p = oneHot([0, 0, 2, 0, 0, 0, 0]);
  p[classes] = 0.5;
  p[classes + 1] = 0.5;
  const { violations } = run(p, own);
  assert.is(violations[0], 0, 'the parent has one of its tuples');
  assert.is(violations[1], 0, 'and each tuple its parent');
  assert.is(violations[5], 0.25, 'but the first child is in doubt');
});

test.run();
