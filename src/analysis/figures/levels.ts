import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { shapeName } from '../curves.js';
import { showEstimate } from '../format.js';
import { levelTable } from '../levels.js';
import { groupBy } from '../staircase.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, logAxis, type Panel } from './canvas.js';
import { figure } from './spec.js';
import { type Look, modelLook } from './theme.js';

const LEVELS_HEIGHT = 230;
const LINE = 11; // pixels of a label

/** Moves labels at one level up until none covers the one below it. */
function apart<T extends { level: number; y: number }>(labels: readonly T[], [low, high]: [number, number]): T[] {
  const gap = (Math.log(high / low) * LINE) / (LEVELS_HEIGHT - 56);
  const taken = new Map<number, number>();
  return [...labels]
    .sort((a, b) => a.y - b.y)
    .map((label) => {
      const y = Math.max(Math.log(label.y), (taken.get(label.level) ?? -Infinity) + gap);
      taken.set(label.level, y);
      return { ...label, y: Math.exp(y) };
    });
}

/** The comparison in the paper: level against level at fixed m. */
export const levelsFigure = figure({
  name: 'levels',
  title: 'Level against level at fixed m, as in the paper',
  chapter: 'levels',
  results: ({ curves, invarianceCurves }) => ({ levels: levelTable(curves, invarianceCurves) }),
  tables: (all) => [
    {
      name: 'levels',
      about: 'one pass, level against level: the power of m in P_(ell+1) / P_ell of one grammar',
      rows: all.levels.map((r) => ({
        series: r.series,
        ...shapeColumns(r.shape),
        ell: r.ell,
        from: r.from,
        predicted: r.predicted ?? null,
        ...estimateColumns(r.estimate),
      })),
    },
  ],
  sections: [
    {
      name: 'level',
      title: 'One pass: level against level at fixed m',
      findings: ({ levels }) =>
        levels.map((row) => ({
          quantity: `power of m in P_${row.ell + 1} / P_${row.ell}, from ${row.from === 'loss' ? 'the loss' : 'invariance'}`,
          where: `${row.series}, ${shapeName(row.shape)}`,
          predicted: row.predicted,
          measured: row.estimate,
        })),
    },
  ],
  caption: () => ({
    predicts:
      'in one pass at one batch size, optimisation multiplies every P_ell by the same factor, so the paper compares the levels of one grammar: P_(ell+1) / P_ell grows like m for a CNN and like m^2 without weight sharing (dashed). The rescaled panels of the paper divide the P of level l by m^(l+2) or by m^(2 l + 1).',
    measured:
      'first panels: the P at which level l is learnt (the invariance ratio of its layer falls below one half, or the loss takes step l + 1), as trained, over m^(l+2) and over m^(2 l + 1); flat if that law holds. Means over grammars. The table lists the power of m in each ratio.',
  }),
  table: ({ levels }) => ({
    head: ['network', 'grammar', 'ratio', 'from', 'law: power of m', 'measured'],
    rows: levels.map((r) => [
      modelFacts(r.kind).title,
      shapeName(r.shape),
      `P_${r.ell + 1} / P_${r.ell}`,
      r.from === 'loss' ? 'loss' : 'invariance',
      r.predicted === undefined ? '-' : String(r.predicted),
      showEstimate(r.estimate),
    ]),
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.positions.filter(
      (p) => p.online && p.estimate.bound === 'none' && p.ell > 1 && p.shape.m > 1,
    );
    const kindOf = (series: string) => analysis.kinds.get(series)!;
    const series = groupBy(rows, (r) => `${r.series}|${shapeName(r.shape)}`).filter((g) => g.length > 1);
    if (!series.length) return undefined;
    const scales: [string, (m: number, level: number) => number][] = [
      ['as trained', () => 1],
      ['over m^(l+2), the CNN law', (m, level) => m ** (level + 2)],
      ['over m^(2l+1), the transformer law', (m, level) => m ** (2 * level + 1)],
    ];
    const panels = scales.map(([subtitle, unit]): Panel => {
      const lines = series.map((group) => ({
        look: modelLook(kindOf(group[0].series), canvas.theme),
        name: `m=${group[0].shape.m}`,
        points: group.map((r) => ({ level: r.ell - 1, y: r.estimate.value / unit(r.shape.m, r.ell - 1) })),
      }));
      const levels = [...new Set(lines.flatMap((l) => l.points.map((p) => p.level)))].sort();
      const y = logAxis(
        lines.flatMap((l) => l.points.map((p) => p.y)),
        'P',
        0.1,
      );
      const labels = apart(
        lines.map(({ points, name, look }) => ({ ...points[points.length - 1], name, color: look.color })),
        y.domain,
      );
      return {
        title: 'P at which level l is learnt',
        subtitle,
        options: {
          x: {
            type: 'linear',
            domain: [levels[0] - 0.3, levels[levels.length - 1] + 0.5],
            ticks: levels,
            tickFormat: String,
            label: 'level l',
            labelArrow: 'none',
            grid: true,
          },
          y,
          marks: [
            ...lines.flatMap(({ look, points }) => [
              Plot.line(points, {
                x: 'level',
                y: 'y',
                stroke: look.color,
                strokeDasharray: look.dash,
                strokeWidth: 1.6,
              }),
              Plot.dot(points, { x: 'level', y: 'y', symbol: look.symbol, r: 3, fill: look.color }),
            ]),
            Plot.text(labels, {
              x: 'level',
              y: 'y',
              text: 'name',
              dx: 6,
              textAnchor: 'start',
              fontSize: 9,
              fill: (d) => d.color,
            }),
          ],
        },
      };
    });
    const looks = [
      ...new Map(series.map((g) => [kindOf(g[0].series), modelLook(kindOf(g[0].series), canvas.theme)])).values(),
    ];
    return compose(canvas, panels, 3, LEVELS_HEIGHT, looks as Look[], true);
  },
});
