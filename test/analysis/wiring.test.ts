import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { analyze } from '../../src/analysis/analyze.js';
import type { Analysis } from '../../src/analysis/results.js';
import { syntheticWiringStudy } from '../support/syntheticNeighbours.js';

const test = suite('networks wired along trees, in data');
const quiet = { sample: null, cluster: null };

let analysis: Analysis;
test.before(async () => {
  analysis = await analyze(syntheticWiringStudy(), quiet);
});
const row = (a: Analysis, network: string, ell: number) =>
  a.wiring.find((r) => r.network === network && r.ell === ell)!;

test('planted factors over the CNN along the true tree, grammar by grammar', () => {
  assert.equal(
    [...new Set(analysis.wiring.map((r) => r.network))],
    ['hcnn, true tree', 'hcnn, found tree', 'hcnn, as shown', 'mla, as shown'],
  );
  for (const ell of [2, 3]) {
    assert.is(row(analysis, 'hcnn, true tree', ell).ratio, undefined);
    for (const [network, planted] of [
      ['hcnn, found tree', 1],
      ['hcnn, as shown', 4],
      ['mla, as shown', 2],
    ] as const) {
      const { value, units } = row(analysis, network, ell).ratio!;
      assert.ok(Math.abs(value / planted - 1) < 0.15, `${network} ${ell}: ${value}`);
      assert.is(units, 3);
    }
  }
});

test('the found tree is judged, the others are not', async () => {
  const verdict = (a: Analysis, where: string) =>
    a.findings.find((f) => f.section === 'wiring' && f.where.startsWith(where) && f.quantity.startsWith('P_3'))!
      .verdict;
  assert.equal([verdict(analysis, 'hcnn, found'), verdict(analysis, 'mla')], ['agrees', '-']);
  const off = await analyze(syntheticWiringStudy({ found: 3, scatter: 0.02 }), quiet);
  assert.is(verdict(off, 'hcnn, found'), 'disagrees');
});

test('curves of shuffled positions are in their own figure alone', () => {
  assert.equal(analysis.curves, []);
  assert.is(analysis.studies.wiring.length, 12);
  assert.match(
    analysis.summary[0],
    /^Positions in an unknown order, P_3 over that of the CNN along the true tree: hcnn, found tree /,
  );
});

test.run();
