import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import type { Analysis } from '../../src/analysis/results.js';
import { planReproduction, scales } from '../../src/sweep/reproduce.js';
import { membersOf } from '../../src/training/members.js';
import { syntheticHoldoutStudy } from '../support/syntheticNeighbours.js';

const test = suite('compositions held out, in data');
const quiet = { sample: null, cluster: null };

let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(await syntheticHoldoutStudy(), quiet);
});

test('planted fractions of the way from surface to grammar, at the best step', () => {
  assert.is(analysis.heldOutShares.length, 2 * 3 * 2, 'two networks, three P, the two sets with pairs');
  for (const { kind, P, share } of analysis.heldOutShares) {
    const planted = kind === 'hcnn' ? 0.75 : 64 / P;
    assert.ok(Math.abs(share.value - planted) < 1e-9, `${kind} ${P}: ${share.value}`);
    assert.is(share.units, 2);
  }
  assert.is(analysis.heldOut.length, 2 * 3 * 3 * 2);
  for (const row of analysis.heldOut) {
    assert.is(row.grammatical, 0.7, 'up to the root');
    assert.equal([row.fromGrammar, row.fromSurface, row.level, row.held], [0.2, 0.3, 3, 1]);
  }
});

test('both predictors of each grammar, and the size of the training language', () => {
  assert.is(analysis.heldOutReferences.length, 2 * 3);
  for (const { training, set, knows } of analysis.heldOutReferences) {
    assert.is(training, 7776);
    assert.is(knows.grammar.possible, 1);
    assert.is(knows.surface.possible === 1, set === 'without');
  }
  const { rows } = analysis.tables.find(({ name }) => name === 'holdoutPredictors')!;
  assert.equal(new Set(rows.map(({ grammar }) => grammar)), new Set([1, 2]));
});

test('the head of the report says which network goes how far, and where it went farthest', () => {
  assert.match(
    analysis.summary.find((text) => text.startsWith('Compositions held out'))!,
    /^Compositions held out \(v=8 m=3 s=2 L=3, level 3, 1 of 3 held out\), pairs in the context: .* is hcnn 0\.75 .* at P = 512; mla 0\.125 .* at P = 512 \(most: 0\.5 at 128\)\.$/,
  );
});

test('runs with held-out pairs are only in their own figure', () => {
  assert.equal([analysis.curves, analysis.positions], [[], []]);
  assert.is(analysis.studies.holdout.length, 4, 'a curve for each network and grammar');
});

test('the planned runs: all four networks, every one measured, P within the training language', () => {
  for (const scale of scales) {
    const runs = planReproduction(scale, ['holdout']);
    assert.equal(new Set(runs.map(({ experiment }) => experiment.model.kind)), new Set(['clm', 'mla', 'hlcn', 'hcnn']));
    assert.ok(runs.every(({ experiment }) => experiment.measures.join() === 'holdout'));
    assert.is(new Set(runs.map(({ name }) => name)).size, runs.length);
    assert.not.ok(planReproduction(scale).some(({ experiment }) => experiment.grammar.holdout));
  }
  for (const { experiment } of planReproduction('quick', ['holdout'])) assert.ok(membersOf(experiment)[0].distinct);
});

test.run();
