import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { sampleComplexity } from '../../theory/index.js';
import { type CollapseRow, collapseTable, lawNames } from '../collapse.js';
import { density, shapeName } from '../curves.js';
import { lossAt } from '../exponents.js';
import type { Base, FindingRow, Verdict } from '../results.js';
import { groupBy } from '../staircase.js';
import type { Estimate } from '../statistics.js';
import { compose, logAxis, type Panel } from './canvas.js';
import { bySize } from './legend.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

/** The curves in data, if there are some of at least two sizes. */
function inDataOrAll(curves: Base['curves']): Base['curves'] {
  const inData = curves.filter((c) => !c.online);
  return new Set(inData.map((c) => c.shape.m)).size > 1 ? inData : curves.filter((c) => c.online);
}

/** Curves of several sizes over P / P_ell. */
export const collapseFigure = figure({
  name: 'collapse',
  title: 'Curves of all grammar sizes, against P and against P / P_ell',
  chapter: 'inData',
  results: ({ curves }) => ({ collapse: collapseTable(curves) }),
  sections: [
    {
      name: 'collapse',
      title: 'Collapses',
      findings: (r) => r.collapse.map((row) => collapseFinding(r, row)),
    },
  ],
  caption: () => ({
    predicts:
      'each step, scaled from 1 at H(ell-1) to 0 at H(ell), collapses onto one curve when P is divided by the law of the model for P_ell.',
    measured:
      'the spread is the standard deviation of ln P between grammar sizes at equal height, as a factor: as measured in the first panel, after division by the law in the others.',
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
      panels.push(stepPanel(own, depth, looks, false, canvas, analysis.collapse));
      for (let ell = 2; ell <= depth; ell++) panels.push(stepPanel(own, ell, looks, true, canvas, analysis.collapse));
    }
    return compose(canvas, panels, Math.min(4, depth), 190, [...looks.values()], false, 2);
  },
});

function stepPanel(
  own: Base['curves'],
  ell: number,
  looks: ReadonlyMap<string, Look>,
  rescaled: boolean,
  { theme }: Canvas,
  rows: readonly CollapseRow[],
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
  const row = rows.find((c) => c.series === own[0].series && c.ell === ell);
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

function collapseFinding(r: Base, row: CollapseRow): FindingRow {
  const other = row.law === 'cnn' ? 'transformer' : 'cnn';
  const same = Math.abs(row.byLaw[other] - row.byLaw[row.law]) < 1e-9;
  const best = same || row.byLaw[row.law] < row.byLaw[other];
  const comment =
    `spread of P between sizes: factor ${factor(row.raw)} raw, ${factor(row.byLaw[row.law])} over the ${lawNames[row.law]} law` +
    (same
      ? " (the CNN's and the transformer's law are the same here)"
      : `, ${factor(row.byLaw[other])} over the ${lawNames[other]} law`);
  const measured: Estimate = {
    value: row.score,
    low: row.low,
    high: row.high,
    bound: 'none',
    units: row.shapes.length,
  };
  const beside = row.online && r.data.length > 0;
  const verdict = beside ? '-' : best ? halved(row) : 'disagrees';
  return {
    quantity: `collapse of step ${row.ell} (0: perfect, 1: no better than as measured)`,
    where: row.series,
    predicted: 0,
    measured,
    comment,
    verdict,
  };
}

/** The spread must fall by half or more, with 95% confidence if there is an interval. */
const halved = ({ score, low, high }: CollapseRow): Verdict =>
  Number.isNaN(low) ? (score < 0.5 ? 'agrees' : 'disagrees') : high < 0.5 ? 'agrees' : low < 0.5 ? 'open' : 'disagrees';

const factor = (logSpread: number) => Math.exp(logSpread).toFixed(2);
