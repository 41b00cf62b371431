import * as Plot from '@observablehq/plot';
import { complexityScale, sampleComplexity } from '../../theory/index.js';
import { lawNames } from '../collapse.js';
import { density, families, shapeName } from '../curves.js';
import { lossAt, overSizes, predictedPower } from '../exponents.js';
import { showEstimate, showPower } from '../format.js';
import type { Analysis } from '../results.js';
import { groupBy } from '../staircase.js';
import { type Canvas, compose, type ErrorPoint, errorPoints, logAxis, type Panel, tickedAxis } from './canvas.js';
import { bySize, seriesLegend } from './learning.js';
import type { FigureSpec } from './spec.js';
import { type Look, looksFor, seriesLooks } from './theme.js';

/** P_ell against m. */
export const positionsFigure: FigureSpec = {
  name: 'positions',
  title: 'Where each step is learnt, against m',
  caption: ({ exponents }) => ({
    predicts:
      'P_ell (1-f) / v grows like m^(ell+1) for a CNN (m for ell = 1) and m^(2 ell - 1) for a transformer; a locally connected net is expected to follow the transformer. Lines have the predicted slopes, heights are free. At the last step n stands for v and n m / v^s for f. The laws count data; where steps of gradient descent are what limits, P grows more slowly.',
    measured:
      exponents.map((e) => `${e.series}, ell=${e.ell}${overSizes(e)}: ${showPower(e.estimate)}`).join('; ') ||
      'one value of m only.',
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.positions.filter((p) => density(p.shape) < 1);
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
  title: 'How many more samples than the CNN',
  caption: ({ ratios, ratioExponents }) => {
    const known = ratios.filter((r) => r.ell > 1 && r.estimate.bound !== 'unknown');
    return {
      predicts: `without weight sharing every block learns anew: P_ell over that of the CNN grows like m^(ell-2), so like m for ell = 3, and not at all for ell = 2. This is about the power of m only: the factor before it is not predicted, and may differ between models. It holds if data limits both; where the CNN is limited by steps the ratio mixes two things. Lines have the predicted slopes, heights are free.`,
      measured: `${known.map((r) => `${r.numerator}, ell=${r.ell}, m=${r.shape.m}: ${showEstimate(r.estimate)}`).join('; ')}. Growth: ${
        ratioExponents
          .filter((e) => e.estimate.bound !== 'unknown')
          .map((e) => `ell=${e.ell}${overSizes(e)}, ${e.series}: ${showPower(e.estimate)}`)
          .join('; ') || 'one value of m only'
      }.`,
    };
  },
  draw: (analysis, canvas) => {
    const rows = analysis.ratios.filter((r) => r.ell > 1);
    if (!rows.length) return undefined;
    const looks = seriesLooks(analysis.kinds, canvas.theme);
    const base = analysis.kinds.get(rows[0].denominator)!;
    const panels = groupBy(rows, (r) => String(r.ell)).map((group): Panel => {
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
    const legend = seriesLegend(
      rows.map((r) => ({ series: r.numerator })),
      looks,
    );
    return compose(canvas, panels, Math.min(4, panels.length), 230, legend, true);
  },
};

const pick = ({ low, high, bound }: { low: number; high: number; bound: ErrorPoint['bound'] }) => ({
  low,
  high,
  bound,
});

interface PowerPoints {
  look: Look;
  power: number | undefined;
  points: ErrorPoint[];
}

function powerPanel(title: string, label: string, series: readonly PowerPoints[], { theme }: Canvas): Panel {
  const all = series.flatMap((s) => s.points);
  const ends = all.flatMap((p) => [p.y, Number.isFinite(p.low) ? p.low : p.y, Number.isFinite(p.high) ? p.high : p.y]);
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
      marks: series.flatMap(({ look, power, points }) => [
        ...(power === undefined ? [] : [powerLine(points, power, look, x.domain as [number, number])]),
        ...errorPoints(points, look, theme.paper),
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

/** Curves of several sizes over P / P_ell. */
export const collapseFigure: FigureSpec = {
  name: 'collapse',
  title: 'Curves of all grammar sizes, raw and over P / P_ell',
  caption: ({ collapse }) => ({
    predicts:
      "each step, drawn from 1 at H(ell-1) to 0 at H(ell), falls onto one curve when P is divided by the model's own law for P_ell.",
    measured:
      collapse
        .map(
          (c) =>
            `${c.series}, ell=${c.ell}: spread between sizes × ${Math.exp(c.raw).toFixed(2)} raw, × ${Math.exp(c.byLaw.cnn).toFixed(2)} over the CNN law, × ${Math.exp(c.byLaw.transformer).toFixed(2)} over the transformer law`,
        )
        .join('; ') || 'fewer than two sizes went through a step.',
  }),
  draw: (analysis, canvas) => {
    const series = groupBy(
      analysis.curves.filter((c) => families[c.kind] && c.plateaus && density(c.shape) < 1 && c.status !== 'diverged'),
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
    return compose(canvas, panels, Math.min(4, depth), 190, [...looks.values()]);
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
  const family = families[own[0].kind]!;
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
  const spread = row && `spread × ${Math.exp(rescaled ? row.byLaw[family] : row.raw).toFixed(2)}`;
  return {
    title: `${own[0].series}, step ${ell}${rescaled ? ', rescaled' : ''}`,
    subtitle: [rescaled ? `${lawNames[family]} law` : 'as trained', spread].filter(Boolean).join(', '),
    options: {
      x: logAxis(
        lines.flatMap((l) => l.points.map((p) => p.x)),
        rescaled ? `P / P_${ell}` : 'training samples P',
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
