import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { complexityScale, sampleComplexity } from '../../theory/index.js';
import { lawNames } from '../collapse.js';
import { density, shapeName } from '../curves.js';
import { lossAt, overSizes, predictedPower } from '../exponents.js';
import { showEstimate, showPower } from '../format.js';
import type { Analysis } from '../results.js';
import { groupBy } from '../staircase.js';
import { type Canvas, compose, type ErrorPoint, errorPoints, logAxis, type Panel, tickedAxis } from './canvas.js';
import { bySize, seriesLegend } from './learning.js';
import type { FigureSpec } from './spec.js';
import { type Look, looksFor, modelLook, seriesLooks, type Theme } from './theme.js';

/** P_ell of one pass against m. */
export const positionsFigure: FigureSpec = {
  name: 'positions',
  title: 'One pass over fresh sentences: where each step is learnt',
  caption: () => ({
    predicts:
      'lines have the slopes of the laws, which count data: m^(ell+1) for a CNN (m for ell = 1), m^(2 ell - 1) for the others; heights are free. One pass counts steps too: at a given batch size and rate P_ell is at least the sentences of the steps that gradient descent takes in any case, so that it grows more slowly with m.',
    measured:
      'P at which the test loss is half way down the step, with 95% intervals over grammars; arrows: runs ended before the step. At the last step n stands for v and n m / v^s for f.',
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
};

/** Ratios of P_ell between models. */
export const ratiosFigure: FigureSpec = {
  name: 'ratios',
  title: 'How many more sentences than the CNN',
  caption: (analysis) => ({
    predicts:
      'without weight sharing every block learns anew: P_ell over that of the CNN grows like m^(ell-2), so like m for ell = 3, and not at all for ell = 2. Only the power of m is predicted: the factor before it is not, and may differ between models. Lines have the predicted slopes, heights are free.',
    measured: shownRatios(analysis).some((r) => !r.online)
      ? 'both counted in distinct sentences, on the same grammars. One pass over fresh sentences, which counts steps, is in the table.'
      : 'both in one pass, on the same grammars: where steps are what limits one of them the ratio mixes two things.',
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
    const rows = shownRatios(analysis);
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
};

/** Models under their names in full, where each stands for one series. */
function ratioLooks({ kinds }: Analysis, rows: Analysis['ratios'], theme: Theme): ReadonlyMap<string, Look> {
  const series = [...new Set(rows.map((r) => r.numerator))];
  const own = series.map((s) => kinds.get(s)!);
  if (new Set(own).size < own.length)
    return new Map([...seriesLooks(kinds, theme)].filter(([name]) => series.includes(name)));
  return new Map(series.map((s, i) => [s, modelLook(own[i], theme)]));
}

/** In data where there are such curves. */
function shownRatios({ ratios }: Analysis): Analysis['ratios'] {
  const rows = ratios.filter((r) => r.ell > 1);
  const inData = rows.filter((r) => !r.online);
  return inData.length ? inData : rows;
}

const pick = ({ low, high, bound }: { low: number; high: number; bound: ErrorPoint['bound'] }) => ({
  low,
  high,
  bound,
});

export interface PowerPoints {
  look: Look;
  power: number | undefined;
  points: ErrorPoint[];
  open?: boolean; // hollow symbols, no law
}

export function powerPanel(title: string, label: string, series: readonly PowerPoints[], { theme }: Canvas): Panel {
  const all = series.flatMap((s) => s.points);
  // An interval of two grammars may span decades: it is cut off at the edge, and the others stay readable.
  const ends = all.flatMap((p) => [p.y, ...[p.low, p.high].filter((end) => end > p.y / 6 && end < p.y * 6)]);
  const y = logAxis(ends, label, 0.12);
  const x = tickedAxis(
    all.map((p) => p.x),
    'm',
    'log',
  );
  return {
    title,
    options: {
      x,
      y,
      marks: series.flatMap(({ look, power, points, open }) => [
        ...(power === undefined ? [] : [powerLine(points, power, look, x.domain as [number, number])]),
        ...errorPoints(points, look, theme.paper, open),
      ]),
    },
  };
}

/** The predicted power through the middle of the points that are known; through the first bound if none is. */
function powerLine(
  points: readonly ErrorPoint[],
  power: number,
  look: Look,
  [from, to]: [number, number],
): Plot.Markish {
  const exact = points.filter((p) => p.bound === 'none');
  const used = exact.length ? exact : points.slice(0, 1);
  const height = used.reduce((sum, p) => sum + Math.log(p.y) - power * Math.log(p.x), 0) / used.length;
  const line = [from, to].map((x) => ({ x, y: Math.exp(height + power * Math.log(x)) }));
  return Plot.line(line, {
    x: 'x',
    y: 'y',
    stroke: look.color,
    strokeDasharray: look.dash ?? '5 4',
    strokeOpacity: 0.7,
    clip: true,
  });
}

/** The curves in data, where there are some of two sizes. */
function inDataOrAll(curves: Analysis['curves']): Analysis['curves'] {
  const inData = curves.filter((c) => !c.online);
  return new Set(inData.map((c) => c.shape.m)).size > 1 ? inData : curves.filter((c) => c.online);
}

/** Curves of several sizes over P / P_ell. */
export const collapseFigure: FigureSpec = {
  name: 'collapse',
  title: 'Curves of all grammar sizes, raw and over P / P_ell',
  caption: () => ({
    predicts:
      "each step, drawn from 1 at H(ell-1) to 0 at H(ell), falls onto one curve when P is divided by the model's own law for P_ell.",
    measured:
      'the spread is the standard deviation of ln P between sizes at equal height, as a factor: as measured in the first panel, over the law in the others.',
  }),
  table: ({ collapse }) => ({
    head: ['series', 'step', 'spread as measured', 'over the CNN law', 'over the transformer law'],
    rows: collapse.map((c) => [
      c.series,
      String(c.ell),
      ...[c.raw, c.byLaw.cnn, c.byLaw.transformer].map((x) => `× ${Math.exp(x).toFixed(2)}`),
    ]),
  }),
  draw: (analysis, canvas) => {
    const series = groupBy(
      inDataOrAll(analysis.curves).filter(
        (c) => modelFacts(c.kind).family && c.plateaus && density(c.shape) < 1 && c.status !== 'diverged',
      ),
      (c) => c.series,
    ).filter((own) => new Set(own.map((c) => shapeName(c.shape))).size > 1);
    if (!series.length) return undefined;
    const sizes = groupBy(series.flat(), (c) => shapeName(c.shape)).sort(bySize);
    const looks = looksFor(
      sizes.map(([c]) => shapeName(c.shape)),
      canvas.theme,
    );
    const depth = Math.max(...series.flat().map((c) => c.plateaus!.length - 1));
    const panels: Panel[] = [];
    for (const own of series) {
      panels.push(stepPanel(own, depth, looks, false, canvas, analysis));
      for (let ell = 2; ell <= depth; ell++) panels.push(stepPanel(own, ell, looks, true, canvas, analysis));
    }
    return compose(canvas, panels, Math.min(4, depth), 190, [...looks.values()], false, 2);
  },
};

function stepPanel(
  own: Analysis['curves'],
  ell: number,
  looks: ReadonlyMap<string, Look>,
  rescaled: boolean,
  { theme }: Canvas,
  analysis: Analysis,
): Panel {
  const family = modelFacts(own[0].kind).family!;
  const lines = groupBy(
    own.filter((c) => ell < c.plateaus!.length),
    (c) => shapeName(c.shape),
  ).map((group) => {
    const { shape } = group[0];
    const unit = rescaled ? sampleComplexity(shape, family, ell) : 1;
    const points = group[0].points.map(({ samples }) => {
      const heights = group
        .map((c) => (lossAt(c, Math.log(samples)) - c.plateaus![ell]) / (c.plateaus![ell - 1] - c.plateaus![ell]))
        .filter(Number.isFinite);
      return { x: samples / unit, y: heights.reduce((a, b) => a + b, 0) / heights.length };
    });
    return { look: looks.get(shapeName(shape))!, points: points.filter((p) => p.y > -0.4 && p.y < 1.3) };
  });
  const row = analysis.collapse.find((c) => c.series === own[0].series && c.ell === ell);
  const spread = row && `× ${Math.exp(rescaled ? row.byLaw[family] : row.raw).toFixed(2)}`;
  return {
    title: `${own[0].series}, step ${ell}`,
    subtitle: [rescaled ? `${lawNames[family]} law` : 'as measured', spread].filter(Boolean).join(', '),
    options: {
      x: logAxis(
        lines.flatMap((l) => l.points.map((p) => p.x)),
        rescaled ? `P / P_${ell}` : 'sentences P',
      ),
      y: {
        domain: [-0.3, 1.3],
        label: `(loss - H(${ell})) / (H(${ell - 1}) - H(${ell}))`,
        labelArrow: 'none',
        ticks: [0, 0.5, 1],
        grid: true,
      },
      marks: [
        Plot.ruleY([0, 1], { stroke: theme.muted, strokeDasharray: '3 3' }),
        ...lines.map(({ look, points }) =>
          Plot.line(points, {
            x: 'x',
            y: 'y',
            stroke: look.color,
            strokeWidth: 2,
            strokeDasharray: look.dash,
            clip: true,
          }),
        ),
      ],
    },
  };
}
