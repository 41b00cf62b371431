import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { sampleComplexity } from '../../theory/index.js';
import { lawNames } from '../collapse.js';
import { density, shapeName } from '../curves.js';
import { showNumber, showPower } from '../format.js';
import {
  type InvarianceCurve,
  type InvarianceRow,
  invarianceExponents,
  invarianceTable,
  layerShown,
} from '../invariance.js';
import type { Base, FindingRow } from '../results.js';
import { groupBy } from '../staircase.js';
import { grammarNumbers, shapeColumns } from '../tables.js';
import { compose, logAxis, type Panel } from './canvas.js';
import { bySize } from './legend.js';
import { figure, type ResultsOf } from './spec.js';
import { type Look, looksFor } from './theme.js';

const usable = ({ invarianceCurves }: Base) =>
  invarianceCurves.filter((c) => density(c.shape) < 1 && c.points.length > 2 && c.level < c.shape.L);

/** Invariance ratios against P, and against P / P_(level+1). */
export const invarianceFigure = figure({
  name: 'invariance',
  title: 'When a layer stops telling synonyms apart',
  chapter: 'representations',
  results({ invarianceCurves, positions, kinds }) {
    const invariance = invarianceTable(invarianceCurves, positions);
    return { invariance, invarianceExponents: invarianceExponents(invariance, (series) => kinds.get(series)!) };
  },
  tables: (all) => [
    {
      name: 'invariance',
      about: 'ratio (1 - S_rule) / (1 - S_symbol) against training sentences P',
      rows: all.invarianceCurves.flatMap((c) =>
        c.points.map((p) => ({
          series: c.series,
          ...shapeColumns(c.shape),
          grammar: grammarNumbers(all).get(c.grammar)!,
          layer: c.layer,
          level: c.level,
          ...p,
        })),
      ),
    },
  ],
  sections: [
    {
      name: 'invariance',
      title: 'Invariance',
      findings: (r) => [
        ...r.invarianceExponents.map((row) => ({
          quantity: `power of m, layer ${row.layer} invariant at level ${row.level}`,
          where: row.series,
          predicted: row.predicted,
          measured: row.estimate,
        })),
        ...groupBy(r.invariance, (row) => `${row.series}|${shapeName(row.shape)}|${row.level}`).flatMap(firstLayer),
      ],
    },
  ],
  caption: () => ({
    predicts:
      'the ratio (1 - S_rule) / (1 - S_symbol) falls from 1 to 0 when a layer becomes invariant to the choice of rules at a level; level l goes with step P_(l+1) of the loss, so the curves of all sizes coincide against P / P_(l+1). Convolutional nets: layer l + 1, the first whose units see a whole block of the next level. Transformers: the last layer.',
    measured: 'one pass, means over grammars. All layers are in the next figure.',
  }),
  table: (analysis) => {
    const shown = shownLayers(usable(analysis), analysis);
    return {
      head: ['series', 'level', 'layer', 'law: power of m', 'measured'],
      rows: analysis.invarianceExponents
        .filter((e) => shown.some((c) => c.series === e.series && c.layer === e.layer && c.level === e.level))
        .map((e) => [
          e.series,
          String(e.level),
          String(e.layer),
          e.predicted === undefined ? '-' : `m^${e.predicted}`,
          showPower(e.estimate),
        ]),
    };
  },
  draw: (analysis, canvas) => {
    const curves = shownLayers(usable(analysis), analysis);
    if (!curves.length) return undefined;
    const looks = looksFor(
      groupBy(curves, (c) => shapeName(c.shape))
        .sort(bySize)
        .map(([c]) => shapeName(c.shape)),
      canvas.theme,
    );
    const levels = [...new Set(curves.map((c) => c.level))].sort((a, b) => a - b);
    const panels: Panel[] = [];
    for (const own of groupBy(curves, (c) => c.series))
      for (const rescaled of [false, true])
        for (const level of levels) {
          const group = own.filter((c) => c.level === level);
          if (group.length) panels.push(ratioPanel(group, rescaled, analysis, looks));
          else panels.push({ title: '', options: { marks: [] } });
        }
    return compose(canvas, panels, levels.length, 130, [...looks.values()]);
  },
});

function shownLayers(curves: readonly InvarianceCurve[], { kinds }: Base): InvarianceCurve[] {
  return groupBy(curves, (c) => `${c.series}|${c.level}`).flatMap((group) => {
    const kind = kinds.get(group[0].series)!;
    if (!modelFacts(kind).family) return [];
    const layers = group.map((c) => c.layer);
    return group.filter((c) => c.layer === layerShown(kind, c.level, layers));
  });
}

function ratioPanel(
  group: readonly InvarianceCurve[],
  rescaled: boolean,
  { kinds }: Base,
  looks: ReadonlyMap<string, Look>,
): Panel {
  const { series, level, layer } = group[0];
  const family = modelFacts(kinds.get(series)!).family!;
  const lines = groupBy(group, (c) => shapeName(c.shape)).map((own) => {
    const unit = rescaled ? sampleComplexity(own[0].shape, family, level + 1) : 1;
    const bySamples = groupBy(
      own.flatMap((c) => c.points),
      (p) => String(p.samples),
    );
    const points = bySamples.map((ps) => ({
      x: ps[0].samples / unit,
      y: ps.reduce((sum, p) => sum + p.ratio, 0) / ps.length,
    }));
    return { look: looks.get(shapeName(own[0].shape))!, points: points.sort((a, b) => a.x - b.x) };
  });
  return {
    title: `${series}, level ${level}, layer ${layer}`,
    subtitle: rescaled ? `rescaled by the ${lawNames[family]} law` : 'as trained',
    options: {
      x: logAxis(
        lines.flatMap((l) => l.points.map((p) => p.x)),
        rescaled ? `P / P_${level + 1}` : 'training sentences P',
      ),
      y: { domain: [0, 1.3], label: 'rule / symbol', labelArrow: 'none', ticks: [0, 0.5, 1], grid: true },
      marks: lines.map(({ look, points }) =>
        Plot.line(points, {
          x: 'x',
          y: 'y',
          stroke: look.color,
          strokeWidth: 2,
          strokeDasharray: look.dash,
          clip: true,
        }),
      ),
    },
  };
}

export type InvarianceResults = ResultsOf<typeof invarianceFigure>;

/** When a level first becomes invariant, and in which layer. */
function firstLayer(layers: readonly InvarianceRow[]): FindingRow[] {
  const first = earliest(layers);
  if (!first?.overStep) return [];
  const { series, shape, level } = first;
  return [
    {
      quantity: `level ${level} invariant at P / P_${level + 1} =`,
      where: `${series}, ${shapeName(shape)}`,
      predicted: undefined,
      measured: first.overStep,
      comment: `first in layer ${first.layer}; theory: of order 1 and the same for all m. ${otherLayers(layers, first)}`,
      verdict: '-',
    },
  ];
}

/** The layer that becomes invariant first. */
function earliest(layers: readonly InvarianceRow[]): InvarianceRow | undefined {
  const reached = layers.filter((row) => row.reached > 0 && row.overStep);
  return reached.length ? reached.reduce((a, b) => (b.estimate.value < a.estimate.value ? b : a)) : undefined;
}

function otherLayers(layers: readonly InvarianceRow[], first: InvarianceRow): string {
  const others = layers.filter((row) => row !== first);
  const late = others.filter((row) => row.overStep?.bound === 'none');
  const never = others.filter((row) => !late.includes(row)).map((row) => row.layer);
  return [
    late.map((row) => `layer ${row.layer} at ${showNumber(row.overStep!.value)}`).join(', '),
    never.length ? `not in all runs: layer ${never.join(', ')}` : '',
  ]
    .filter(Boolean)
    .join('; ');
}
