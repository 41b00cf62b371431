import { shapeName } from '../curves.js';
import { overSizes, predictedPower, type RatioRow, ratioExponents, ratioTable } from '../exponents.js';
import { COUNTS_STEPS } from '../findings.js';
import { showEstimate, showPower } from '../format.js';
import type { Base } from '../results.js';
import { groupBy } from '../staircase.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, type ErrorPoint, type Panel } from './canvas.js';
import { powerPanel } from './powerPanel.js';
import { figure } from './spec.js';
import { type Look, modelLook, seriesLooks, type Theme } from './theme.js';

/** Ratios of P_ell between models. */
export const ratiosFigure = figure({
  name: 'ratios',
  title: 'Sentences in units of those of the CNN',
  chapter: 'inData',
  results({ positions, kinds }) {
    const ratios = ratioTable(positions, kinds);
    return { ratios, ratioExponents: ratioExponents(ratios, kinds) };
  },
  tables: (all) => [
    {
      name: 'ratios',
      about: 'P_ell of a series over that of the CNN',
      rows: all.ratios.map((r) => ({
        numerator: r.numerator,
        denominator: r.denominator,
        ...shapeColumns(r.shape),
        ell: r.ell,
        predicted: r.predicted ?? null,
        ...estimateColumns(r.estimate),
        paired: String(r.paired),
      })),
    },
  ],
  sections: [
    {
      name: 'ratio',
      title: 'Models against each other',
      findings: (r) => [
        ...r.ratios.map((row) => ({
          quantity: `P_${row.ell}(${row.numerator}) / P_${row.ell}(${row.denominator})`,
          where: shapeName(row.shape),
          predicted: row.predicted,
          measured: row.estimate,
          comment: 'predicted up to a factor that does not depend on m',
          verdict: '-' as const,
        })),
        ...r.ratioExponents.map((row) => ({
          quantity: `power of m in the ratio of P_${row.ell}${overSizes(row)}`,
          where: row.series,
          predicted: row.predicted,
          measured: row.estimate,
          ...(row.online && r.data.length ? COUNTS_STEPS : {}),
        })),
      ],
    },
  ],
  caption: (analysis) => ({
    predicts:
      'without weight sharing every block is learnt separately: P_ell over that of the CNN grows like m^(ell-2), so like m for ell = 3 and not at all for ell = 2. Only the power of m is predicted; the factor before it is not, and may differ between models. Lines have the predicted slopes; their heights are fitted.',
    measured: shownRatios(analysis.ratios).some((r) => !r.online)
      ? 'both in distinct sentences, on the same grammars. The table also has one pass over fresh sentences, where the number of steps limits too.'
      : 'both in one pass, on the same grammars. If the number of steps limits one of them, the ratio mixes two limits.',
  }),
  table: ({ ratios, ratioExponents }) => ({
    head: ['ratio', 'grammar', 'measured', 'growth with m', 'predicted'],
    rows: ratios
      .filter((r) => r.ell > 1 && r.estimate.bound !== 'unknown')
      .map((r) => {
        const growth = ratioExponents.find((e) => e.ell === r.ell && e.series === `${r.numerator} / ${r.denominator}`);
        return [
          `P_${r.ell}(${r.numerator}) / P_${r.ell}(${r.denominator})`,
          shapeName(r.shape),
          showEstimate(r.estimate),
          growth ? showPower(growth.estimate) : '-',
          growth?.predicted === undefined ? '-' : `m^${growth.predicted}`,
        ];
      }),
  }),
  draw: (analysis, canvas) => {
    const rows = shownRatios(analysis.ratios);
    if (!rows.length) return undefined;
    const looks = ratioLooks(analysis, rows, canvas.theme);
    const base = analysis.kinds.get(rows[0].denominator)!;
    const known = rows.filter((r) => r.estimate.bound !== 'unknown');
    const panels = groupBy(known, (r) => String(r.ell)).map((group): Panel => {
      const { ell } = group[0];
      const points = groupBy(group, (r) => r.numerator).map((own) => {
        const power = predictedPower(analysis.kinds.get(own[0].numerator)!, ell);
        return {
          look: looks.get(own[0].numerator)!,
          power: power === undefined ? undefined : power - predictedPower(base, ell)!,
          points: own.map((r): ErrorPoint => ({ x: r.shape.m, y: r.estimate.value, ...pick(r.estimate) })),
        };
      });
      return powerPanel(`step ${ell}`, `P_${ell} / P_${ell}(${rows[0].denominator})`, points, canvas);
    });
    return compose(canvas, panels, Math.min(4, panels.length), 230, [...looks.values()], true);
  },
});

/** Models by their full names if each has one series. */
function ratioLooks({ kinds }: Base, rows: readonly RatioRow[], theme: Theme): ReadonlyMap<string, Look> {
  const series = [...new Set(rows.map((r) => r.numerator))];
  const own = series.map((s) => kinds.get(s)!);
  if (new Set(own).size < own.length)
    return new Map([...seriesLooks(kinds, theme)].filter(([name]) => series.includes(name)));
  return new Map(series.map((s, i) => [s, modelLook(own[i], theme)]));
}

/** In data if there are such curves. */
function shownRatios(ratios: readonly RatioRow[]): readonly RatioRow[] {
  const rows = ratios.filter((r) => r.ell > 1);
  const inData = rows.filter((r) => !r.online);
  return inData.length ? inData : rows;
}

const pick = ({ low, high, bound }: { low: number; high: number; bound: ErrorPoint['bound'] }) => ({
  low,
  high,
  bound,
});
