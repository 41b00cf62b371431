import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import { inOrder, shuffledOrder } from '../../src/core/shuffle.js';
import { streamKey } from '../../src/core/threefry.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { alignTree, findTree, PairCounts } from '../../src/theory/index.js';
import { close } from './enumerate.js';

const test = suite('the order inside the groups of a found tree');

async function found(shape: Parameters<typeof makeRules>[0], seed: number, P: number) {
  const rules = makeRules(shape, seed);
  const d = shape.s ** shape.L;
  const order = shuffledOrder(d, seed);
  const sampler = await createSampler(rules);
  const tokens = new Uint32Array(P * d);
  sampler.tokens({ mode: 'stream', key: streamKey(seed, 'data'), size: 0n, first: 0, length: 0 }, 0, P, tokens);
  const counts = new PairCounts(d, rules.v);
  counts.add(inOrder(tokens, order), P);
  const tree = findTree(counts.information, shape.s, P);
  return { tree, ...alignTree(tree, counts), places: (list: readonly number[]) => list.map((p) => order[p]), counts };
}

test('covariances of either order are transposed, and sum to nothing', async () => {
  const { counts } = await found({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, 100);
  const [a, b] = [counts.covariance(0, 2), counts.covariance(2, 0)];
  for (let x = 0; x < 4; x++) {
    close(a[4 * x] + a[4 * x + 1] + a[4 * x + 2] + a[4 * x + 3], 0, 1e-15, 'row');
    for (let y = 0; y < 4; y++) assert.is(a[4 * x + y], b[4 * y + x]);
  }
  const by = new PairCounts(2, 2);
  by.add([0, 0, 0, 0, 1, 1, 0, 1], 4);
  assert.equal([...by.covariance(0, 1)], [0.5 - 0.75 * 0.5, 0.25 - 0.75 * 0.5, 0 - 0.25 * 0.5, 0.25 - 0.25 * 0.5]);
});

test('pairs: if every group prefers its order by two deviations, it is the order of the tree', async () => {
  let trusted = 0;
  let turned = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const { tree, order, margins, places } = await found({ v: 8, n: 8, m: 2, s: 2, L: 4 }, seed, 4096);
    assert.ok(tree.sure.every((sure) => sure > 0.9));
    assert.is(margins.length, 3);
    assert.is(order[15], 15);
    if (String(tree.order) !== String(order)) turned++;
    if (!margins.every((margin) => margin >= 2)) continue;
    trusted++;
    assert.equal(places(order), [...Array(16).keys()], `seed ${seed}`);
  }
  assert.ok(trusted >= 15 && turned >= 15, `${trusted} trusted, ${turned} turned`);
});

test('groups of three: the same order of children at every place, the last position last', async () => {
  const { order, margins, places } = await found({ v: 6, n: 6, m: 5, s: 3, L: 2 }, 3, 2 ** 15);
  assert.ok(margins[0] > 3, String(margins));
  const children = [0, 3, 6].map((at) => places(order.slice(at, at + 3)).map((place) => place % 3));
  assert.equal(children[0], children[2]);
  assert.equal(children[1], children[2]);
  assert.is(children[2][2], 2);
});

test.run();
