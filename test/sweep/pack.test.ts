import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputError } from '../../src/core/errors.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { pack, replicaBytes } from '../../src/sweep/pack.js';
import { groupKey } from '../../src/training/groupKey.js';
import { failure } from '../support/gpu.js';

const test = suite('packing runs into plans');

const run = (width: number, seed: number, replicas = 1) => ({
  name: `${width}/${seed}`,
  experiment: parseExperiment({ model: { kind: 'hcnn', width }, grammar: { v: 8, m: 2, L: 3 }, seed, replicas }),
});
const names = (groups: { name: string }[][]) => groups.map((group) => group.map((r) => r.name));

test('runs of one key, in order, divided as equally as the bound allows', () => {
  const runs = Array.from({ length: 10 }, (_, seed) => run(8, seed));
  const sizes = (replicas: number) => pack(runs, { replicas }).map((group) => group.length);
  assert.equal(sizes(4), [4, 3, 3]);
  assert.equal(sizes(5), [5, 5]);
  assert.equal(sizes(9), [5, 5]);
  assert.equal(pack(runs, { replicas: 4 }).flat(), runs);
  assert.equal(
    names(pack(runs, { replicas: 1 })),
    runs.map((r) => [r.name]),
  );
  assert.is(pack(runs, { replicas: 10 }).length, 1);
});

test('different keys stay apart; groups come in the order of their first runs', () => {
  const runs = [run(8, 0), run(9, 0), run(8, 1), run(9, 1), run(10, 0)];
  assert.equal(names(pack(runs, { replicas: 8 })), [['8/0', '8/1'], ['9/0', '9/1'], ['10/0']]);
  for (const group of pack(runs, { replicas: 8 })) assert.is(new Set(group.map((r) => groupKey(r.experiment))).size, 1);
});

test('replicas of a run count; one with more than the bound has a separate plan', () => {
  const runs = [run(8, 0, 3), run(8, 10, 3), run(8, 20), run(8, 30, 9), run(8, 40)];
  const groups = pack(runs, { replicas: 4 });
  assert.equal(groups.flat(), runs);
  for (const group of groups) {
    const total = group.reduce((sum, r) => sum + r.experiment.replicas, 0);
    assert.ok(total <= 4 || group.length === 1, `${total}`);
  }
  // A group that is not full yet takes no run that would exceed its limit.
  assert.equal(names(pack([run(8, 0), run(8, 10, 3)], { replicas: 3 })), [['8/0'], ['8/10']]);
  assert.equal(names(pack([run(8, 0), run(8, 10, 3)], { replicas: 4 })), [['8/0', '8/10']]);
});

test('memory bounds a plan', async () => {
  const runs = Array.from({ length: 6 }, (_, seed) => run(64, seed));
  const bytes = replicaBytes(runs[0].experiment);
  assert.ok(bytes > 4 * 3 * 64 * 64, 'weights, gradients and best weights of 64 x 64 at least');
  const sizes = (memoryBytes: number) => pack(runs, { replicas: 16, memoryBytes }).map((group) => group.length);
  assert.equal(sizes(2 * bytes), [2, 2, 2]);
  assert.equal(sizes(bytes / 2), [1, 1, 1, 1, 1, 1]);
  assert.equal(sizes(100 * bytes), [6]);
  assert.equal(pack([], { replicas: 3 }), []);
  assert.instance(await failure(async () => pack(runs, { replicas: 0 })), InputError);
});

test.run();
