import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import type { Analysis } from '../../src/analysis/results.js';
import { planReproduction } from '../../src/sweep/reproduce.js';
import { lawPositions, syntheticProbeStudy } from '../support/syntheticRuns.js';

const test = suite('analysis of probes');
let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(syntheticProbeStudy(), { sample: null, cluster: null });
});

test('each position passes one half at the planted point', () => {
  for (const m of [2, 3]) {
    const shape = { v: 8, n: 8, m, s: 2, L: 3 };
    const put = lawPositions(shape, 'hcnn', 20);
    for (const level of [1, 2])
      for (let layer = 1; layer <= 3; layer++) {
        const row = analysis.probes.find((r) => r.shape.m === m && r.level === level && r.layer === layer)!;
        const positions = 2 ** (3 - layer);
        assert.is(row.positions, positions);
        assert.is(row.curves, 2 * positions, 'of two grammars');
        if (layer < level) {
          assert.is(row.reached, 0);
          assert.is(row.half.bound, 'lower');
          assert.ok(Math.abs(row.last - 0.2) < 1e-9);
          continue;
        }
        // Position p is p widths of the step later: their geometric mean.
        const want = Math.exp(put[level] + (0.6 * (positions - 1)) / 2);
        assert.is(row.reached, 2 * positions);
        // Straight lines between evaluations, four per doubling, of an accuracy that is linear in ln P.
        assert.ok(
          Math.abs(Math.log(row.half.value / want)) < 0.02,
          `${layer}, ${level}: ${row.half.value} and ${want}`,
        );
        assert.ok(Math.abs(row.overLaw!.value / 20 - want / Math.exp(put[level])) < 0.1);
        const step = want / Math.exp(put[level]);
        assert.ok(
          Math.abs(row.overStep!.value - step) < 0.15 * step,
          `over the step of the loss: ${row.overStep!.value}`,
        );
      }
  }
});

test('the table has a row for every layer, position, level, place and evaluation', () => {
  const { rows } = analysis.tables.find(({ name }) => name === 'probes')!;
  const [first] = analysis.probeCurves;
  const looks = first.points.length;
  assert.is(rows.length, 4 * looks * (4 + 2 + 1) * (4 + 2)); // four runs; positions of three layers; places of two levels
  assert.ok(rows.every(({ accuracy }) => Number(accuracy) > 0 && Number(accuracy) <= 1));
});

test('the runs of the figure measure probes, and are made only when it is named', () => {
  for (const scale of ['quick', 'paper'] as const) {
    const runs = planReproduction(scale, ['probes']);
    assert.equal([...new Set(runs.map(({ experiment }) => experiment.model.kind))], ['hcnn', 'mla']);
    assert.ok(runs.every(({ experiment }) => experiment.measures.join() === 'probes'));
    assert.not.ok(planReproduction(scale).some(({ experiment }) => experiment.measures.includes('probes')));
  }
});

test.run();
