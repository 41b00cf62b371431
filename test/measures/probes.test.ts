import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseExperiment } from '../../src/core/experiment.js';
import { formatRecord, type MeasureRecord, parseRecords } from '../../src/core/records.js';
import { wasmExecutor } from '../../src/kernels/index.js';
import { measures } from '../../src/measures/index.js';
import { meanOfBest } from '../../src/measures/probes.js';
import { MemoryFolder } from '../../src/training/folder.js';
import { train } from '../../src/training/loop.js';
import { membersOf } from '../../src/training/members.js';
import { trainingProgram } from '../../src/training/program.js';
import { failure } from '../support/gpu.js';
import { expandTree } from '../theory/enumerate.js';
import { measurePairs } from './pairs.js';

const test = suite('probes of every hidden symbol');
const executor = wasmExecutor({ threads: 1 });
test.after(() => executor.destroy());

const v = 4;
const planted = {
  grammar: { v, m: 2, s: 2, L: 3, seed: 3 },
  task: 'class',
  model: { kind: 'hcnn', width: v * v, depth: 1, bias: true },
  budget: { batch: 8, steps: 1 },
  measures: ['probes'],
  replicas: 2,
} as const;

/** Probes of a network whose layer 1 identifies at position p the pair of tokens there; every unit is 0 in the second replica. */
async function plantedMaps(): Promise<{
  maps: number[][][];
  blind: number[][][];
  rules: Parameters<typeof expandTree>[0];
}> {
  const { members, values } = await measurePairs(planted, executor);
  const of = (replica: number) =>
    values
      .filter((x) => x.replica === replica)
      .sort((a, b) => a.level! - b.level!)
      .map(({ layer, map, value }) => {
        assert.is(layer, 1);
        assert.is(value, meanOfBest(map!));
        return map!;
      });
  return { maps: of(0), blind: of(1), rules: members[0].rules };
}

test('planted pairs of tokens: each symbol is read as well as its pair of tokens allows, at every place', async () => {
  const { maps, blind, rules } = await plantedMaps();
  const trees = expandTree(rules);
  // Probability that the best guess is right, given the pair at a position, or given nothing.
  const best = (level: number, place: number, position?: number): number => {
    const joint = new Map<string, number[]>();
    for (const { levels, probability } of trees) {
      const pair = position === undefined ? '' : levels[3].slice(2 * position, 2 * position + 2).join();
      const row = joint.get(pair) ?? new Array<number>(v).fill(0);
      row[levels[3 - level][place]] += probability;
      joint.set(pair, row);
    }
    return [...joint.values()].reduce((sum, row) => sum + Math.max(...row), 0);
  };
  assert.equal(
    maps.map((map) => [map.length, map[0].length]),
    [
      [4, 4],
      [4, 2],
      [4, 1],
    ],
  );
  let error = 0;
  let cells = 0;
  for (const [i, map] of maps.entries())
    for (const [position, row] of map.entries())
      for (const [place, got] of row.entries()) {
        const want = best(i + 1, place, position);
        if (want > 1 - 1e-9) assert.is(got, 1, `level ${i + 1}, place ${place} from position ${position}`);
        // 128 sentences: standard error at most 0.044; 192 of them fit tables of at most 8 pairs.
        assert.ok(Math.abs(got - want) < 0.2, `level ${i + 1}, place ${place} from ${position}: ${got} and ${want}`);
        const nothing = blind[i][position][place];
        assert.ok(nothing < best(i + 1, place) + 0.15, 'a layer that says nothing');
        error += got - want;
        cells++;
      }
  assert.is(cells, 28);
  assert.ok(Math.abs(error / cells) < 0.04, `mean error ${error / cells}`);
  for (let p = 0; p < 4; p++) {
    assert.is(maps[0][p][p], 1, 'a pair says its parent');
    assert.ok(
      maps[0][p].every((x, q) => q === p || x < 0.95),
      'and no other symbol of its level as well',
    );
  }
});

test('maps are stored in the records and read back; an invalid map is refused', async () => {
  const experiment = parseExperiment({
    ...planted,
    model: { kind: 'mla', channels: 8, heads: 2, depth: 2 },
    task: 'last',
    evaluation: { size: 16, perDoubling: 1 },
    budget: { batch: 4, steps: 2 },
    replicas: 1,
  });
  const { records } = await train(experiment, { executor, folder: new MemoryFolder(), measures });
  const found = records.filter((r): r is MeasureRecord => r.type === 'measure');
  assert.is(found.length, 2 * 2 * 3); // two evaluations, layers and three levels
  for (const { layer, level, map } of found) {
    assert.is(map!.length, layer === 2 ? 1 : 8, 'the last layer has one position');
    assert.ok(map!.every((row) => row.length === 2 ** (3 - level!) && row.every((x) => x >= 0 && x <= 1)));
  }
  const text = found.map(formatRecord).join('');
  assert.equal(parseRecords(text).records, found);
  const [broken] = parseRecords(text.replace(/"map":\[\[/, '"map":[[null,')).problems;
  assert.match(broken.message, /map: expected rows of numbers, all of one length/);
  const nan = { ...found[0], value: Number.NaN, map: [[Number.NaN, 1]] };
  assert.equal((parseRecords(formatRecord(nan)).records[0] as MeasureRecord).map, [[Number.NaN, 1]]);
});

test('networks too large for them, and those without a hidden layer, are refused', async () => {
  const build = (input: object) => {
    const members = membersOf(parseExperiment({ ...planted, replicas: 1, ...input }));
    return async () => trainingProgram(members, measures);
  };
  const large = { grammar: { v: 32, m: 8, L: 7 }, model: { kind: 'mla', channels: 32, heads: 2 } };
  assert.match(
    (await failure(build(large))).message,
    /measures: probes of 7 layers and 127 hidden symbols would hold \d+ numbers, over the limit of/,
  );
  assert.match((await failure(build({ model: { kind: 'fcn', depth: 0 } }))).message, /probes needs a hidden layer/);
});

test.run();
