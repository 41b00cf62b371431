/** P_ell against batch size, on curves with a known dependence. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { batchExponents, batchTable } from '../../src/analysis/batch.js';
import type { Curve } from '../../src/analysis/curves.js';
import { sampleComplexity } from '../../src/theory/index.js';
import { syntheticCurve, syntheticStudy } from '../support/syntheticRuns.js';

const test = suite('batch sizes');
const shapeOf = (m: number) => ({ v: 8, n: 8, m, s: 2, L: 3 });

/** P_ell in sentences as a function of m, ell and batch; three grammars, a few percent apart. */
const curvesWith = (P: (m: number, ell: number, batch: number) => number, batches: number[], ms = [2, 3, 4]): Curve[] =>
  ms.flatMap((m) =>
    batches.flatMap((batch) =>
      [0.97, 1, 1.03].map((factor, g) =>
        syntheticCurve({
          shape: shapeOf(m),
          grammarSeed: 10 + g,
          batch,
          steps: Math.ceil(2 ** 20 / batch),
          staircase: { positions: [1, 2, 3].map((ell) => Math.log(factor * P(m, ell, batch))), width: 0.4 },
        }),
      ),
    ),
  );
const within = (a: number, b: number, tolerance: number, what: string) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, not ${b}`);
// Between evaluations, a factor 2^(1/4) apart, the loss is taken to be linear in ln P: a few percent of P.
const RESOLUTION = 0.05;

test('limited by steps: slope 1, and the least P is a bound, at the smallest batch size', () => {
  const rows = batchTable(curvesWith((m, ell, batch) => 40 * ell ** 2 * m ** 1.5 * batch, [16, 64]));
  assert.is(rows.length, 9);
  for (const row of rows) {
    within(row.slope!.value, 1, RESOLUTION, `m=${row.shape.m} ell=${row.ell}`);
    assert.equal(row.slopeBetween, [16, 64]);
    assert.equal([row.leastBatch, row.least!.bound], [16, 'upper']);
  }
});

test('limited by data: slope 0, and the planted exponents are found', () => {
  const law = (m: number, ell: number) => 20 * sampleComplexity(shapeOf(m), 'cnn', ell);
  // Unstable below 16; at 64 half of it is due to steps.
  const rows = batchTable(
    curvesWith((m, ell, batch) => law(m, ell) * (batch < 16 ? 3 : batch > 16 ? 1.1 : 1), [4, 16, 64]),
  );
  for (const row of rows) {
    within(row.slope!.value, Math.log(1.1) / Math.log(4), RESOLUTION, 'slope');
    assert.equal([row.leastBatch, row.least!.bound], [16, 'none']);
    within(row.least!.value / law(row.shape.m, row.ell), 1, RESOLUTION, 'least P');
  }
  const powers = batchExponents(rows);
  assert.equal(
    powers.map((p) => p.predicted),
    [1, 3, 4],
  );
  for (const { ell, estimate, predicted } of powers) {
    within(estimate.value, predicted!, 2 * RESOLUTION, `power of P_${ell}`);
    assert.ok(estimate.low < predicted! && predicted! < estimate.high, `interval of P_${ell}`);
  }
});

test('a batch size at which a grammar does not take the step is not the best one, but is shown', () => {
  const rows = batchTable(
    curvesWith((_, ell, batch) => (batch === 8 && ell === 3 ? 1e9 : 1000 * ell * Math.sqrt(batch)), [8, 32, 128], [3]),
  );
  const [, second, third] = rows;
  assert.is(second.leastBatch, 8);
  assert.is(third.leastBatch, 32);
  assert.equal(
    third.points.map((p) => p.estimate.bound),
    ['lower', 'none', 'none'],
  );
  within(third.slope!.value, 0.5, RESOLUTION, 'slope');
});

test('a batch size whose runs diverged was tried: the least P at the next one is not a bound', () => {
  const curves = curvesWith((m, ell, batch) => 40 * ell ** 2 * m * batch, [4, 16, 64], [3]).map((c) =>
    c.batch > 4
      ? c
      : { ...c, status: 'diverged' as const, points: c.points.map((p, i) => (i < 3 ? p : { ...p, loss: Number.NaN })) },
  );
  for (const row of batchTable(curves)) assert.equal([row.leastBatch, row.least!.bound], [16, 'none']);
});

test('in a whole analysis: series apart by batch size, compared with theory, no ratio of a model to itself', async () => {
  const analysis = await analyze(syntheticStudy({ grammars: 2, batches: [128], steps: 2 ** 15 }), { sample: null });
  assert.equal([...analysis.kinds.keys()], ['hcnn batch=128', 'hcnn batch=32', 'mla']);
  assert.ok(analysis.ratios.length > 0);
  for (const { numerator } of analysis.ratios) assert.is(numerator, 'mla');
  const slopes = analysis.findings.filter((f) => f.section === 'batch' && f.quantity.startsWith('slope'));
  assert.ok(slopes.length >= 6);
  for (const f of slopes) assert.match(f.comment, /^limited by steps.*; least P_\d ≤ .* at batch 32$/);
  assert.ok(analysis.findings.some((f) => f.quantity === 'power of m in the least P_2 over batch sizes'));
  assert.ok(analysis.summary.length <= 5);
  // The best batch size is the smallest one tried for every m, so the power is unknown.
  assert.not.match(analysis.summary.join('\n'), /best batch size/);
  assert.not.match(analysis.summary.join('\n'), /for hcnn batch=32/);
  // One batch size: nothing to report.
  const single = await analyze(syntheticStudy({ grammars: 2, steps: 2 ** 15 }), { sample: null });
  assert.equal([single.batches, single.findings.filter((f) => f.section === 'batch')], [[], []]);
});

test.run();
