import { shapeName } from '../curves.js';
import { scalingTable } from '../exponents.js';
import { COUNTS_STEPS } from '../findings.js';
import { showEstimate, showNumber } from '../format.js';
import type { FindingRow } from '../results.js';
import { groupBy } from '../staircase.js';
import { compose, errorPoints, type Panel, tickedAxis } from './canvas.js';
import { seriesLegend } from './legend.js';
import { figure, type ResultsOf } from './spec.js';
import { seriesLooks } from './theme.js';

/** alpha, predicted and measured. */
export const scalingFigure = figure({
  name: 'scaling',
  title: 'Exponents of the excess loss, predicted and measured',
  chapter: 'onePass',
  results: ({ curves }) => ({ scaling: scalingTable(curves) }),
  sections: [
    {
      name: 'scaling',
      title: 'Exponents of the excess loss',
      findings: (r) =>
        r.scaling.flatMap((row) => {
          const where = `${row.series}, ${shapeName(row.shape)}`;
          const found: FindingRow[] = [];
          if (row.curve)
            found.push({
              quantity: 'alpha, slope of the curve',
              where,
              predicted: row.predicted,
              measured: row.curve,
              comment: 'not a test: predicted for many levels; with few levels the slope mixes steps and plateaus',
              verdict: '-',
            });
          if (row.steps)
            found.push({
              quantity: 'alpha, slope through the steps',
              where,
              predicted: row.predictedFinite,
              measured: row.steps,
              ...(row.online && r.data.length
                ? COUNTS_STEPS
                : {
                    comment:
                      'predicted for the steps of this depth, with P_ell from the law and one prefactor for all steps',
                  }),
            });
          return found;
        }),
    },
  ],
  caption: () => ({
    predicts:
      "crosses: alpha for many levels. Open symbols: the exponent at this depth, the slope through the middles of the grammars' exact steps at the predicted P_ell; a middle is half way in the logarithm of the loss above H(L).",
    measured: 'filled symbols: the slope through the middles of the measured steps, with 95% intervals over grammars.',
  }),
  table: ({ scaling }) => ({
    head: ['series', 'grammar', 'alpha for many levels', 'at this depth', 'measured'],
    rows: scaling
      .filter((r) => r.steps)
      .map((r) => [
        r.series,
        shapeName(r.shape),
        showNumber(r.predicted),
        showNumber(r.predictedFinite),
        showEstimate(r.steps!),
      ]),
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.scaling.filter((r) => r.online && r.steps && r.predicted !== undefined);
    if (!rows.length) return undefined;
    const looks = seriesLooks(analysis.kinds, canvas.theme);
    const { paper } = canvas.theme;
    const panels = groupBy(rows, (r) => `v=${r.shape.v} s=${r.shape.s} L=${r.shape.L}`).map((group): Panel => {
      const top = Math.max(...group.flatMap((r) => [r.predicted!, r.steps!.value, Math.min(r.steps!.high || 0, 3)]));
      const at = (value: number, r: (typeof rows)[0]) => [
        { x: r.shape.m, y: value, low: Number.NaN, high: Number.NaN, bound: 'none' as const },
      ];
      const x = tickedAxis(
        group.map((r) => r.shape.m),
        'm',
        'linear',
      );
      const [from, to] = x.domain as [number, number];
      return {
        title: `v=${group[0].shape.v} s=${group[0].shape.s} L=${group[0].shape.L}`,
        options: {
          x,
          y: { domain: [0, top * 1.15], label: 'alpha', labelArrow: 'none', grid: true, ticks: 5 },
          marks: group.flatMap((r) => {
            const look = looks.get(r.series)!;
            // Side by side, so that the series do not cover one another.
            const shift = ([...looks.keys()].indexOf(r.series) - (looks.size - 1) / 2) * 0.06 * (to - from);
            const moved = { ...r, shape: { ...r.shape, m: r.shape.m + shift } };
            return [
              ...errorPoints(at(r.predicted!, moved), { ...look, symbol: 'times' }, paper),
              ...(r.predictedFinite ? errorPoints(at(r.predictedFinite, moved), look, paper, true) : []),
              ...errorPoints(
                [
                  {
                    x: moved.shape.m,
                    y: r.steps!.value,
                    low: r.steps!.low,
                    high: r.steps!.high,
                    bound: r.steps!.bound,
                  },
                ],
                look,
                paper,
              ),
            ];
          }),
        },
      };
    });
    return compose(canvas, panels, panels.length, 240, seriesLegend(rows, looks), true);
  },
});

export type ScalingResults = ResultsOf<typeof scalingFigure>;
