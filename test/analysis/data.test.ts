import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import type { ClusterCurve } from '../../src/analysis/cluster.js';
import type { Analysis } from '../../src/analysis/results.js';
import { parseStored, storedText } from '../../src/analysis/stored.js';
import { withStored } from '../../src/analysis/summary.js';
import type { Rules } from '../../src/core/rules.js';
import { sampleComplexity } from '../../src/theory/index.js';
import { lawPositions, syntheticDataRuns, syntheticDataStudy, syntheticStudy } from '../support/syntheticRuns.js';

const test = suite('curves in data');

/** A learner of correlations with P at 1/2 growing like m^power. */
const learner =
  (power: number) =>
  async (rules: Rules): Promise<ClusterCurve[]> =>
    [2, 3].flatMap((level) =>
      (['pooled', 'raw'] as const).map((form) => {
        const value = (100 * rules.m ** (power + level - 2)) / (1 - rules.m / rules.v);
        const half = { value, low: value, high: value, bound: 'none' as const };
        return { level, form, classes: 8, ceiling: 1, points: [], half };
      }),
    );

let both: Analysis;
test.before(async () => {
  const runs = [...syntheticStudy({ hlcn: true, grammars: 3, measures: true }), ...syntheticDataStudy()];
  both = await analyze(runs, { sample: null, cluster: learner(3) });
});

test('planted laws are found in data, beside one pass and the learner of correlations', () => {
  for (const [kind, ell, law] of [
    ['hcnn', 2, 3],
    ['hcnn', 3, 4],
    ['hlcn', 3, 5],
    ['mla', 2, 3],
    ['mla', 3, 5],
  ] as const) {
    const row = both.dataPowers.find((p) => p.kind === kind && p.ell === ell)!;
    assert.is(row.law, law);
    assert.ok(row.data.low <= law && row.data.high >= law, `${kind} P_${ell}: ${JSON.stringify(row.data)}`);
    const same = ell === 2 ? 3 : 4; // the learner's power
    assert.is(row.verdict, same === law ? 'both' : 'law', `${kind} P_${ell}`);
    assert.ok(Math.abs(row.learner!.value - same) < 1e-9);
    assert.ok(row.pass);
  }
  for (const row of both.data.filter((r) => r.ell === 2)) {
    assert.ok(Math.abs(row.factor!.value / 4 - 1) < 0.25, `${row.kind}: ${JSON.stringify(row.factor)}`);
    assert.is(row.law, sampleComplexity(row.shape, row.kind === 'hcnn' ? 'cnn' : 'transformer', 2));
  }
});

test('networks are compared under one protocol, and one pass is no test of a law if there are curves in data', () => {
  for (const { numerator, denominator, online } of both.ratios) {
    assert.is(numerator.endsWith(' in data'), !online);
    assert.is(denominator, online ? 'hcnn' : 'hcnn in data');
  }
  const verdicts = (section: string) => both.findings.filter((f) => f.section === section).map((f) => f.verdict);
  assert.equal([...new Set(verdicts('exponent'))], ['-']);
  assert.ok(verdicts('data').includes('agrees'));
  const ratio = both.ratioExponents.find((e) => !e.online && e.series.startsWith('mla') && e.ell === 3)!;
  assert.ok(ratio.estimate.low < 1 && ratio.estimate.high > 1);
});

test('level against level at fixed m: the powers of the laws, from the loss and from invariance', () => {
  for (const from of ['loss', 'invariance'] as const)
    for (const [kind, power] of [
      ['hcnn', 1],
      ['mla', 2],
    ] as const) {
      const rows = both.levels.filter((r) => r.kind === kind && r.from === from && r.ell === 2 && r.shape.m > 2);
      assert.ok(rows.length, `${kind} ${from}`);
      for (const { predicted, estimate } of rows) {
        assert.is(predicted, power);
        if (estimate.bound === 'none') assert.ok(Math.abs(estimate.value - power) < 0.35, JSON.stringify(estimate));
      }
    }
});

test('the summary: at most five sentences, with the networks’ names, and the same with stored results', () => {
  assert.ok(both.summary.length >= 3 && both.summary.length <= 5);
  assert.match(both.summary[0], /^Counted in distinct sentences.* hierarchical CNN \(hcnn\) follows its law in P_/);
  assert.match(both.summary[1], /transformer \(mla\)/);
  const stored = parseStored(storedText(both, 'a card, a day', 'a command'));
  assert.is(stored.data.length, both.data.length);
  const bound = both.data.find((r) => r.data.bound === 'lower');
  if (bound) assert.is(stored.data.find((r) => r.data.bound === 'lower')!.data.high, Infinity);
  const small = withStored(both, stored);
  assert.is(small.summary.length, 5);
  assert.match(small.summary[3], /^At the paper's scale \(stored: a card, a day\): Counted/);
  assert.is(withStored(both, { ...stored, summary: [] }), both);
});

test('points limited by steps are bounds, never values, and are reported', async () => {
  const shape = { v: 8, n: 8, m: 3, s: 2, L: 3 };
  const staircase = { positions: lawPositions(shape, 'hcnn', 4), width: 0.6 };
  const P_3 = Math.exp(staircase.positions[2]);
  const quiet = { sample: null, cluster: null };
  const sizes = Array.from({ length: 40 }, (_, i) => Math.round(64 * 2 ** (i / 4)));
  const analysis = await analyze(
    syntheticDataRuns({ shape, staircase, sizes, bestAt: (P) => (P > P_3 / 1.5 ? 0.9 : 0.3) }),
    quiet,
  );
  const at = (a: Analysis, ell: number) => a.positions.find((p) => p.ell === ell)!.estimate;
  assert.is(at(analysis, 2).bound, 'none');
  assert.is(at(analysis, 3).bound, 'upper');
  assert.ok(at(analysis, 3).value >= P_3 * 0.9, `${at(analysis, 3).value}, planted ${P_3}`);
  const free = await analyze(syntheticDataRuns({ shape, staircase, sizes }), quiet);
  assert.is(at(free, 3).bound, 'none');
  const off = Math.log(at(free, 3).value / P_3);
  assert.ok(Math.abs(off) < 0.2, `off by a factor ${Math.exp(off)}`);
  const rows = ({ tables }: Analysis) => tables.find(({ name }) => name === 'curvePositions')!.rows;
  const known = rows(free).filter(({ ell }) => ell === 3);
  assert.is(known.length, free.curves.length);
  for (const { P, low, high, bound, counts } of known as Record<string, number>[]) {
    assert.equal([bound, counts], ['none', 'in data']);
    assert.ok(low < P && P < high && high < 2 * low, `${P} [${low}, ${high}]`);
  }
  const mean = known.reduce((sum, { P }) => sum + Math.log(P as number), 0) / known.length;
  assert.ok(Math.abs(mean - Math.log(at(free, 3).value)) < 1e-9);
  for (const { bound, high, P } of rows(analysis).filter(({ ell }) => ell === 3))
    assert.equal([bound, high], ['upper', P]);
  const short = await analyze(syntheticDataRuns({ shape, staircase, sizes: [32, 64, 128, 256] }), quiet);
  assert.is(at(short, 3).bound, 'lower');
});

test('losses are relative to the exact predictor’s on the same test sentences', () => {
  const curve = both.curves.find((c) => !c.online)!;
  for (const { loss, excess } of curve.points)
    assert.ok(Math.abs(loss - curve.plateaus!.at(-1)! - 0.01 - excess!) < 1e-9);
});

test('control: the same curve with another rate is compared grammar by grammar', async () => {
  const shape = { v: 8, n: 8, m: 3, s: 2, L: 3 };
  const staircase = { positions: lawPositions(shape, 'hcnn', 4), width: 0.6 };
  const moved = { ...staircase, positions: staircase.positions.map((x) => x + Math.log(1.5)) };
  const grammars = [1, 2, 3];
  const sizes = Array.from({ length: 40 }, (_, i) => Math.round(64 * 2 ** (i / 4)));
  const base = grammars.flatMap((grammarSeed) =>
    syntheticDataRuns({ shape, staircase, sizes, grammarSeed, path: `b${grammarSeed}` }),
  );
  const control = grammars.flatMap((grammarSeed) =>
    syntheticDataRuns({
      shape,
      staircase: moved,
      sizes,
      grammarSeed,
      path: `c${grammarSeed}`,
      overrides: { optimiser: { kind: 'sgd', rate: 0.5 } },
    }),
  );
  const found = await analyze(base, { sample: null, cluster: null, control });
  assert.ok(found.control.length >= 2);
  for (const { change, ratio, kind } of found.control) {
    assert.equal([kind, change], ['hcnn', 'rate 0.5']);
    assert.ok(Math.abs(ratio.value - 1.5) < 0.15, JSON.stringify(ratio));
  }
});

test('one pass that sees more than a tenth of its language is reported once, and marked', async () => {
  const files = syntheticStudy({ ms: [2], grammars: 2 });
  const { notes, positions } = await analyze(files, { sample: null });
  const said = notes.filter((note) => /one pass drew up to .* sentences from a language of 1024/.test(note));
  assert.is(said.length, 2, 'once for each network'); // 8 * 2^7 sentences
  assert.ok(positions.some((p) => p.beyond));
});

test.run();
