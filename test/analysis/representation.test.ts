import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { figures } from '../../src/analysis/figures/index.js';
import type { Analysis } from '../../src/analysis/results.js';
import { planReproduction } from '../../src/sweep/reproduce.js';
import { lateness, syntheticRepresentationStudy, WIDTH } from '../support/syntheticRepresentation.js';

const test = suite('four measures of a layer');
let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(syntheticRepresentationStudy(), { sample: null, cluster: null });
});

const record = { invariance: 'invariance', readout: 'readout', separation: 'gdv', alignment: 'alignment' } as const;

test('each measure is half way at the planted point, over the step of the loss; a layer below the level does not move', () => {
  assert.is(analysis.representation.length, 2 * (4 * (3 + 2) + 3)); // sizes, measures, layers of both levels; no invariance below them
  for (const row of analysis.representation) {
    if (row.layer < row.level) {
      assert.ok(row.half === undefined && row.view !== 'invariance');
      continue;
    }
    const late = lateness[record[row.view]] + (row.layer - row.level) / 2;
    // Straight lines between evaluations, four per doubling.
    assert.ok(Math.abs(row.first - 0.1) < 1e-6 && Math.abs(row.last - 0.9) < 1e-6, `${row.view} ${row.last}`);
    assert.ok(
      Math.abs(Math.log(row.half!.value) - late * WIDTH) < 0.12,
      `${row.view}, level ${row.level}, layer ${row.layer}: ${row.half!.value}`,
    );
  }
});

test('a measure that hardly moves has no middle', async () => {
  const still = syntheticRepresentationStudy({ ms: [2], grammars: 1 }).map((run) => ({
    ...run,
    records: (run.records as string).replace(/("name":"alignment".*?"value":)[\d.]+/g, '$10.3'),
  }));
  const { representation } = await analyze(still, { sample: null, cluster: null });
  const [moving, resting] = ['readout', 'alignment'].map((view) => representation.filter((row) => row.view === view));
  assert.is(resting.length, 6);
  assert.ok(resting.every(({ half, last }) => half === undefined && Math.abs(last - 0.3) < 1e-9));
  assert.ok(moving.every(({ half, layer, level }) => !half === layer < level));
});

test('the caption says which layer each measure rises most in, and when', () => {
  const { measured } = figures.find(({ name }) => name === 'representation')!.caption(analysis);
  assert.match(
    measured,
    /hierarchical CNN: invariance [\d.]+ \(level 1 in layer 1, level 2 in layer 2\); readout 0\.\d+ /,
  );
});

test('the runs of the figure measure all four, and are made only when it is named', () => {
  for (const scale of ['quick', 'paper'] as const) {
    const runs = planReproduction(scale, ['representation']);
    assert.equal([...new Set(runs.map(({ experiment }) => experiment.model.kind))], ['hcnn', 'mla']);
    assert.ok(runs.every(({ experiment }) => experiment.measures.join() === 'invariance,readout,gdv,alignment'));
    assert.not.ok(planReproduction(scale).some(({ experiment }) => experiment.measures.includes('alignment')));
    const both = planReproduction(scale, ['representation', 'probes']).map(({ name }) => name);
    assert.is(new Set(both).size, 2 * runs.length);
  }
});

test.run();
