import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expandGrid } from '../../src/sweep/grid.js';
import { searchesOf } from '../../src/sweep/gridSearch.js';

const test = suite('grids with a search');

const spec = {
  base: {
    model: { kind: 'hcnn', width: 8 },
    grammar: { v: 8, L: 3 },
    budget: { batch: 16, patience: 2 },
    evaluation: { size: 64, validation: 32 },
  },
  grid: { 'grammar.m': [2, 3] },
  search: { steps: [1, 2] },
};

const refuses = async (change: Record<string, unknown>, message: RegExp) => {
  try {
    await expandGrid({ ...spec, ...change });
  } catch (error) {
    assert.match((error as Error).message, message);
    return;
  }
  throw new Error(`not refused: ${JSON.stringify(change)}`);
};

test('each combination is one curve, represented by the run at the smallest P', async () => {
  const grid = await expandGrid(spec);
  assert.equal(
    grid.runs.map((run) => run.experiment.budget.sentences),
    [16, 16],
  );
  const [small, large] = searchesOf(grid);
  assert.equal([small.from, small.to, large.to], [16, Math.floor((8 * 2 ** 7) / 10), Math.floor((8 * 3 ** 7) / 10)]);
  assert.equal([small.steps, small.within, small.most], [[1, 2], 1.3, 28]);
  assert.equal((small.at(100) as { budget: unknown }).budget, { ...grid.runs[0].experiment.budget, sentences: 100 });
  const own = await expandGrid({ ...spec, search: { steps: [1], from: 20, to: 300, within: 2, most: 5 } });
  const [search] = searchesOf(own);
  assert.equal([search.from, search.to, search.within, search.most], [20, 300, 2, 5]);
});

test('experiments that cannot be searched are refused by name', async () => {
  await refuses({ search: { steps: [] } }, /search.steps/);
  await refuses({ search: { steps: [4] } }, /search.steps: 4 is beyond the last step, L = 3/);
  await refuses({ search: { steps: [1], within: 1 } }, /search.within/);
  await refuses({ search: { steps: [1], form: 1 } }, /search.form: no such part/);
  await refuses(
    { base: { ...spec.base, evaluation: { size: 64 }, budget: { batch: 16 } } },
    /search: needs evaluation.validation/,
  );
  await refuses(
    { base: { ...spec.base, task: 'class' } },
    /search: needs the task 'last' .* with a context of s\^ell tokens/,
  );
  await refuses({ base: { ...spec.base, task: { kind: 'last', context: 3 } } }, /search: needs the task 'last'/);
  await refuses(
    { base: { ...spec.base, task: { kind: 'last', context: 4 } }, search: { steps: [3] } },
    /search.steps: 3 is beyond the last step, that of the context, ell = 2/,
  );
  await refuses(
    { base: { ...spec.base, budget: { batch: 16, patience: 2, sentences: 50 } } },
    /budget.sentences: is what the search varies/,
  );
  await refuses({ grid: { 'budget.sentences': [50, 100] } }, /budget.sentences: is what the search varies/);
  await refuses(
    { base: { ...spec.base, budget: { batch: 16, patience: 0 } } },
    /budget.patience: got 0; pass a number above 1/,
  );
  const large = await expandGrid({ ...spec, search: { steps: [1], to: 1000 } });
  assert.throws(
    () => searchesOf(large),
    /1000 to train on, 32 to validate on and 64 to test on exceed the grammar's 1024/,
  );
});

test('an expression of ten thousand terms is refused by its length, before it is evaluated', async () => {
  const long = Array(10_000).fill('1').join(' + ');
  await refuses(
    { search: undefined, derive: { 'budget.steps': long } },
    /39997 characters, an expression has 2000 at most/,
  );
  const { runs } = await expandGrid({
    ...spec,
    search: undefined,
    derive: { 'budget.steps': Array(500).fill('1').join('+') },
  });
  assert.is(runs[0].experiment.budget.steps, 500);
});

test.run();
