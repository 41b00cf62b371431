import { parseHTML } from 'linkedom';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { modelLook, pageTheme } from '../../src/analysis/figures/theme.js';
import { logTicks } from '../../src/analysis/figures/ticks.js';
import { makeRules } from '../../src/core/rules.js';
import { lossPlateaus, sampleComplexities } from '../../src/theory/index.js';
import { drawCurves, lossRange } from '../../src/web/figures/curves.js';

const test = suite('learning curves on the page');
const global = globalThis as { document?: unknown; Node?: unknown };
test.before(() => {
  const { document, Node } = parseHTML('<html><body></body></html>');
  Object.assign(global, { document, Node });
});
test.after(() => {
  delete global.document;
  delete global.Node;
});

const losses = [[], [2.3, 1.1, 0.4, 1e-3], [Number.NaN, 0, 1e-12], [1e9, Number.POSITIVE_INFINITY]];

/** Every attribute is a number that can be drawn, and both axes have ticks. */
function draw(H: readonly number[], P: number[], drawn: readonly number[]): void {
  const replicas = [drawn.map((loss, i) => ({ samples: 10 * 2 ** i, loss }))];
  const data = {
    curves: [{ look: modelLook('hcnn', pageTheme), short: 'hcnn', family: 'cnn' as const, replicas, seed: 0 }],
    H,
    P: { cnn: P, transformer: P },
    samples: [8, 4096] as const,
  };
  const { figure, axes } = drawCurves(data, { width: 600, height: 400, theme: pageTheme });
  const text = String(figure);
  assert.not.match(text, /NaN|Infinity/, `H ${H}, losses ${drawn}`);
  for (const value of H) assert.ok(axes.y(value) >= axes.top && axes.y(value) <= axes.bottom);
  const range = lossRange(
    H,
    drawn.filter((x) => x > 0),
  );
  assert.ok(range[0] > 0 && range[1] > range[0], `H ${H}: ${range}`);
}

test('grammars of every kind, with floors of zero, one root symbol and one rule a symbol', () => {
  let zeroFloors = 0;
  for (const n of [1, 2, 5])
    for (const m of [1, 2, 3])
      for (const L of [1, 2, 3])
        for (let seed = 0; seed < 6; seed++) {
          const shape = { v: 5, n, m, s: 2, L };
          const { H } = lossPlateaus(makeRules(shape, seed));
          zeroFloors += Number(H[H.length - 1] < 1e-9);
          for (const drawn of losses) draw(H, sampleComplexities(shape, 'cnn'), drawn);
        }
  assert.ok(zeroFloors >= 10, `${zeroFloors} floors of zero`);
});

test('before the theory is known, and where nothing is above zero', () => {
  for (const H of [[], [0], [0, 0, 0], [1e-17, -1e-17]]) for (const drawn of losses) draw(H, [], drawn);
});

test('no ticks where an axis has no positive ends', () => {
  for (const domain of [
    [0, 1],
    [-1, 1],
    [1, Number.POSITIVE_INFINITY],
    [Number.NaN, 1],
    [2, 1],
    [0, 0],
  ] as const)
    assert.equal(logTicks(domain), []);
  assert.equal(logTicks([0.9, 1100]), [1, 10, 100, 1000]);
});

test.run();
