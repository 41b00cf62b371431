import { complexityScale } from '../../theory/index.js';
import { density, shapeName } from '../curves.js';
import { overSizes, predictedPower } from '../exponents.js';
import { COUNTS_STEPS, otherLaw } from '../findings.js';
import { round, showNumber, showPower } from '../format.js';
import type { Base, FindingRow } from '../results.js';
import { groupBy } from '../staircase.js';
import { compose, type ErrorPoint, type Panel } from './canvas.js';
import { seriesLegend } from './legend.js';
import { powerPanel } from './powerPanel.js';
import { figure } from './spec.js';
import { seriesLooks } from './theme.js';

/** P_ell of one pass against m. */
export const positionsFigure = figure({
  name: 'positions',
  title: 'One pass over fresh sentences: where each step is learnt',
  chapter: 'onePass',
  sections: [
    {
      name: 'exponent',
      title: 'One pass: how the steps grow with m',
      findings: (r) =>
        r.exponents
          .filter((row) => row.online)
          .map((row) => {
            const kind = r.kinds.get(row.series)!;
            return {
              quantity: `power of m in P_${row.ell}${overSizes(row)}`,
              where: row.series,
              predicted: row.predicted,
              measured: row.estimate,
              ...(r.data.some((d) => d.kind === kind)
                ? COUNTS_STEPS
                : { comment: otherLaw(kind, row.ell, row.estimate) }),
            };
          }),
    },
    {
      name: 'position',
      title: 'P_ell, predicted up to a constant factor',
      findings: (r) => r.positions.map((row) => positionFinding(r, row)),
    },
  ],
  caption: () => ({
    predicts:
      'lines have the slopes of the laws, which count data: m^(ell+1) for a CNN (m for ell = 1), m^(2 ell - 1) for the others; their heights are fitted. In one pass the number of steps limits too: at a given batch size and learning rate, P_ell is at least the batch size times the number of steps that gradient descent needs in any case, so it grows more slowly with m.',
    measured:
      'the P, in sentences seen, at which the test loss is half way down the step, in the logarithm of the loss above H(L), with 95% intervals over grammars; arrows: runs that ended before the step. At the last step, n replaces v and n m / v^s replaces f.',
  }),
  table: ({ exponents, positions }) => ({
    head: ['series', 'step', 'law: power of m', 'measured', 'beyond a tenth of the language at'],
    rows: exponents
      .filter((e) => e.online)
      .map((e) => [
        e.series,
        `P_${e.ell}${overSizes(e)}`,
        e.predicted === undefined ? '-' : `m^${e.predicted}`,
        showPower(e.estimate),
        positions
          .filter((p) => p.beyond && p.series === e.series && p.ell === e.ell)
          .map((p) => shapeName(p.shape))
          .join('; ') || '-',
      ]),
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.positions.filter((p) => p.online && density(p.shape) < 1);
    if (!rows.length) return undefined;
    const looks = seriesLooks(analysis.kinds, canvas.theme);
    const scaled = (r: (typeof rows)[0], P: number) => P / complexityScale(r.shape, r.ell);
    const panels = groupBy(rows, (r) => String(r.ell)).map((group): Panel => {
      const points = groupBy(group, (r) => r.series).map((own) => ({
        look: looks.get(own[0].series)!,
        power: predictedPower(analysis.kinds.get(own[0].series)!, own[0].ell),
        points: own.map(
          (r): ErrorPoint => ({
            x: r.shape.m,
            y: scaled(r, r.estimate.value),
            low: scaled(r, r.estimate.low),
            high: scaled(r, r.estimate.high),
            bound: r.estimate.bound,
          }),
        ),
      }));
      return powerPanel(`step ${group[0].ell}`, `P_${group[0].ell} (1-f) / v`, points, canvas);
    });
    return compose(canvas, panels, Math.min(4, panels.length), 250, seriesLegend(rows, looks), true);
  },
});

function positionFinding(r: Base, row: Base['positions'][0]): FindingRow {
  const law = row.predicted;
  const prefactor = law ? `prefactor ${round(row.estimate.value / law)}` : '';
  const batches = [
    ...new Set(
      r.curves
        .filter((c) => c.series === row.series && shapeName(c.shape) === shapeName(row.shape) && c.online)
        .map((c) => c.batch),
    ),
  ];
  const steps =
    row.online && batches.length === 1 ? `; ${showNumber(row.estimate.value / batches[0])} steps of ${batches[0]}` : '';
  const missing = row.reached < row.curves ? `; reached by ${row.reached} of ${row.curves} runs` : '';
  const beyond = row.online && row.beyond ? '; more than a tenth of the language' : '';
  const comment = `${prefactor}${steps}${missing}${beyond}`.replace(/^; /, '');
  return {
    quantity: `P_${row.ell}`,
    where: `${row.series}, ${shapeName(row.shape)}`,
    predicted: law,
    measured: row.estimate,
    comment: comment || ' ',
    verdict: '-',
  };
}
