import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import type { Analysis } from '../../src/analysis/results.js';
import { syntheticClassStudy } from '../support/syntheticNeighbours.js';

const test = suite('classification in data');
const quiet = { sample: null, cluster: null };

let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(syntheticClassStudy(), quiet);
});

test('planted P*: where the error is a tenth, over n m^L', () => {
  assert.is(analysis.classes.length, 6);
  for (const { network, law, shape, factor } of analysis.classes) {
    assert.is(law, shape.n * shape.m ** 3);
    const planted = network === 'hcnn' ? 2 : 10;
    assert.ok(factor.low < planted && factor.high > planted, `${network} ${shape.v}: ${JSON.stringify(factor)}`);
    assert.ok(Math.abs(factor.value / planted - 1) < 0.2, `${network} ${shape.v}: ${factor.value}`);
  }
});

test('the power of n m^L is that of the plan, and is judged for the network of the law alone', async () => {
  const finding = (a: Analysis, network: string) =>
    a.findings.find((f) => f.section === 'classes' && f.where.startsWith(network))!;
  const cnn = finding(analysis, 'hcnn');
  assert.is(cnn.verdict, 'agrees');
  assert.ok(Math.abs(cnn.measured.value - 1) < 0.1, String(cnn.measured.value));
  assert.is(finding(analysis, 'fcn, standard').verdict, '-');
  const slow = await analyze(syntheticClassStudy({ power: 1.5, prefactor: 0.1, scatter: 0.02 }), quiet);
  assert.is(finding(slow, 'hcnn').verdict, 'disagrees');
  assert.ok(Math.abs(finding(slow, 'hcnn').measured.value - 1.5) < 0.1);
});

test('curves that end above a tenth are bounds', async () => {
  const short = await analyze(syntheticClassStudy({ prefactor: 1e4 }), quiet);
  for (const { P } of short.classes) assert.is(P.bound, 'lower');
  assert.is(short.classPowers.find((p) => p.network === 'hcnn')!.power.bound, 'unknown');
});

test('the summary gives what the others need, in units of the CNN', () => {
  assert.equal(analysis.curves, []);
  assert.match(
    analysis.summary[0],
    /^To predict the root symbol, the hierarchical CNN needs P\* = .* times n m\^L .* in units of this P\* the others need fcn, standard [456]/,
  );
});

test.run();
