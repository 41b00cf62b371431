import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { sampleComplexity } from '../../theory/index.js';
import { lawNames } from '../collapse.js';
import { density, shapeName } from '../curves.js';
import { showNumber, showPower } from '../format.js';
import { type InvarianceCurve, type InvarianceRow, layerShown } from '../invariance.js';
import type { Analysis } from '../results.js';
import { groupBy } from '../staircase.js';
import { type Canvas, compose, isNarrow, logAxis, type Panel } from './canvas.js';
import { bySize } from './learning.js';
import type { FigureSpec } from './spec.js';
import { type Look, looksFor } from './theme.js';

const usable = ({ invarianceCurves }: Analysis) =>
  invarianceCurves.filter((c) => density(c.shape) < 1 && c.points.length > 2 && c.level < c.shape.L);

/** Invariance ratios against P, and over P / P_(level+1). */
export const invarianceFigure: FigureSpec = {
  name: 'invariance',
  title: 'When a layer stops telling synonyms apart',
  caption: () => ({
    predicts:
      'the ratio (1 - S_rule) / (1 - S_symbol) falls from 1 to 0 when a layer becomes invariant to the choice of rules at a level; level l goes with the step P_(l+1) of the loss, so curves of all sizes coincide over P / P_(l+1). Convolutional nets: layer l + 1, the first whose units see a whole block of the next level. Transformers: the last layer.',
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
};

function shownLayers(curves: readonly InvarianceCurve[], { kinds }: Analysis): InvarianceCurve[] {
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
  { kinds }: Analysis,
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
        rescaled ? `P / P_${level + 1}` : 'training samples P',
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

/** Layers by levels: when each becomes invariant, in units of the step that goes with it. */
export const transitionsFigure: FigureSpec = {
  name: 'transitions',
  title: 'Which layer becomes invariant, and when',
  caption: () => ({
    predicts:
      'a layer drops the choice of rules at level l about when the loss takes step l + 1, so numbers are of order 1 and do not change with m. In a network that builds the hierarchy layer by layer, layers below l + 1 do not become invariant at all.',
    measured:
      'each number is P at which the ratio of the figure above falls below one half, over the measured P_(l+1). Strong colour: early; > : not in all runs by their end; - : never seen.',
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.invariance.filter((r) => r.level < r.shape.L && r.overStep);
    if (!rows.length) return undefined;
    const sizes = groupBy(rows, (r) => shapeName(r.shape)).sort(bySize);
    const panels: Panel[] = [];
    for (const own of groupBy(rows, (r) => r.series))
      for (const [{ shape }] of sizes) {
        const here = own.filter((r) => shapeName(r.shape) === shapeName(shape));
        if (here.length) panels.push(layersPanel(here, canvas));
        else if (!isNarrow(canvas)) panels.push({ title: '', options: { marks: [] } });
      }
    return compose(canvas, panels, sizes.length, 150, []);
  },
};

function layersPanel(rows: readonly InvarianceRow[], { theme }: Canvas): Panel {
  const { series, shape } = rows[0];
  return {
    title: `${series}, ${shapeName(shape)}`,
    options: {
      marginTop: 4,
      x: { label: 'layer', labelArrow: 'none', padding: 0.06, tickSize: 0 },
      y: { label: 'level', labelArrow: 'none', padding: 0.08, tickSize: 0, reverse: true },
      marks: [
        Plot.cell(rows, {
          x: 'layer',
          y: 'level',
          fill: theme.palette[0],
          fillOpacity: early,
          stroke: theme.muted,
          strokeOpacity: 0.4,
        }),
        Plot.text(rows, { x: 'layer', y: 'level', text: cellText, fill: theme.ink, fontSize: 11 }),
      ],
    },
  };
}

/** 0.5 at a third of the step or before, 0 at three times or never. */
function early({ overStep }: InvarianceRow): number {
  if (overStep?.bound !== 'none') return 0;
  return Math.min(0.5, Math.max(0.04, 0.25 * (1 - Math.log(overStep.value) / Math.log(3))));
}

function cellText({ overStep, reached }: InvarianceRow): string {
  if (overStep?.bound === 'none') return showNumber(Number(overStep.value.toPrecision(2)));
  return overStep?.bound === 'lower' && reached ? `> ${showNumber(Number(overStep.value.toPrecision(2)))}` : '-';
}
