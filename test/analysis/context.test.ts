import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import { exactPlateaus } from '../../src/analysis/curves.js';
import type { Analysis } from '../../src/analysis/results.js';
import { sampleComplexity } from '../../src/theory/index.js';
import { syntheticContextStudy } from '../support/syntheticNeighbours.js';

const test = suite('context windows');
const shape = { v: 8, n: 8, m: 2, s: 2, L: 4 };

let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(syntheticContextStudy({ scatter: 0.05 }), { sample: null, cluster: null });
});

test('planted windows: P_ell at its place, and the whole fall after it', () => {
  assert.equal(
    analysis.contexts.map((r) => r.ell),
    [1, 2, 3],
  );
  for (const { ell, tokens, P, used, law, kind } of analysis.contexts) {
    assert.is(kind, 'clm');
    assert.is(tokens, 2 ** ell - 1);
    assert.is(law, sampleComplexity(shape, 'transformer', ell));
    assert.ok(Math.abs(P.value / (4 * law!) - 1) < 0.2, `P_${ell} = ${P.value}, planted ${4 * law!}`);
    assert.ok(Math.abs(used!.value - 1) < 1e-9, `window ${ell}: ${used!.value}`);
  }
});

test('the envelope has the slope of the planted steps, and predicts that of many levels', () => {
  const [row] = analysis.envelopes;
  assert.is(analysis.envelopes.length, 1);
  assert.equal(row.ells, [1, 2, 3]);
  assert.is(row.predicted, 1); // ln 4 / (2 ln 2)
  assert.ok(Math.abs(row.alpha.value - row.predictedFinite!) < 0.06, `${row.alpha.value} ${row.predictedFinite}`);
  assert.ok(row.alpha.low < row.predictedFinite! && row.alpha.high > row.predictedFinite!);
  const finding = analysis.findings.find((f) => f.quantity.startsWith('alpha of the envelope'))!;
  assert.is(finding.verdict, 'agrees');
});

test('a curve that stays above its exact loss is reported, with its interval', async () => {
  const short = await analyze(
    syntheticContextStudy().map((files) => ({
      ...files,
      // Every test loss is too high by a fortieth of the whole fall.
      records: files.records!.replace(/"type":"test"[^\n]*/, (line) => {
        const rules = JSON.parse(files.rules!);
        const [first] = exactPlateaus(rules);
        const ell = Math.log2(JSON.parse(files.experiment).task.context);
        const fall = first - exactPlateaus(rules)[ell];
        return line.replace(/"loss":([\d.]+)/, (_, loss) => `"loss":${Number(loss) + fall / 40}`);
      }),
    })),
    { sample: null, cluster: null },
  );
  assert.equal(
    short.notes.filter((note) => note.startsWith('left out')),
    [],
  );
  for (const { used } of short.contexts) assert.ok(Math.abs(used!.value - 0.975) < 1e-6, String(used!.value));
  const verdicts = short.findings.filter((f) => f.quantity.startsWith('fraction of the fall')).map((f) => f.verdict);
  assert.equal([...new Set(verdicts)], ['disagrees']);
});

test('windows are not part of the figures of the paper, and lead the summary if they are alone', () => {
  assert.equal(analysis.curves, []);
  assert.equal(analysis.positions, []);
  assert.is(analysis.studies.context.length, 9);
  assert.match(analysis.summary[0], /^With a window of 2, 4, 8 tokens .* reaches at least 100% of the fall/);
  assert.match(analysis.summary[1], /^The envelope over the windows falls like P\^-alpha with alpha = 0\.\d+ \[/);
});

test.run();
