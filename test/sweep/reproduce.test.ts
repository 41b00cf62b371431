import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { countDerivations } from '../../src/grammar/derivations.js';
import { pack } from '../../src/sweep/pack.js';
import { defaultFigures, figureNames, planReproduction, SMALLEST_STEP, scales } from '../../src/sweep/reproduce.js';
import { planSearches } from '../../src/sweep/studies.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { rulesOf } from '../../src/training/members.js';

const test = suite('reproduce');

test('every figure of every scale has a plan whose runs differ and can be identified by their hash', async () => {
  for (const scale of scales) {
    for (const figure of figureNames)
      if (figure !== 'control')
        assert.ok(
          planReproduction(scale, [figure]).length + planSearches(scale, [figure]).length > 0,
          `${scale} ${figure}`,
        );
    const plan = planReproduction(scale);
    const hashes = await Promise.all(plan.map((run) => contentHash(run.experiment)));
    assert.is(new Set(hashes).size, plan.length);
    assert.is(planReproduction(scale, [...defaultFigures[scale]]).length, plan.length);
  }
});

test('the quick scale supports the claim: three m, several grammars, the networks on the same ones, languages much larger than P', () => {
  const plan = planReproduction('quick', ['data']);
  const of = (kind: string) => plan.filter((r) => r.experiment.model.kind === kind);
  assert.equal([...new Set(plan.map((r) => r.experiment.grammar.m))].sort(), [2, 3, 4]);
  assert.equal([of('hcnn').length, of('hlcn').length, of('mla').length], [9, 9, 2]);
  const grammars = (kind: string) =>
    of(kind)
      .map((r) => `${r.experiment.grammar.m} ${r.experiment.grammar.seed}`)
      .sort();
  assert.equal(grammars('hlcn'), grammars('hcnn'));
  for (const grammar of grammars('mla')) assert.ok(grammars('hcnn').includes(grammar), grammar);
  for (const { experiment } of plan) assert.ok(countDerivations(rulesOf(experiment)) >= 2n ** 18n);
});

test('every grammar of a plan has a last step that can be seen, and its run ends after it', () => {
  for (const { name, experiment } of planReproduction('quick', ['sharing'])) {
    const { H } = lossPlateaus(rulesOf(experiment));
    const [above, floor] = H.slice(-2);
    assert.ok(above - floor >= SMALLEST_STEP, name);
    const stop = experiment.budget.stopLoss!;
    assert.ok(stop > floor && stop < floor + (above - floor) / 2, name);
  }
});

test('the figure batch: the CNNs of every size at four batch sizes or more, on the grammars of the others, by request only', () => {
  for (const scale of scales) {
    assert.not.ok(defaultFigures[scale].includes('batch'));
    const plan = planReproduction(scale, ['batch']);
    assert.is(new Set(plan.map((run) => run.name)).size, plan.length);
    const setups = new Map<string, Set<number>>();
    for (const { experiment } of plan.filter((run) => run.experiment.model.kind === 'hcnn')) {
      const { m, seed } = experiment.grammar;
      const key = `m=${m} seed=${seed}`;
      setups.set(key, (setups.get(key) ?? new Set()).add(experiment.budget.batch));
    }
    const complete = [...setups].filter(([, batches]) => batches.size >= 4).map(([key]) => key.split(' ')[0]);
    const ms = [...new Set(complete)];
    assert.is(ms.length, 3, `${scale}: ${ms}`);
    for (const m of ms) assert.ok(complete.filter((c) => c === m).length >= 3, `${scale} ${m}`);
  }
});

test('an unknown figure is refused with a list of the known ones', () => {
  assert.throws(
    () => planReproduction('quick', ['curvs']),
    /figure: got curvs; did you mean curves\? There are curves, positions/,
  );
});

test('the paper scale: the most informative runs first, each (v, m) with 8 CNNs, 4 transformers and 4 locally connected networks', () => {
  const plan = planReproduction('paper').map(({ experiment }) => experiment);
  const kinds = plan.map(({ model, grammar }) => `${model.kind} ${grammar.v} ${grammar.m}`);
  assert.ok(
    kinds.lastIndexOf('hcnn 32 8') < kinds.findIndex((kind) => !kind.startsWith('hcnn')),
    'CNNs of all sizes first',
  );
  for (const size of ['16 4', '32 8', '16 2'])
    assert.equal(
      ['hcnn', 'mla', 'hlcn'].map((kind) => kinds.filter((k) => k === `${kind} ${size}`).length),
      [8, 4, 4],
    );
  for (const { budget, grammar, measures } of plan) {
    assert.equal([grammar.s, grammar.L], [2, 4]);
    assert.ok(budget.steps! * budget.batch >= 2 ** 24);
    assert.equal(measures, ['invariance']);
  }
});

test('on a GPU the runs of a scale make a few plans, whose runs differ in seed, grammar and m alone', () => {
  for (const scale of scales) {
    const groups = pack(planReproduction(scale), { replicas: 32 });
    assert.ok(groups.length <= 6, `${scale}: ${groups.length}`);
  }
});

test.run();
