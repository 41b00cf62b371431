import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { zipfOf } from '../../src/analysis/curves.js';
import { contentHash } from '../../src/core/canonical.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { formatRecord } from '../../src/core/records.js';
import { makeRules } from '../../src/core/rules.js';
import type { SweepRun } from '../../src/sweep/grid.js';
import { firstRuns, runSearches, runsOnCurves, type Search } from '../../src/sweep/search.js';
import { planSearches } from '../../src/sweep/studies.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { membersOf, rulesOf } from '../../src/training/members.js';
import { wiringOf } from '../../src/training/wiring.js';
import { staircaseLoss } from '../support/syntheticRuns.js';

const test = suite('searches in data');

const grammar = { v: 8, n: 8, m: 3, s: 2, L: 4, seed: 1 };
const plateaus = lossPlateaus(makeRules(grammar, 1)).H;
const planted = [Math.log(200), Math.log(1200), Math.log(9000), Math.log(50000)];

const searchFor = (change: Partial<Search> = {}): Search => ({
  name: 'planted',
  steps: [1, 2, 3],
  from: 32,
  to: 2 ** 18,
  within: 1.3,
  most: 28,
  at: (P) => ({
    grammar,
    budget: { batch: 32, sentences: P, steps: 1000, patience: 2 },
    evaluation: { size: 64, validation: 32 },
  }),
  ...change,
});

/** A store that trains by formula. limited: whether a run ends with its best loss at the last step. */
class Trained {
  readonly runs = new Map<string, string>();
  trained: string[] = [];
  rounds = 0;
  constructor(readonly limited: (P: number) => boolean = () => false) {}

  train(runs: readonly SweepRun[], most = Infinity): boolean {
    this.rounds++;
    for (const run of runs.slice(0, most)) {
      if (this.runs.has(run.hash)) continue;
      this.trained.push(run.hash);
      const P = run.experiment.budget.sentences!;
      const loss = staircaseLoss(plateaus, { positions: planted, width: 0.8 }, Math.log(P));
      const step = this.limited(P) ? 1000 : 300;
      const accuracy = 1 - Math.min(1, (1000 / P) ** 1.5); // the error falls like P^-1.5 from 1000 on
      const test = { type: 'test', replica: 0, step, samples: 32 * step, loss, accuracy, validation: loss } as const;
      const records = [{ ...test, exact: plateaus[4] }, { type: 'end', replica: 0, reason: 'done' } as const];
      this.runs.set(run.hash, records.map(formatRecord).join(''));
    }
    return runs.length <= most;
  }

  hooks = {
    train: async (runs: readonly SweepRun[]) => this.train(runs),
    records: (run: SweepRun) => this.runs.get(run.hash),
  };
}

test('finds planted P_ell within its interval, with fewer runs than a grid of factor sqrt 2', async () => {
  const store = new Trained();
  const [{ crossings, points }] = await runSearches([searchFor()], store.hooks);
  for (const ell of [1, 2, 3]) {
    const { bound, value, low, high } = crossings.get(ell)!;
    assert.is(bound, 'none');
    assert.ok(Math.abs(value - planted[ell - 1]) < 0.1, `P_${ell} = ${Math.exp(value)}`);
    assert.ok(high - low < Math.log(1.6), `P_${ell}: ${Math.exp(low)} to ${Math.exp(high)}`);
  }
  const largest = Math.max(...points.map((p) => p.sentences));
  assert.ok(points.length < 2 * Math.log2(largest / 32), `${points.length} runs`);
  assert.is(store.trained.length, points.length);
});

test('test errors are searched for instead of steps, if the loss has none', async () => {
  const at = (P: number) => ({ ...(searchFor().at(P) as object), task: 'class' });
  const [{ crossings }] = await runSearches([searchFor({ steps: [], errors: [0.5, 0.1], at })], new Trained().hooks);
  assert.equal([...crossings.keys()], [0.5, 0.1]);
  for (const [error, { bound, value }] of crossings) {
    const P = 1000 * error ** (-1 / 1.5);
    assert.is(bound, 'none');
    assert.ok(Math.abs(value - Math.log(P)) < 0.1, `${error}: ${Math.exp(value)}, planted ${P}`);
  }
});

test('one more run after the last crossing, if it is requested and does not exist', async () => {
  const largest = async (change: Partial<Search>) => {
    const [{ points }] = await runSearches([searchFor({ steps: [1, 2], ...change })], new Trained().hooks);
    return { P: points.at(-1)!.sentences, runs: points.length };
  };
  const plain = await largest({});
  const far = await largest({ beyond: 32 });
  assert.ok(plain.P < 32 * 1200 * 0.5, `${plain.P}`);
  assert.ok(Math.abs(Math.log(far.P / (32 * 1200))) < 0.15, `${far.P}`);
  assert.is(far.runs, plain.runs + 1);
  assert.is((await largest({ beyond: 1e6 })).P, 2 ** 18); // not beyond the end of the range
  assert.equal(await largest({ beyond: 1.2 }), plain);
});

test('a window of s^ell tokens is searched with the steps that it has', async () => {
  const at = (P: number) => ({
    ...(searchFor().at(P) as object),
    task: { kind: 'auto', context: 4 },
    model: { kind: 'clm', channels: 8, heads: 2 },
    evaluation: { size: 64, validation: 32, positions: 'last' },
  });
  const store = new Trained();
  const stored = store.train.bind(store);
  // The planted loss for a window of two levels: the first two steps, with their exact loss.
  store.train = (runs) => {
    const done = stored(runs);
    for (const run of runs) {
      const P = run.experiment.budget.sentences!;
      const loss = staircaseLoss(plateaus.slice(0, 3), { positions: planted.slice(0, 2), width: 0.8 }, Math.log(P));
      const test = { type: 'test', replica: 0, step: 300, samples: 9600, loss, accuracy: 0, validation: loss } as const;
      const records = [{ ...test, exact: plateaus[2] }, { type: 'end', replica: 0, reason: 'done' } as const];
      store.runs.set(run.hash, records.map(formatRecord).join(''));
    }
    return done;
  };
  const [{ crossings }] = await runSearches([searchFor({ steps: [2], at })], {
    train: async (runs) => store.train(runs),
    records: (run) => store.runs.get(run.hash),
  });
  const { bound, value } = crossings.get(2)!;
  assert.is(bound, 'none');
  // A planted last step ends at an excess of exactly 0, a corner that the smooth estimate rounds off.
  assert.ok(Math.abs(value - planted[1]) < 0.3, `P_2 = ${Math.exp(value)}`);
});

test('an interrupted search continues with the same runs, and repeats none', async () => {
  const whole = new Trained();
  const [expected] = await runSearches([searchFor()], whole.hooks);
  const store = new Trained();
  let left = 4;
  for (let calls = 0; calls < 40; calls++) {
    const train = async (runs: readonly SweepRun[]) => {
      const before = store.trained.length;
      const missing = runs.filter((run) => !store.runs.has(run.hash));
      const done = store.train(missing, left);
      left -= store.trained.length - before;
      return done && left > 0;
    };
    await runSearches([searchFor()], { ...store.hooks, train });
    left = 4;
  }
  const [resumed] = await runSearches([searchFor()], store.hooks);
  assert.equal(resumed.points, expected.points);
  assert.equal(new Set(store.trained).size, store.trained.length);
  assert.equal([...store.trained].sort(), [...whole.trained].sort());
});

test('a step that no P reaches is a lower bound; one limited by steps is never a value', async () => {
  const [short] = await runSearches([searchFor({ to: 2000 })], new Trained().hooks);
  assert.equal(
    [2, 3].map((ell) => short.crossings.get(ell)!.bound),
    ['none', 'lower'],
  );
  assert.ok(Math.exp(short.crossings.get(3)!.value) <= 2000 * 1.0001);
  const [limited] = await runSearches([searchFor()], new Trained((P) => P > 3000).hooks);
  assert.is(limited.crossings.get(2)!.bound, 'none');
  assert.is.not(limited.crossings.get(3)!.bound, 'none');
});

test('a run that failed is not requested again, and the others continue', async () => {
  const store = new Trained();
  let asked = 0;
  const train = async (runs: readonly SweepRun[]) => {
    asked += runs.length;
    store.train(runs.filter((run) => run.experiment.budget.sentences !== 256));
    return true;
  };
  const [found] = await runSearches([searchFor()], { ...store.hooks, train });
  assert.is(found.crossings.get(3)!.bound, 'none');
  assert.is(asked, store.trained.length + 1);
});

test('without the run at the end of its range, a search still finds the steps before', async () => {
  const store = new Trained();
  const train = async (runs: readonly SweepRun[]) => {
    store.train(runs.filter((run) => run.experiment.budget.sentences! < 20_000));
    return true;
  };
  const [{ crossings }] = await runSearches([searchFor({ steps: [1, 2, 3, 4], to: 40_000.7 })], {
    ...store.hooks,
    train,
  });
  assert.is(crossings.get(4)!.bound, 'lower');
  for (const ell of [1, 2, 3]) {
    const { bound, low, high } = crossings.get(ell)!;
    assert.is(bound, 'none');
    assert.ok(high - low < Math.log(1.5), `step ${ell}: ${high - low}`);
  }
});

test('runs of a store on a curve count, even at P that the search would not choose; others do not', async () => {
  const search = searchFor();
  const runOf = async (P: number, change: Record<string, unknown> = {}) => {
    const experiment = parseExperiment({ ...(search.at(P) as object), ...change });
    return [await contentHash(experiment), experiment] as const;
  };
  const stored = new Map([
    await runOf(777),
    await runOf(31),
    await runOf(888, { seed: 5 }),
    await runOf(999, { grammar: { ...grammar, seed: 2 } }),
  ]);
  const runs = await runsOnCurves([search], stored);
  assert.equal(
    runs.map((run) => run.experiment.budget.sentences),
    [777],
  );
});

test('a run that was stopped at its stopLoss counts as that loss over the floor, wherever it ended', async () => {
  const floor = plateaus[4];
  assert.ok(floor > 0.01, `the floor of this grammar is ${floor}`);
  const stop = 0.55; // nats over the floor, a little below the middle of step 2
  const search = searchFor({
    steps: [1, 2],
    at: (P) => ({
      ...(searchFor().at(P) as object),
      budget: { batch: 32, sentences: P, steps: 1000, patience: 2, stopLoss: floor + stop },
    }),
  });
  const [{ points }] = await runSearches([search], new Trained().hooks);
  assert.ok(Math.abs(Math.min(...points.map((p) => p.y)) - Math.log(stop)) < 1e-9);
});

test('the planned searches: same grammars for all networks of a size, P up to a tenth of the language, experiments that are valid', async () => {
  for (const scale of ['quick', 'paper'] as const) {
    const searches = planSearches(scale, ['data']);
    const controls = planSearches(scale, ['control']);
    assert.is(controls.length > 0, scale === 'paper');
    for (const { at, from, to, name } of [...searches, ...controls]) {
      for (const P of [from, to]) {
        const { grammar: g, budget, evaluation } = parseExperiment(at(P));
        const sentences = g.v * g.m ** 15;
        assert.ok(P + evaluation.size + evaluation.validation! <= sentences, name);
        assert.ok(P <= Math.max(from, sentences / 10), name);
        assert.ok(budget.patience! > 1 && budget.stopLoss! > 0);
      }
    }
    const grammars = (kind: string) =>
      new Set(
        searches.filter((s) => s.name.startsWith(kind)).map((s) => JSON.stringify(parseExperiment(s.at(128)).grammar)),
      );
    for (const g of grammars('mla')) assert.ok(grammars('hcnn').has(g), g);
    assert.equal(grammars('hlcn'), grammars('hcnn'));
    assert.ok((await firstRuns(searches)).length >= searches.length);
  }
});

test('the planned windows: every whole block on the same grammars, the last token alone evaluated', () => {
  for (const scale of ['quick', 'paper'] as const) {
    const searches = planSearches(scale, ['context']);
    const windows = new Map<number, string[]>();
    for (const { at, from, to, steps } of searches) {
      const { grammar: g, task, evaluation, budget, model } = parseExperiment(at(to));
      assert.equal([task.kind, evaluation.positions, model.kind], ['auto', 'last', 'clm']);
      assert.equal(steps, [Math.log2(task.context!)]);
      assert.ok(from <= budget.sentences! && budget.sentences! <= (g.v * g.m ** 15) / 10);
      windows.set(task.context!, [...(windows.get(task.context!) ?? []), JSON.stringify(g)]);
    }
    const [first, ...rest] = windows.values();
    assert.ok(rest.length >= 2);
    assert.ok(new Set(first).size === first.length && first.length >= 3);
    for (const grammars of rest) assert.equal(grammars, first);
  }
  assert.equal(planSearches('quick', ['curves']), []);
});

test('the planned classes: n = m = v, errors instead of steps, sets that fit into half of the language', () => {
  for (const scale of ['quick', 'paper'] as const) {
    const searches = planSearches(scale, ['classes']);
    const networks = new Set<string>();
    for (const { at, from, to, steps, errors, name } of searches) {
      const { grammar: g, task, evaluation, budget, model } = parseExperiment(at(to));
      assert.equal([task.kind, steps, errors], ['class', [], [0.1]]);
      assert.ok(g.v === g.m && g.n === g.v, name);
      const sentences = g.m ** (2 ** g.L);
      assert.ok(
        from < to && to + evaluation.size + evaluation.validation! <= sentences,
        `${name}: ${to} of ${sentences}`,
      );
      assert.ok(to > g.v * g.m ** g.L, name);
      assert.ok(budget.stopLoss! > 0 && evaluation.size >= 1000 && evaluation.validation! >= 250, name);
      networks.add(`${model.kind} ${(model as { scaling: string }).scaling}`);
    }
    assert.equal([...networks].sort(), ['fcn mean-field', 'fcn standard', 'hcnn mean-field', 'hcnn standard']);
    assert.is(new Set(searches.map((s) => s.name)).size, searches.length);
  }
});

test('the planned power laws: three a, 32 rules or more for the classes, the same tuples with and without them', () => {
  for (const scale of ['quick', 'paper'] as const) {
    const searches = planSearches(scale, ['powerLaw']);
    const classes = searches.filter((s) => s.errors);
    const tokens = searches.filter((s) => !s.errors);
    const powers = (list: typeof searches) =>
      [...new Set(list.map(({ at, from }) => zipfOf(rulesOf(parseExperiment(at(from))))))].sort();
    assert.equal(powers(classes), [0.5, 1, 2]);
    assert.equal(powers(tokens), [0.5, 1, 2, undefined]);
    for (const { at, to, name, errors } of classes) {
      const { grammar: g, task } = parseExperiment(at(to));
      assert.equal([task.kind, g.m >= 32, g.m], ['class', true, g.v ** (g.s - 1)], name);
      assert.ok(Math.max(...errors!) < 1 - 1 / g.v, name);
    }
    const tuples = new Map<string, Set<unknown>>();
    for (const { at, from, to, name } of tokens) {
      const experiment = parseExperiment(at(from));
      const rules = rulesOf(experiment);
      assert.ok(from < to && experiment.task.kind === 'last', name);
      const key = JSON.stringify([rules.v, rules.rules]);
      tuples.set(key, (tuples.get(key) ?? new Set()).add(zipfOf(rules)));
    }
    for (const as of tuples.values()) assert.is(as.size, 4);
  }
});

test('the planned wirings: the same grammars and one shuffle for all networks, found trees from enough sentences only', () => {
  const searches = planSearches('quick', ['wiring']);
  const grammars = new Map<string, string[]>();
  for (const { at, from, to, name } of searches) {
    const experiment = parseExperiment(at(from));
    const { grammar, model } = experiment;
    const wiring = 'wiring' in model ? model.wiring : undefined;
    assert.is(grammar.shuffle, 1);
    assert.ok(from < to, name);
    const key = `${model.kind} ${wiring}`;
    grammars.set(key, [...(grammars.get(key) ?? []), JSON.stringify(grammar)]);
    if (wiring !== 'learned') assert.is(from, experiment.budget.batch, name);
    else {
      assert.ok(wiringOf(membersOf(experiment)[0]), name);
      const fewer = parseExperiment(at(Math.round(from / Math.SQRT2)));
      assert.throws(() => wiringOf(membersOf(fewer)[0]), /model.wiring: /, name);
    }
  }
  assert.equal([...grammars.keys()].sort(), [
    'hcnn learned',
    'hcnn true',
    'hcnn undefined',
    'hlcn learned',
    'mla undefined',
  ]);
  for (const own of grammars.values()) assert.equal(own, [...grammars.values()][0]);
});

test.run();
