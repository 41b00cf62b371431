import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { shapeName } from '../curves.js';
import { round, showEstimate, showNumber } from '../format.js';
import {
  LEAST_RISE,
  type RepresentationCurve,
  type RepresentationRow,
  representationCurves,
  representationTable,
  type View,
  views,
} from '../representation.js';
import { groupBy } from '../staircase.js';
import { mean } from '../statistics.js';
import { grammarNumbers, shapeColumns } from '../tables.js';
import { compose, isNarrow, logAxis, type Panel } from './canvas.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

const names = Object.keys(views) as View[];

/** Invariance, read-out, separation and alignment of every layer, level by level, against P / P_(level+1). */
export const representationFigure = figure({
  name: 'representation',
  title: 'Four measures of a layer, level by level',
  chapter: 'representations',
  results({ curves }) {
    const found = representationCurves(curves);
    return { representationCurves: found, representation: representationTable(found) };
  },
  tables: (all) => [
    {
      name: 'representation',
      about: 'invariance, read-out, separation and alignment of a layer against P; step: P_(level+1) of the loss',
      rows: all.representationCurves.flatMap((c) =>
        c.points.map((point) => ({
          series: c.series,
          ...shapeColumns(c.shape),
          grammar: grammarNumbers(all).get(c.grammar)!,
          ...{ layer: c.layer, level: c.level, measure: c.view, step: c.step ?? Number.NaN, ...point },
        })),
      ),
    },
  ],
  sections: [
    {
      name: 'representation',
      title: 'Four measures',
      findings: ({ representation }) =>
        shown(representation)
          .filter((row) => row.half)
          .map((row) => ({
            quantity: `${row.view} at level ${row.level} half way at P / P_${row.level + 1} =`,
            where: `${row.series}, ${shapeName(row.shape)}`,
            predicted: undefined,
            measured: row.half!,
            comment: `layer ${row.layer}, from ${round(row.first)} to ${round(row.last)}`,
            verdict: '-' as const,
          })),
    },
  ],
  caption: ({ representation }) => ({
    predicts:
      'a layer that has found the hidden symbols of a level no longer distinguishes synonyms (invariance), distinguishes symbols (read-out, separation), and arranges them like the contexts in which they occur (alignment); the loss takes step P_(l+1) at about the same P.',
    measured: `one pass; one line per grammar, darker for larger m; 1 is the best value of every measure. ${comparison(representation)}`,
  }),
  table: ({ representation }) => ({
    head: ['series', 'size', 'level', 'layer', 'measure', 'first', 'last', 'half way at P / P_(l+1)'],
    rows: representation.map((row) => [
      row.series,
      shapeName(row.shape),
      String(row.level),
      String(row.layer),
      views[row.view],
      String(round(row.first)),
      String(round(row.last)),
      row.half ? showEstimate(row.half) : '-',
    ]),
  }),
  draw: (analysis, canvas) => {
    const curves = analysis.representationCurves;
    if (!curves.length) return undefined;
    const looks = looksFor(
      names.map((view) => views[view]),
      canvas.theme,
    );
    const levels = [...new Set(curves.map((c) => c.level))].sort((a, b) => a - b);
    const x = logAxis(
      curves.flatMap((c) => c.points.map((p) => p.samples / unitOf(c)).filter((at) => at >= EARLIEST)),
      'P / P_(l+1)',
    );
    const panels = groupBy(curves, (c) => c.series).flatMap((own) =>
      [...new Set(own.map((c) => c.layer))]
        .sort((a, b) => a - b)
        .flatMap((layer) =>
          levels.map((level) => {
            const group = own.filter((c) => c.layer === layer && c.level === level);
            return group.length ? layerPanel(group, x, looks, canvas.theme.muted) : empty;
          }),
        ),
    );
    return compose(canvas, panels, levels.length, isNarrow(canvas) ? 130 : 140, [...looks.values()], false, 2);
  },
});

/** The unit of P: P_(level+1), or the last P if the loss never took that step. */
const unitOf = ({ step, points }: RepresentationCurve) => step ?? points[points.length - 1].samples;

const EARLIEST = 0.02; // in units of P_(l+1): before this nothing changes

const empty: Panel = { title: '', options: { marks: [] } };

function layerPanel(
  group: readonly RepresentationCurve[],
  x: ReturnType<typeof logAxis>,
  looks: ReadonlyMap<string, Look>,
  muted: string,
): Panel {
  const { kind, layer, level } = group[0];
  const reached = group.some((c) => c.step !== undefined);
  const lines = reached ? group.filter((c) => c.step !== undefined) : group;
  const ms = [...new Set(group.map((c) => c.shape.m))].sort((a, b) => a - b);
  return {
    title: `${modelFacts(kind).title}, level ${level}, layer ${layer}`,
    options: {
      x: { ...x, label: reached ? `P / P_${level + 1}` : `P / last P, P_${level + 1} not reached` },
      y: { domain: [0, 1], label: 'measure', labelArrow: 'none', ticks: [0, 0.5, 1], grid: true },
      marks: [
        ...(reached ? [Plot.ruleX([1], { stroke: muted, strokeDasharray: '3 3' })] : []),
        ...lines.map((c) => {
          const { color, dash } = looks.get(views[c.view])!;
          return Plot.line(
            c.points.map(({ samples, value }) => ({ x: samples / unitOf(c), y: value })),
            {
              ...{ x: 'x', y: 'y', stroke: color, strokeWidth: 1.4, strokeDasharray: dash, clip: true },
              strokeOpacity: 0.35 + (0.65 * (ms.indexOf(c.shape.m) + 1)) / ms.length,
            },
          );
        }),
      ],
    },
  };
}

/** For each measure, the layer in which it rises most. */
const shown = (rows: readonly RepresentationRow[]): RepresentationRow[] =>
  groupBy(rows, (row) => [row.series, shapeName(row.shape), row.level, row.view].join('|')).map((layers) =>
    layers.reduce((best, row) => (row.last - row.first > best.last - best.first ? row : best)),
  );

/** The P at which each measure is half way, in the layer in which it rises most: geometric mean over levels and sizes. */
function comparison(rows: readonly RepresentationRow[]): string {
  const sentences = groupBy(shown(rows), (row) => row.kind).map((group) => {
    const parts = names.map((view) => {
      const rising = group.filter((row) => row.view === view && row.half);
      if (!rising.length) return `${view} nowhere`;
      const half = Math.exp(mean(rising.map((row) => Math.log(row.half!.value))));
      const layers = groupBy(rising, (row) => String(row.level)).map(
        (own) => `level ${own[0].level} in layer ${[...new Set(own.map((row) => row.layer))].sort().join(' or ')}`,
      );
      return `${view} ${showNumber(half)} (${layers.join(', ')})`;
    });
    return `${modelFacts(group[0].kind).title}: ${parts.join('; ')}`;
  });
  return `P / P_(l+1) at which each measure is half way between its first and its last value, in the layer in which it rises most, if by ${LEAST_RISE} or more; geometric mean over levels and sizes. ${sentences.join('. ')}.`;
}
