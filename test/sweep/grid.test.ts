import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { expandGrid, type Grid } from '../../src/sweep/grid.js';
import { GridError } from '../../src/sweep/spec.js';

const test = suite('grids');

const small = { model: { kind: 'hcnn', width: 8 }, 'grammar.v': 8, 'grammar.m': 2, 'grammar.L': 2 };
const values = (grid: Grid, get: (e: Grid['runs'][0]['experiment']) => unknown) =>
  grid.runs.map((r) => get(r.experiment));

/** All messages with which a grid is refused. */
async function faultsOf(input: unknown): Promise<string[]> {
  try {
    await expandGrid(input);
  } catch (error) {
    assert.instance(error, GridError);
    return (error as GridError).faults.map((f) =>
      f.runs.length ? `[${f.runs} of ${f.count}] ${f.message}` : f.message,
    );
  }
  throw new Error('the grid was accepted');
}

test('lists multiply, the first axis slowest; base is nested or dotted; names give what varies', async () => {
  const grid = await expandGrid({ base: small, grid: { 'grammar.m': [2, 4], 'model.width': [8, 16] }, seeds: 2 });
  assert.equal(
    values(grid, (e) => [e.grammar.m, (e.model as { width: number }).width, e.seed]),
    [2, 4].flatMap((m) => [8, 16].flatMap((w) => [0, 1].map((seed) => [m, w, seed]))),
  );
  assert.is(grid.runs[3].name, 'grammar.m=2 model.width=16 seed=1');
  const alone = parseExperiment({ model: { kind: 'hcnn', width: 16 }, grammar: { v: 8, m: 2, L: 2 }, seed: 1 });
  assert.is(grid.runs[3].hash, await contentHash(alone), 'the hash is that of the experiment by itself');
});

test('ranges: by step, by count, by factor, geometric, whole numbers', async () => {
  const rates = async (axis: unknown) =>
    values(await expandGrid({ base: small, grid: { 'optimiser.rate': axis } }), (e) => e.optimiser.rate);
  assert.equal(await rates({ from: 0.1, to: 0.5, step: 0.1 }), [0.1, 0.2, 0.3, 0.4, 0.5]);
  assert.equal(await rates({ from: 3, to: 1, step: -1 }), [3, 2, 1]);
  assert.equal(await rates({ from: 1, to: 2, count: 5 }), [1, 1.25, 1.5, 1.75, 2]);
  assert.equal(await rates({ from: 1, to: 100, factor: 10 }), [1, 10, 100]);
  assert.equal(await rates({ from: 8, to: 1, factor: 0.5 }), [8, 4, 2, 1]);
  assert.equal(await rates({ from: 0.01, to: 100, count: 5, spacing: 'log' }), [0.01, 0.1, 1, 10, 100]);
  assert.equal(await rates({ from: 1, to: 10, count: 4, spacing: 'log', integer: true }), [1, 2, 5, 10]);
});

test('zips advance together; several zips multiply', async () => {
  const grid = await expandGrid({
    base: small,
    zip: [
      { 'grammar.v': [8, 16], 'grammar.m': [2, 4] },
      { 'budget.batch': [32, 64], 'optimiser.rate': [1, 2] },
    ],
  });
  assert.equal(
    values(grid, (e) => [e.grammar.v, e.grammar.m, e.budget.batch, e.optimiser.rate]),
    [
      [8, 2, 32, 1],
      [8, 2, 64, 2],
      [16, 4, 32, 1],
      [16, 4, 64, 2],
    ],
  );
});

test('P as multiples of P_ell: of the law of the run’s own model and grammar', async () => {
  // P_2 of a CNN: v m^3 / (1 - m/v); also v m^3 for a transformer; P_3: v m^4 and v m^5.
  const grid = await expandGrid({
    base: { 'grammar.v': 8, 'grammar.L': 3, 'evaluation.size': 64, 'budget.batch': 32 },
    grid: {
      model: [
        { kind: 'hcnn', width: 8 },
        { kind: 'mla', channels: 8, heads: 2 },
      ],
      'grammar.m': [2, 4],
      'budget.sentences': { P_ell: 3, times: [0.5, 1] },
    },
    derive: { 'budget.steps': 'ceil(4 * budget.sentences / budget.batch)' },
  });
  assert.equal(
    values(grid, (e) => [e.budget.sentences, e.budget.steps]),
    [
      [85, 11], // 0.5 * 8 * 2^4 / (1 - 1/4) = 85.3
      [171, 22],
      [2048, 256], // 0.5 * 8 * 4^4 / (1 - 1/2)
      [4096, 512],
      [171, 22], // 0.5 * 8 * 2^5 / (3/4)
      [341, 43],
      [8192, 1024],
      [16384, 2048],
    ],
  );
  assert.is(grid.runs[0].name.includes('budget.sentences=0.5*P_3'), true);
  const online = await expandGrid({
    base: { ...small, budget: { batch: 8, accumulate: 2 } },
    derive: { 'budget.steps': { P_ell: 1, times: 3 } },
  });
  assert.is(online.runs[0].experiment.budget.steps, 4, '3 * 16 / (3/4) = 64 sentences are 4 steps of 2 * 8');
});

test('expressions see defaults, variables of the grid and theory; filters choose', async () => {
  const grid = await expandGrid({
    base: small,
    grid: { 'grammar.m': [1, 2, 4, 8], $c: [1, 3] },
    derive: { 'optimiser.rate': '$c / grammar.m', 'budget.stopLoss': 'H(grammar.L) + 0.5 ** 2' },
    filter: ['grammar.m > 1 && grammar.m < grammar.n', "model.kind == 'hcnn' ? $c * grammar.m != 6 : $nothing"],
  });
  assert.is(grid.combinations, 8);
  assert.is(grid.filtered, 5);
  assert.equal(
    values(grid, (e) => [e.grammar.m, e.optimiser.rate]),
    [
      [2, 0.5],
      [4, 0.25],
      [4, 0.75],
    ],
  );
  assert.ok(values(grid, (e) => e.budget.stopLoss).every((x) => (x as number) > 0.25 && (x as number) < 2.4));
});

test('blocks put several grids into one sweep; equal experiments count once', async () => {
  const grid = await expandGrid({
    base: { 'grammar.v': 8, 'grammar.L': 2, 'grammar.m': 2 },
    seeds: 2,
    blocks: [
      { base: { model: 'hcnn' }, grid: { 'model.width': [8, 16] } },
      { base: { model: 'mla', 'model.heads': 2 }, grid: { 'model.channels': [8] }, seeds: [7] },
      { base: { model: 'hcnn' }, grid: { 'model.width': [16, 32] } },
    ],
  });
  assert.is(grid.runs.length, 7);
  assert.is(grid.duplicates, 2);
  assert.equal(
    values(grid, (e) => e.seed),
    [0, 1, 0, 1, 7, 0, 1],
  );
});

test('an empty grid', async () => {
  assert.match((await faultsOf({}))[0], /the grid is empty/);
  assert.equal(await faultsOf({ base: small, grid: { 'grammar.m': [] } }), [
    'grid.grammar.m: no values; the grid would be empty',
  ]);
  assert.match(
    (await faultsOf({ base: small, grid: { 'grammar.m': [2] }, filter: 'grammar.m > 3' }))[0],
    /leaves none of 1/,
  );
  assert.match((await faultsOf(null))[0], /got null/);
});

test('10^9 runs are refused by counting', async () => {
  const thousand = { from: 1, to: 1000, step: 1 };
  assert.match(
    (await faultsOf({ base: small, grid: { 'model.width': thousand, 'budget.batch': thousand }, seeds: 1000 }))[0],
    /1,000,000,000 combinations, 200,000 at most/,
  );
  assert.match((await faultsOf({ base: small, seeds: 1e15 }))[0], /1,000,000,000,000,000 combinations/);
  assert.match(
    (await faultsOf({ base: small, grid: { 'optimiser.rate': { from: 0, to: 1, step: 1e-12 } } }))[0],
    /combinations/,
  );
});

test('fields that do not exist, with the nearest name; all faults at once', async () => {
  const faults = await faultsOf({
    base: { ...small, 'grammar.vv': 3 },
    grid: { 'model.wdith': [1, 2], 'budget.batch': [0, 8] },
    derive: { 'optimiser.rate': 'gramar.m * 2' },
  });
  assert.equal(faults, [
    '[0,1,2,3 of 4] optimiser.rate: "gramar.m * 2": no field gramar.m; did you mean grammar.m?',
    '[0,1,2,3 of 4] grammar.vv: no such field; there are v, n, m, s, L, seed, shuffle, holdout, rootPrior, ruleProbabilities, rules',
    '[0,1,2,3 of 4] model.wdith: no such field; did you mean model.width?',
    '[0,2 of 2] budget.batch: got 0; pass a whole number from 1 to 1048576',
  ]);
  assert.equal(
    (await faultsOf({ bass: {}, grid: {}, seeds: -1, grammar: {} })).map((f) => f.slice(0, 60)),
    [
      'seeds: got -1; pass a number of seeds (0, 1, ...), a list, o',
      'bass: no such part of a grid; did you mean base?',
      'grammar: no such part of a grid; there are name, base, grid,',
    ],
  );
});

test('faults of the file and of the combinations in one error', async () => {
  const base = { ...small, 'model.widht': 3 };
  const known = 'model.widht: no such field; did you mean model.width?';
  // A mistyped part is taken for the one it resembles.
  assert.equal(await faultsOf({ bass: base, grid: { 'budget.batch': [0, 8] } }), [
    'bass: no such part of a grid; did you mean base?',
    `[0,1 of 2] ${known}`,
    '[0 of 1] budget.batch: got 0; pass a whole number from 1 to 1048576',
  ]);
  // An axis that cannot be read, a list that is empty and lists that do not fit are left out, and so is what is said of their sections.
  assert.equal(
    (
      await faultsOf({
        base: { ...base, 'budget.batchh': 2, 'task.knid': 3 },
        grid: { 'budget.patience': [], 'task.kind': { frm: 1 } },
        zip: { 'schedule.floor': [3, 4], 'schedule.warmup': [1] },
      })
    ).map((fault) => fault.slice(0, 50)),
    [
      'grid.budget.patience: no values; the grid would be ',
      'grid.task.kind: got {"frm":1}; did you mean from? ',
      'zip.0: schedule.floor has 2, schedule.warmup has 1 ',
      `[0 of 1] ${known}`,
    ].map((fault) => fault.slice(0, 50)),
  );
  // Whether fields fit together is not said while some are missing: with the validation set this patience is right.
  const patient = { ...small, 'budget.patience': 2 };
  assert.equal(await faultsOf({ base: patient, grid: { 'evaluation.validation': { from: 1, to: 5 } } }), [
    'grid.evaluation.validation: got neither step, count nor factor; pass exactly one of them',
  ]);
  // A filter that cannot be read, or evaluated, might leave out the faulty combinations.
  assert.is((await faultsOf({ base, filter: 'grammar.m >' })).length, 1);
  assert.is((await faultsOf({ base, derive: { $y: [1, 2] }, filter: '$y > 2' })).length, 1);
  assert.is((await faultsOf({ base, gird: { $x: [1] }, grid: {}, filter: '$x > 2' })).length, 1);
  assert.is((await faultsOf({ base, searh: {}, filter: 'grammar.m > 2', grid: { 'grammar.m': [2] } })).length, 1);
  assert.is((await faultsOf({ base, search: { stps: [2] }, seeds: 1e9 })).length, 3);
});

test('one invalid combination among many is named by its number', async () => {
  const grid = { 'grammar.m': [2, 4, 8, 9], 'model.width': [8, 16, 32] };
  assert.equal(await faultsOf({ base: small, grid }), [
    '[9,10,11 of 3] grammar.m: n*m = 72: there are only v^s = 64 distinct tuples; take m <= 8',
  ]);
  // Also where fields and filters are computed from the grammar that does not exist.
  const derive = { 'budget.stopLoss': 'H(2)' };
  assert.equal(await faultsOf({ base: small, grid, derive, filter: 'H(2) > 0' }), [
    '[9,10,11 of 3] grammar.m: n*m = 72: there are only v^s = 64 distinct tuples; take m <= 8',
  ]);
});

test('faults beyond the schema: heads, depth, batch above P, test set above what is left, measures', async () => {
  const mla = { ...small, model: { kind: 'mla', channels: 8 } };
  const message = async (more: object) => (await faultsOf({ base: { ...small, ...more } }))[0];
  assert.match(await message({ ...mla, 'model.heads': 3 }), /heads/);
  assert.match(await message({ 'model.depth': 5 }), /depth/);
  assert.match(
    await message({ 'budget.sentences': 16 }),
    /budget.batch: 128 sentences per step, budget.sentences P = 16/,
  );
  assert.match(await message({ 'budget.sentences': 128, 'budget.batch': 8 }), /derivations/);
  assert.match(await message({ measures: ['invarance'] }), /did you mean invariance/);
});

test('axes and expressions without meaning', async () => {
  const axis = async (input: unknown) => (await faultsOf({ base: small, grid: { 'optimiser.rate': input } }))[0];
  assert.match(await axis({ zipf: 1 }), /pass a list/);
  assert.match(await axis({ from: 1, to: 2 }), /neither step, count nor factor/);
  assert.match(await axis({ from: 1, to: 2, step: -1 }), /leads away/);
  assert.match(await axis({ from: 0, to: 2, factor: 2 }), /above 0/);
  assert.match(await axis({ from: 1, to: 2, step: 0 }), /step: got 0/);
  assert.match(await axis({ expr: 'grammar.m +' }), /Expected expression/);
  assert.match(await axis({ expr: 'constructor.constructor("return 1")()' }), /no function/);
  assert.match(await axis({ expr: 'flor(2.5)' }), /did you mean floor/);
  assert.match(await axis({ expr: '2 ^ 3' }), /a power is \*\*/);
  assert.match(await axis({ expr: 'P(9)' }), /ell/);
  assert.match(await axis({ P_ell: 1, times: [0] }), /above 0/);
  assert.match(await axis({ expr: 'model.kind * 2' }), /expected a number, got "hcnn"/);
  assert.match(
    (await faultsOf({ base: small, zip: { 'grammar.m': [1, 2], 'grammar.L': [2] } }))[0],
    /has 2, grammar.L has 1 values/,
  );
  assert.match((await faultsOf({ base: small, grid: { seed: [1] }, seeds: 3 }))[0], /set by two axes/);
});

test('sections are merged field by field: of a block over the file, dotted over nested and the other way round', async () => {
  const one = async (grid: object) => (await expandGrid(grid)).runs.map(({ experiment }) => experiment);
  const base = { grammar: { v: 8, L: 3 }, model: { kind: 'mla', channels: 32, heads: 4 } };
  const [block] = await one({ base, blocks: [{ base: { grammar: { m: 2 }, model: { heads: 8 } } }] });
  assert.equal([block.grammar.v, block.grammar.L, block.grammar.m], [8, 3, 2]);
  assert.equal(block.model, { kind: 'mla', channels: 32, heads: 8 });
  for (const fields of [
    { 'grammar.m': 3, grammar: { v: 4 } },
    { grammar: { v: 4 }, 'grammar.m': 3 },
  ]) {
    const [run] = await one({ base: fields });
    assert.equal([run.grammar.v, run.grammar.m], [4, 3]);
  }
  const [named] = await one({ base: { model: 'mla' }, blocks: [{ base: { model: { channels: 16 } } }] });
  assert.is(named.model.kind, 'mla');
  const [axis] = await one({ base, grid: { grammar: [{ m: 2 }] } });
  assert.equal([axis.grammar.v, axis.grammar.m], [8, 2], 'an axis too');
  const [other] = await one({ base, grid: { model: [{ kind: 'hcnn', width: 8 }] } });
  assert.equal([other.model.kind, 'channels' in other.model], ['hcnn', false], 'another kind takes the whole place');
});

test.run();
