import * as Plot from '@observablehq/plot';
import { shapeName } from '../curves.js';
import { showEstimate } from '../format.js';
import type { MeanCurve, MeanPoint } from '../means.js';
import { groupBy } from '../staircase.js';
import { compose, logAxis, type Panel, plateauMarks } from './canvas.js';
import { bySize, seriesLegend } from './legend.js';
import type { Canvas } from './paper.js';
import type { ScalingResults } from './scaling.js';
import { figure } from './spec.js';
import { type Look, seriesLooks } from './theme.js';

/** Excess loss, averaged, with its power law. */
export const excessFigure = figure<object, ScalingResults>({
  name: 'excess',
  title: 'Excess loss over the floor and its power law',
  chapter: 'onePass',
  caption: () => ({
    predicts:
      'between P_1 and P_L the excess over the floor falls as P^-alpha, with alpha = ln(1/f) / ln m for a CNN and half of that for a transformer (dotted lines, heights fitted). With few levels the steps (dashed: plateaus) remain visible and the slope is shallower.',
    measured: 'one pass, geometric mean over grammars and replicas; bands are one standard deviation.',
  }),
  table: ({ scaling }) => ({
    head: ['series', 'grammar', 'alpha predicted', 'slope of the curve'],
    rows: scaling
      .filter((r) => r.curve)
      .map((r) => [r.series, shapeName(r.shape), r.predicted?.toFixed(2) ?? '-', showEstimate(r.curve!)]),
  }),
  draw: (analysis, canvas) => {
    const means = analysis.means.filter((m) => m.plateaus && m.online);
    if (!means.length) return undefined;
    const looks = seriesLooks(analysis.kinds, canvas.theme);
    const sizes = groupBy(means, (m) => shapeName(m.shape)).sort(bySize);
    const panels = sizes.map((size) => excessPanel(size, analysis, looks, canvas));
    return compose(canvas, panels, sizes.length, 240, seriesLegend(means, looks));
  },
});

function excessPanel(
  size: readonly MeanCurve[],
  analysis: ScalingResults,
  looks: ReadonlyMap<string, Look>,
  { theme }: Canvas,
): Panel {
  const plateaus = size[0].plateaus!.slice(0, -1);
  const floor = plateaus[plateaus.length - 1] / 12;
  const visible = (m: MeanCurve) => m.points.filter((p) => p.excess > floor);
  const x = logAxis(
    size.flatMap((m) => m.points.map((p) => p.samples)),
    'training sentences P',
  );
  const y = logAxis([floor, plateaus[0] * 1.2], 'loss - H(L) (nats)');
  const guides = size.flatMap((m) => {
    const row = analysis.scaling.find((r) => r.series === m.series && shapeName(r.shape) === shapeName(m.shape));
    return row?.predicted ? [{ look: looks.get(m.series)!, points: guide(visible(m), plateaus, row.predicted) }] : [];
  });
  return {
    title: shapeName(size[0].shape),
    options: {
      x,
      y,
      marginRight: 34,
      clip: true,
      marks: [
        ...plateauMarks(plateaus, theme, false),
        ...size.flatMap((m) => {
          const look = looks.get(m.series)!;
          return [
            Plot.areaY(
              visible(m).filter((p) => p.excessLow > 0),
              {
                x: 'samples',
                y1: (p: MeanPoint) => Math.max(floor, p.excessLow),
                y2: 'excessHigh',
                fill: look.color,
                fillOpacity: 0.15,
              },
            ),
            Plot.line(visible(m), {
              x: 'samples',
              y: 'excess',
              stroke: look.color,
              strokeWidth: 2,
              strokeDasharray: look.dash,
            }),
          ];
        }),
        ...guides.map(({ look, points }) =>
          Plot.line(points, { x: 'x', y: 'y', stroke: look.color, strokeWidth: 1.2, strokeDasharray: '1 3' }),
        ),
      ],
    },
  };
}

/** The predicted slope through the point at which a curve has taken half of its levels. */
function guide(points: readonly MeanPoint[], plateaus: readonly number[], alpha: number): { x: number; y: number }[] {
  const low = plateaus[plateaus.length - 1];
  const middle = Math.sqrt(plateaus[0] * low);
  const at = points.find((p) => p.excess < middle);
  if (!at) return [];
  const line = (y: number) => ({ x: at.samples * (at.excess / y) ** (1 / alpha), y });
  return [line(plateaus[0]), line(low / 2)];
}
