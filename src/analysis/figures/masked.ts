import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { type Curve, shapeName } from '../curves.js';
import { round, showNumber } from '../format.js';
import { maskedCurves, maskedExcesses, maskedTable } from '../masked.js';
import { groupBy } from '../staircase.js';
import { grammarNumbers, shapeColumns } from '../tables.js';
import { compose, isNarrow, logAxis, type Panel, plateauMarks } from './canvas.js';
import { bySize, seriesLegend } from './legend.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, seriesLooks } from './theme.js';

const GRAMMARS_SHOWN = 3;

/** Test loss of masked tokens against P, with the exact losses level by level. */
export const maskedFigure = figure({
  name: 'masked',
  title: 'Masked tokens: the loss and that of exact inference on the tree',
  chapter: 'masked',
  results: ({ curves }) => ({ masked: maskedTable(curves), maskedExcesses: maskedExcesses(curves) }),
  tables: (all) => [
    {
      name: 'masked',
      about: 'test loss of masked tokens against training sentences P, and the exact losses H(0) .. H(L), in nats',
      rows: maskedCurves(all.curves).flatMap((c) =>
        c.points.map(({ samples, loss, accuracy }) => ({
          series: c.series,
          ...shapeColumns(c.shape),
          grammar: grammarNumbers(all).get(c.grammar)!,
          samples,
          loss,
          accuracy,
          floor: c.plateaus!.at(-1)!,
          ...Object.fromEntries(c.plateaus!.map((H, ell) => [`H_${ell}`, H])),
        })),
      ),
    },
  ],
  sections: [
    {
      name: 'masked',
      title: 'Masked tokens',
      findings: (r) => [
        ...r.maskedExcesses.map(({ series, shape, excess, floor, start }) => ({
          quantity: 'last loss of masked tokens over the exact one, nats',
          where: `${series}, ${shapeName(shape)}`,
          predicted: 0,
          measured: excess,
          comment: `a trained network reaches 0 with enough data and steps; H(0) = ${round(start)}, H(L) = ${round(floor)}`,
          verdict: '-' as const,
        })),
        ...r.masked.map((row) => ({
          quantity: `P_${row.ell} of masked tokens`,
          where: `${row.series}, ${shapeName(row.shape)}`,
          predicted: row.predicted,
          measured: row.estimate,
          comment: row.predicted ? `prefactor ${round(row.estimate.value / row.predicted)}` : ' ',
          verdict: '-' as const,
        })),
      ],
    },
  ],
  caption: () => ({
    predicts:
      'no network gets below H(L), the loss of exact inference (belief propagation) from all visible tokens. On the way down the loss stays near H(ell), the loss of exact inference from the visible ones of the s^ell tokens under the level-ell ancestor of the masked token (dashed).',
    measured:
      'test loss of the masked tokens: the mean over sentences of the mean over their masked tokens. A causal network has a separate floor, from the tokens before the masked one (dotted, in its colour).',
  }),
  table: ({ masked, maskedExcesses }) => ({
    head: ['series', 'size', 'step', 'P', 'law', 'last loss over H(L), nats'],
    rows: masked.map((row) => {
      const excess = maskedExcesses.find((e) => e.series === row.series && shapeName(e.shape) === shapeName(row.shape));
      const { value, bound } = row.estimate;
      return [
        row.series,
        shapeName(row.shape),
        `P_${row.ell}`,
        `${bound === 'lower' ? '> ' : bound === 'upper' ? '< ' : ''}${showNumber(value)}`,
        row.predicted === undefined ? '-' : showNumber(row.predicted),
        excess ? String(round(excess.excess.value)) : '-',
      ];
    }),
  }),
  draw: (analysis, canvas) => {
    const curves = maskedCurves(analysis.curves);
    if (!curves.length) return undefined;
    const looks = seriesLooks(new Map(curves.map((c) => [c.series, c.kind])), canvas.theme);
    const sizes = groupBy(curves, (c) => shapeName(c.shape)).sort(bySize);
    const grammars = Math.max(...sizes.map((size) => groupBy(size, (c) => c.grammar).length));
    const x = logAxis(
      curves.flatMap((c) => c.points.map((p) => p.samples)),
      'training sentences P',
    );
    const panels: Panel[] = [];
    for (let row = 0; row < Math.min(grammars, isNarrow(canvas) ? 1 : GRAMMARS_SHOWN); row++)
      for (const size of sizes) {
        const group = groupBy(size, (c) => c.grammar)[row];
        panels.push(group ? lossPanel(group, row, x, looks, canvas) : { title: '', options: { marks: [] } });
      }
    return compose(canvas, panels, sizes.length, 230, seriesLegend(curves, looks), true);
  },
});

function lossPanel(
  group: readonly Curve[],
  row: number,
  x: ReturnType<typeof logAxis>,
  looks: ReadonlyMap<string, Look>,
  { theme }: Canvas,
): Panel {
  const isCausal = (c: Curve) => modelFacts(c.kind).causal ?? false;
  const bothSides = group.find((c) => !isCausal(c));
  const floors = groupBy(group.filter(isCausal), (c) => c.series).map(([c]) => c);
  const top = 1.2 * Math.max(...group.map((c) => c.plateaus![0]), Math.log(group[0].shape.v));
  return {
    title: `v=${group[0].shape.v} m=${group[0].shape.m} L=${group[0].shape.L}, grammar ${row + 1}`,
    options: {
      x,
      y: { domain: [0, top], label: 'test loss (nats)', labelArrow: 'none', grid: false, ticks: 5 },
      marginRight: 34,
      marks: [
        ...plateauMarks(bothSides?.plateaus ?? [], theme, undefined, top / 14),
        ...floors.map((c) =>
          Plot.ruleY([c.plateaus!.at(-1)!], {
            stroke: looks.get(c.series)!.color,
            strokeDasharray: '1 3',
            strokeWidth: 1.5,
          }),
        ),
        ...group.map((c) => {
          const { color, dash } = looks.get(c.series)!;
          return Plot.line(c.points, {
            ...{ x: 'samples', y: 'loss', stroke: color, strokeDasharray: dash, strokeWidth: 1.8, clip: true },
          });
        }),
        ...groupBy(group, (c) => c.series).map(([c]) => {
          const { color, symbol } = looks.get(c.series)!;
          return Plot.dot([c.points.at(-1)!], { x: 'samples', y: 'loss', symbol, r: 3.5, fill: color, stroke: color });
        }),
      ],
    },
  };
}
