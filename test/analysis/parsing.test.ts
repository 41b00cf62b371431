import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { figures } from '../../src/analysis/figures/index.js';
import type { Analysis } from '../../src/analysis/results.js';
import { planReproduction } from '../../src/sweep/reproduce.js';
import { halves, rates, syntheticParseStudy } from '../support/syntheticParse.js';

const test = suite('analysis of parsing');
let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(syntheticParseStudy(), { sample: null, cluster: null });
});

const put = { labels: halves.parsed, logic: halves.logic, decoded: halves['parsed-consistent'], both: halves.both };

test('each way parses half of the sentences at the planted P, relative to that of labels alone', () => {
  assert.is(analysis.parsing.length, 2 * 4);
  for (const row of analysis.parsing) {
    assert.is(row.rate, rates[Number(row.way === 'logic' || row.way === 'both')], 'its best rate');
    // The second grammar needs twice as many sentences; lines are straight between the sizes.
    assert.ok(Math.abs(Math.log(row.half.value / (put[row.way] * Math.SQRT2))) < 1e-6, `${row.way}: ${row.half.value}`);
    if (row.way === 'labels') assert.is(row.ratio, undefined);
    else assert.ok(Math.abs(Math.log(row.ratio!.value / (put[row.way] / put.labels))) < 1e-6);
    const last = (P: number) => Math.min(1, 0.5 + Math.log(2048 / P) / 4);
    assert.ok(Math.abs(row.last - (last(put[row.way]) + last(2 * put[row.way])) / 2) < 1e-9);
  }
});

test('the sentence says how much logic and decoding add, and in how many runs', () => {
  const { measured } = figures.find(({ name }) => name === 'parse')!.caption(analysis);
  const gains = (way: 'logic' | 'decoded') =>
    [1, 2].flatMap((g) =>
      Array.from({ length: 9 }, (_, i) => {
        const right = (P: number) => Math.min(1, Math.max(0, 0.5 + Math.log((8 * 2 ** i) / (g * P)) / 4));
        return right(put[way]) - right(put.labels);
      }),
    );
  const text = (all: number[]) =>
    `\\+${((100 * all.reduce((a, b) => a + b)) / all.length).toFixed(1)} \\(higher in ${all.filter((x) => x > 0).length} of 18\\)`;
  assert.match(
    measured,
    new RegExp(`hierarchical CNN: logic ${text(gains('logic'))}, decoding ${text(gains('decoded'))}`),
  );
  assert.ok(analysis.summary.some((sentence) => sentence.includes('parsed completely right')));
});

test('they are not curves of the other figures, and every point is in the table', () => {
  assert.is(analysis.curves.length, 0);
  const { rows } = analysis.tables.find(({ name }) => name === 'parse')!;
  assert.is(rows.length, 2 * 2 * 4 * 9);
});

test('runs of the figure: the same with and without logic, only when it is named', () => {
  for (const scale of ['quick', 'paper'] as const) {
    const runs = planReproduction(scale, ['parse']);
    assert.equal([...new Set(runs.map(({ experiment }) => experiment.model.kind))], ['mla', 'hlcn', 'hcnn']);
    assert.is(new Set(runs.map(({ name }) => name)).size, runs.length);
    const plain = (logic: boolean) =>
      runs
        .filter(({ experiment }) => (experiment.task.logic !== undefined) === logic)
        .map(({ experiment }) => ({ ...experiment, task: 'parse' }));
    assert.equal(plain(true), plain(false));
    assert.not.ok(planReproduction(scale).some(({ experiment }) => experiment.task.kind === 'parse'));
  }
});

test.run();
