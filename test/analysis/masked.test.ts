import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { exactFloors } from '../../src/analysis/curves.js';
import type { Analysis } from '../../src/analysis/results.js';
import { parseExperiment } from '../../src/core/experiment.js';
import { planReproduction } from '../../src/sweep/reproduce.js';
import { rulesOf } from '../../src/training/members.js';
import { lawPositions, syntheticMaskedStudy, syntheticStudy } from '../support/syntheticRuns.js';

const test = suite('analysis of masked tokens');
let analysis: Analysis;
test.before(async () => {
  const others = syntheticStudy({ ms: [2], grammars: 1, steps: 2 ** 13 });
  analysis = await analyze([...syntheticMaskedStudy(), ...others], { sample: null, cluster: null });
});

test('the planted steps are found, each at its place', () => {
  for (const [series, kind] of [
    ['unet, mask', 'hcnn'],
    ['mla, mask', 'mla'],
    ['clm, mask', 'mla'],
  ] as const)
    for (const m of [2, 3]) {
      const shape = { v: 8, n: 8, m, s: 2, L: 3 };
      const rows = analysis.masked.filter((row) => row.series === series && row.shape.m === m);
      const put = lawPositions(shape, kind, 40);
      const reached = put.filter((log) => Math.exp(log) < 2 ** 13 * 32 * 0.7).length;
      assert.ok(rows.filter((row) => row.estimate.bound === 'none').length >= reached, `${series} m=${m}`);
      for (const { ell, estimate, predicted } of rows.slice(0, reached)) {
        const error = Math.abs(Math.log(estimate.value) - put[ell - 1]);
        assert.ok(error < 0.12, `${series} m=${m}, P_${ell}: ${estimate.value} and ${Math.exp(put[ell - 1])}`); // noise of 0.003
        assert.ok(Math.abs(estimate.value / predicted! - 40) < 6, 'the prefactor that was put in');
      }
    }
});

test('the last loss is compared with the floor for what a network sees', () => {
  const of = (series: string) => analysis.maskedExcesses.find((row) => row.series === series && row.shape.m === 2)!;
  assert.ok(of('clm, mask').floor > of('mla, mask').floor + 0.2, 'a decoder sees less');
  assert.ok(Math.abs(of('unet, mask').excess.value) < 0.02, 'it ends at its floor');
  const row = analysis.runs.find((run) => run.series === 'unet, mask')!;
  const experiment = parseExperiment(row.experiment);
  assert.is(row.floor, exactFloors(experiment, rulesOf(experiment))!.at(-1));
});

test('runs of masked tokens are kept out of the results on the last token, and the other way round', () => {
  assert.ok(analysis.positions.every((row) => !row.series.includes('mask')));
  assert.ok(analysis.masked.every((row) => row.series.includes('mask')));
  assert.not.ok(analysis.notes.some((note) => /only as learning curves/.test(note)));
  const table = analysis.tables.find(({ name }) => name === 'masked')!;
  assert.ok(table.rows.length > 100 && table.rows.every((row) => Number(row.H_3) === row.floor));
});

test('denoising: the middle of the root agrees with the posterior; sentences written are those of the records', () => {
  assert.equal(
    analysis.denoising.map(({ shape }) => shape.m),
    [2, 2, 3, 3],
    'once for each grammar',
  );
  for (const { shape, measured, predicted } of analysis.rootLosses) {
    const own = analysis.denoising.filter((row) => row.shape.m === shape.m);
    for (const { points } of own) {
      const chance = points[points.length - 1].changed[3];
      assert.ok(Math.abs(chance - 7 / 8) < 1e-9);
      const below = points.filter(({ rate }) => rate < measured.low - 0.05).at(-1);
      const above = points.find(({ rate }) => rate > measured.high + 0.05);
      assert.ok(!below || below.changed[3] < chance / 2, 'below the middle');
      assert.ok(!above || above.changed[3] > chance / 2, 'above it');
    }
    assert.ok(measured.value > 0.1 && measured.value < 0.7 && predicted! > 0.1);
  }
  for (const m of [2, 3]) {
    // From little noise to much, the root of a deep tree changes more than that of a shallow one.
    const rise = (L: number) => {
      const { points } = analysis.denoisingDepths.find(({ shape }) => shape.m === m && shape.L === L)!;
      return Math.max(...points.slice(4).map(({ changed }, i) => changed - points[i].changed));
    };
    assert.ok(rise(6) > rise(2) + 0.05, `m=${m}: ${rise(2)}, ${rise(6)}`);
  }
  const put = lawPositions({ v: 8, n: 8, m: 2, s: 2, L: 3 }, 'hcnn', 40);
  const curve = analysis.validity.find((c) => c.series === 'unet, mask' && c.shape.m === 2 && c.level === 2)!;
  const at = curve.points.findIndex(({ valid }) => valid >= 0.5);
  const [before, after] = [at - 1, at].map((i) => Math.log(curve.points[i].samples));
  assert.ok(before <= put[1] && put[1] <= after, 'half of them at P_2, as was put in');
});

test('the runs of the figure: networks with one token masked, on the grammars of the other figures', () => {
  for (const scale of ['quick', 'paper'] as const) {
    const runs = planReproduction(scale, ['masked']);
    const kinds = new Set(runs.map(({ experiment }) => experiment.model.kind));
    assert.equal([...kinds], ['unet', 'mla', 'clm']);
    for (const { experiment } of runs) {
      const { s, L } = experiment.grammar;
      assert.equal(experiment.task, { kind: 'mask', fraction: s ** -L });
    }
    const writing = planReproduction(scale, ['denoising']);
    assert.equal([...new Set(writing.map(({ experiment }) => experiment.model.kind))], ['unet', 'mla']);
    assert.ok(writing.every(({ experiment }) => experiment.measures.join() === 'validity'));
    assert.ok(!planReproduction(scale).some(({ experiment }) => experiment.task.kind === 'mask'), 'only when named');
  }
});

test.run();
