import * as Plot from '@observablehq/plot';
import { shapeName } from '../curves.js';
import { showNumber } from '../format.js';
import type { InvarianceRow } from '../invariance.js';
import { groupBy } from '../staircase.js';
import { estimateColumns } from '../tables.js';
import { compose, isNarrow, type Panel } from './canvas.js';
import type { InvarianceResults } from './invariance.js';
import { bySize } from './legend.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';

/** Layers by levels: when each becomes invariant, in units of the corresponding step. */
export const transitionsFigure = figure<object, InvarianceResults>({
  name: 'transitions',
  title: 'Which layer becomes invariant, and when',
  chapter: 'representations',
  tables: (all) => [
    {
      name: 'transitions',
      about: 'P at which a layer becomes invariant to rules at a level (the ratio falls below one half)',
      rows: all.invariance.map((r) => ({
        series: r.series,
        size: shapeName(r.shape),
        layer: r.layer,
        level: r.level,
        ...estimateColumns(r.estimate),
        reached: r.reached,
        curves: r.curves,
      })),
    },
  ],
  caption: () => ({
    predicts:
      'a layer becomes invariant to the choice of rules at level l at about the P at which the loss takes step l + 1, so the numbers are of order 1 and do not depend on m. In a network that builds the hierarchy layer by layer, layers below l + 1 do not become invariant at all.',
    measured:
      'each number is the P at which the ratio of the figure above falls below one half, over the measured P_(l+1). Strong colour: early. >: not in all runs before their end. -: in no run.',
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
});

function layersPanel(rows: readonly InvarianceRow[], { theme }: Canvas): Panel {
  const { series, shape } = rows[0];
  return {
    title: series,
    subtitle: shapeName(shape),
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

/** 0.5 at a third of the step or earlier, 0 at three times the step or never. */
function early({ overStep }: InvarianceRow): number {
  if (overStep?.bound !== 'none') return 0;
  return Math.min(0.5, Math.max(0.04, 0.25 * (1 - Math.log(overStep.value) / Math.log(3))));
}

function cellText({ overStep, reached }: InvarianceRow): string {
  if (overStep?.bound === 'none') return showNumber(Number(overStep.value.toPrecision(2)));
  return overStep?.bound === 'lower' && reached ? `> ${showNumber(Number(overStep.value.toPrecision(2)))}` : '-';
}
