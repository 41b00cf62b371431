import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { compare, judged } from '../../src/analysis/findings.js';
import { formatRecord } from '../../src/core/records.js';
import { streamKey } from '../../src/core/threefry.js';
import { createSampler } from '../../src/grammar/index.js';
import { exactLosses } from '../../src/theory/predictor.js';
import { lawPositions, syntheticRun, syntheticStudy } from '../support/syntheticRuns.js';

const test = suite('analyze');
const shape = { v: 8, n: 8, m: 3, s: 2, L: 3 };
const staircase = { positions: lawPositions(shape, 'hcnn', 60), width: 0.6 };
const run = (options: Partial<Parameters<typeof syntheticRun>[0]> = {}) =>
  syntheticRun({ shape, staircases: [staircase], ...options });
const quiet = { sample: null };
const says = (notes: readonly string[], pattern: RegExp) =>
  assert.ok(
    notes.some((n) => pattern.test(n)),
    `no note like ${pattern} in:\n${notes.join('\n')}`,
  );

test('a study made by the laws is found to follow them', async () => {
  const result = await analyze(syntheticStudy({ measures: true }), quiet);
  assert.is(result.curves.length, 2 * 3 * 4 * 2);
  const finding = (quantity: RegExp, where: RegExp) =>
    result.findings.find((f) => quantity.test(f.quantity) && where.test(f.where))!;
  for (const [ell, kind, predicted] of [
    [2, 'hcnn', 3],
    [3, 'hcnn', 4],
    [2, 'mla', 3],
    [3, 'mla', 5],
  ] as const) {
    const f = finding(new RegExp(`power of m in P_${ell}$`), new RegExp(`^${kind}$`));
    assert.is(f.predicted, predicted);
    assert.is(f.verdict, 'agrees', `${f.quantity} ${kind}: ${JSON.stringify(f.measured)}`);
  }
  assert.match(finding(/power of m in P_3$/, /^hcnn$/).comment, /the transformer law \(5\) is excluded/);
  const collapse = result.collapse.find((c) => c.series === 'mla' && c.ell === 3)!;
  assert.ok(collapse.score < 0.2 && collapse.byLaw.transformer < collapse.byLaw.cnn, JSON.stringify(collapse));
  const transition = result.invariance.find((i) => i.series === 'hcnn' && i.layer === 2 && i.level === 1)!;
  assert.ok(Math.abs(transition.overStep!.value - 1) < 0.1, JSON.stringify(transition.overStep));
  assert.ok(result.summary.length <= 5 && result.summary.every((line) => line.length < 300));
});

test("a curve's noise is the scatter of the exact predictor's loss on test sets of that size", async () => {
  const size = 4096; // evaluation.size of syntheticRun
  const { curves } = await analyze([run()], quiet);
  const [{ noise, rules }] = curves;
  const sampler = await createSampler(rules);
  const source = { mode: 'stream', key: streamKey(9, 'data'), size: 0n, first: 0, length: 0 } as const;
  const d = sampler.tokensPerSentence;
  const tokens = new Uint32Array(4000 * d);
  sampler.tokens(source, 0, 4000, tokens);
  const each = Array.from({ length: 4000 }, (_, i) => exactLosses(rules, tokens.subarray(i * d, (i + 1) * d), 1)[3]);
  const mean = each.reduce((a, b) => a + b, 0) / each.length;
  const deviation = Math.sqrt(each.reduce((a, b) => a + (b - mean) ** 2, 0) / each.length);
  const ratio = noise / (deviation / Math.sqrt(size));
  // One constant, 0.5 nats per sentence, for all grammars: 0.65 of it here. Half of it or twice would be wrong.
  assert.ok(ratio > 0.5 && ratio < 1.2, `${ratio}`);
});

test('no folder, and an unreadable one', async () => {
  await rejects(() => analyze([]), /no run folder was given/);
  await rejects(
    () => analyze([{ path: 'a', experiment: '{"modle": "hcnn"}' }]),
    /a\/experiment\.json: modle: no such field/,
  );
  await rejects(() => analyze([{ path: 'a', experiment: '{' }]), /a\/experiment\.json: not JSON/);
});

test('an unreadable folder beside a good one is left out and named', async () => {
  const result = await analyze([run(), { path: 'bad', experiment: 'x' }], quiet);
  assert.is(result.runs.length, 1);
  says(result.notes, /left out: bad\/experiment\.json/);
});

test('a run without records, and one without rules', async () => {
  const { path, experiment } = run();
  const result = await analyze([{ path, experiment }], quiet);
  assert.is(result.runs[0].status, 'empty');
  assert.is(result.curves.length, 0);
  says(result.notes, /no evaluation yet/);
  const { rules, ...without } = run();
  assert.equal(
    (await analyze([without], quiet)).curves[0].plateaus,
    (await analyze([{ ...without, rules }], quiet)).curves[0].plateaus,
  );
});

test('a run without an end record is used up to its last evaluation; a half-written line is repaired', async () => {
  const files = run({ end: 'none', steps: 500 });
  const result = await analyze([{ ...files, records: files.records!.slice(0, -20) }], quiet);
  assert.is(result.runs[0].status, 'unfinished');
  says(result.notes, /no end record/);
  says(result.notes, /incomplete/);
  assert.is(result.positions.find((p) => p.ell === 3)!.estimate.bound, 'lower');
});

test('a run stopped before the others took a step does not turn their mean into a bound', async () => {
  const files = [run({ path: 'whole' }), run({ path: 'begun', end: 'none', seed: 1, steps: 1000 })];
  const third = (await analyze(files, quiet)).positions.find((p) => p.ell === 3)!;
  assert.equal([third.estimate.bound, third.curves], ['none', 1]);
  const ended = [files[0], run({ path: 'short', seed: 1, steps: 1000 })]; // it ended there: a bound
  const bounded = (await analyze(ended, quiet)).positions.find((p) => p.ell === 3)!;
  assert.equal([bounded.estimate.bound, bounded.curves], ['lower', 2]);
});

test('a resumed run counts a repeated step once and forgets the first end', async () => {
  const files = run({ end: 'interrupted' });
  const twice = files.records! + files.records!.replaceAll('interrupted', 'done');
  const result = await analyze([{ ...files, records: twice }], quiet);
  assert.is(result.runs[0].status, 'done');
  assert.equal(result.curves[0].points, (await analyze([files], quiet)).curves[0].points);
});

test('a run that diverged keeps the steps it reached and is left out of the others', async () => {
  const late = { positions: [...staircase.positions.slice(0, 2), staircase.positions[2] + 6], width: 0.6 };
  const result = await analyze(
    [run({ path: 'good' }), run({ path: 'bad', end: 'diverged', staircases: [late], seed: 1 })],
    quiet,
  );
  says(result.notes, /bad: 1 of 1 replicas diverged/);
  assert.equal(
    result.positions.map((p) => [p.ell, p.curves]),
    [
      [1, 2],
      [2, 1],
      [3, 1],
    ],
  );
  assert.is(result.means[0].points.at(-1)!.curves, 1);
});

test('a single replica: no interval, which is reported', async () => {
  const result = await analyze([run()], quiet);
  assert.ok(result.positions.every((p) => Number.isNaN(p.estimate.low)));
  says(result.notes, /a single curve, so there is no interval/);
  const several = await analyze([run({ staircases: [staircase, staircase, staircase] })], quiet);
  says(several.notes, /one grammar; intervals cover replicas/);
});

test('mixed experiments are kept apart, copies counted once', async () => {
  const wide = run({ path: 'wide', overrides: { model: { kind: 'hcnn', width: 128 } } });
  const label = run({ path: 'class', overrides: { task: 'class' } });
  const result = await analyze([run(), { ...run(), path: 'copy' }, wide, label], quiet);
  assert.equal([...result.kinds.keys()].sort(), ['hcnn width=128', 'hcnn width=64', 'hcnn, class']);
  says(result.notes, /2 folders hold the same experiment/);
  says(result.notes, /mixed settings: 3 hcnn series/);
  says(result.notes, /other tasks appear only as learning curves/);
  assert.not.ok(result.positions.some((p) => p.series === 'hcnn, class'));
});

test('finite training sets of several sizes make one curve of the best losses', async () => {
  const sets = [1000, 8000, 64000].map((sentences, i) => {
    const files = run({ path: `P${sentences}`, overrides: { budget: { batch: 32, sentences, epochs: 10 } } });
    const losses = [1.9, 1.2 - 0.3 * i, 1.5]; // overtrained at the end
    const records = losses.map((loss, k) =>
      formatRecord({ type: 'eval', replica: 0, step: k + 1, samples: 32 * (k + 1), loss, accuracy: 0, elapsed_ms: 0 }),
    );
    return { ...files, records: records.join('') };
  });
  const { curves } = await analyze(sets, quiet);
  assert.is(curves.length, 1);
  assert.is(curves[0].series, 'hcnn in data');
  assert.equal(
    curves[0].points.map((p) => [p.samples, Number(p.loss.toFixed(6))]),
    [
      [1000, 1.2],
      [8000, 0.9],
      [64000, 0.6],
    ],
  );
});

test('correlations of sampled sentences approach the exact ones and stay above the noise floor', async () => {
  const { correlations } = await analyze([run()]);
  assert.is(correlations.length, 3);
  for (const row of correlations) {
    assert.equal(
      row.empirical.map((e) => e.samples),
      [1e3, 1e4, 1e5],
    );
    // Signal and noise add in squares; there are 64 entries per pair of positions, so the sum is known to some ten percent.
    for (const { rms, floor } of row.empirical) {
      const expected = Math.hypot(row.exact.value, floor);
      assert.ok(rms > 0.75 * expected && rms < 1.25 * expected, `level ${row.ell}: ${rms}, expected ${expected}`);
    }
  }
});

test('verdicts', () => {
  const e = (low: number, value: number, high: number, bound: 'none' | 'lower' | 'upper' = 'none') => ({
    low,
    value,
    high,
    bound,
    units: 4,
  });
  assert.is(compare(3, e(2, 3.5, 4)), 'agrees');
  assert.is(compare(5, e(2, 3.5, 4)), 'disagrees');
  const power = { quantity: 'power of m in P_3', where: 'hcnn', predicted: 4 };
  assert.is(judged({ ...power, measured: e(2, 3.5, 4) }).verdict, 'agrees');
  const wide = judged({ ...power, measured: e(-5.35, 3.34, 12) });
  assert.equal([wide.verdict, wide.comment], ['open', 'the interval is too wide to tell']);
  assert.is(judged({ ...power, predicted: 13, measured: e(-5.35, 3.34, 12) }).verdict, 'disagrees');
  assert.is(compare(5, e(2, 3.5, Infinity, 'lower')), 'open');
  assert.is(compare(1, e(2, 3.5, Infinity, 'lower')), 'disagrees');
  assert.is(compare(1, e(-Infinity, 3.5, 4, 'upper')), 'open');
  assert.is(compare(5, e(-Infinity, 3.5, 4, 'upper')), 'disagrees');
  assert.is(compare(3, e(Number.NaN, 3, Number.NaN)), 'no interval');
  assert.is(compare(undefined, e(2, 3, 4)), '-');
});

async function rejects(work: () => Promise<unknown>, pattern: RegExp) {
  try {
    await work();
  } catch (error) {
    assert.match((error as Error).message, pattern);
    return;
  }
  assert.unreachable(`nothing was thrown, expected ${pattern}`);
}

test.run();
