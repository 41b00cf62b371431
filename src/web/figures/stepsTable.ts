/** The staircase in numbers: the value of each level, when theory expects it to be learnt, and when it was. */
import { showNumber } from '../../analysis/format.js';
import { crossing, stepThreshold } from '../../analysis/staircase.js';
import { h } from '../dom.js';
import { type CurvesData, finite, prefactor, shownCurve, shownName } from './curves.js';

export function stepsTable({ curves, H, P }: CurvesData, s: number): HTMLElement {
  if (!H.length || !P) return h('p', { class: 'status' }, 'Computing the exact staircase ...');
  const columns = curves.map((curve) => {
    const points = finite(shownCurve(curve)).map((p) => ({ ...p, accuracy: Number.NaN }));
    const law = curve.family && P[curve.family];
    const factor = law && prefactor(curve, H, law);
    return { curve, points, law, factor };
  });
  const rows = H.slice(1).map((plateau, i) => {
    const ell = i + 1;
    const cells = columns.flatMap(({ points, law, factor }) => {
      const expected = !law ? '-' : factor === undefined ? `∝ ${showNumber(law[i])}` : showNumber(factor * law[i]);
      const found = points.length ? crossing(points, stepThreshold(H, ell)) : undefined;
      const seen = found
        ? `${{ none: '', lower: '> ', upper: '< ', unknown: '' }[found.bound]}${showNumber(Math.exp(found.logSamples))}`
        : '';
      return [h('td', {}, expected), h('td', { class: found?.bound === 'none' ? 'seen' : '' }, seen)];
    });
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, String(ell)),
      h('td', { class: 'context' }, String(s ** ell - 1)),
      h('td', { class: 'losses' }, `${H[ell - 1].toFixed(3)} → ${plateau.toFixed(3)}`),
      ...cells,
    );
  });
  const head = (text: string, attributes = {}) => h('th', { scope: 'col', ...attributes }, text);
  return h(
    'table',
    { class: 'steps' },
    h(
      'caption',
      {},
      'Number of sentences at which the loss is half way down each step, in the logarithm of the loss above H(L); the factor in front of the theory is taken from the first step',
    ),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        head('level ℓ', { rowspan: 2 }),
        head('tokens of context', { rowspan: 2, class: 'context' }),
        head('loss, nats', { rowspan: 2 }),
        ...columns.map(({ curve }) => h('th', { scope: 'colgroup', colspan: 2 }, shownName(curve))),
      ),
      h('tr', {}, ...columns.flatMap(() => [head('theory'), head('measured')])),
    ),
    h('tbody', {}, ...rows),
  );
}
