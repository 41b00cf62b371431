import * as Plot from '@observablehq/plot';
import { type Curve, hasLaw, shapeName } from '../curves.js';
import { showEstimate } from '../format.js';
import type { MeanCurve, MeanPoint } from '../means.js';
import type { Analysis } from '../results.js';
import { groupBy } from '../staircase.js';
import { type Canvas, compose, isNarrow, logAxis, type Panel, plateauMarks } from './canvas.js';
import type { FigureSpec } from './spec.js';
import { type Look, seriesLooks } from './theme.js';

const SAMPLES = 'training sentences P';
const GRAMMARS_SHOWN = 4;

/** Learning curves of one pass, grammar by grammar, each with its own staircase. */
export const curvesFigure: FigureSpec = {
  name: 'curves',
  title: 'One pass over fresh sentences: each grammar with its own staircase',
  caption: ({ curves }) => {
    const online = curves.filter((c) => c.online);
    const most = Math.max(
      0,
      ...groupBy(online, (c) => shapeName(c.shape)).map((g) => new Set(g.map((c) => c.grammar)).size),
    );
    return {
      predicts:
        'the test loss comes down in steps: it waits at H(ell), the exact entropy of the last token given the s^ell - 1 tokens under its level-ell ancestor (dashed), until the next level is learnt, and ends at H(L).',
      measured: `loss over the floor H(L) of each grammar.${most > GRAMMARS_SHOWN ? ` The first ${GRAMMARS_SHOWN} grammars of each size are shown; all are in the table curves.` : ''}`,
    };
  },
  draw: (analysis, canvas) => {
    const curves = analysis.curves.filter((c) => c.online);
    if (!curves.length) return undefined;
    const looks = seriesLooks(analysis.kinds, canvas.theme);
    const sizes = groupBy(curves, (c) => shapeName(c.shape)).sort(bySize);
    const shown = isNarrow(canvas) ? 1 : GRAMMARS_SHOWN;
    const rows = Math.min(shown, Math.max(...sizes.map((size) => groupBy(size, (c) => c.grammar).length)));
    const x = logAxis(
      curves.flatMap((c) => c.points.map((p) => p.samples)),
      SAMPLES,
    );
    const panels: Panel[] = [];
    for (let row = 0; row < rows; row++)
      for (const size of sizes) {
        const group = groupBy(size, (c) => c.grammar)[row];
        const absent = [...new Set(curves.map((c) => c.series))].filter((s) => !group?.some((c) => c.series === s));
        panels.push(group ? curvePanel(group, row, x, absent, looks, canvas) : { title: '', options: { marks: [] } });
      }
    return compose(canvas, panels, sizes.length, 150, seriesLegend(curves, looks), false, 2);
  },
};

function curvePanel(
  group: readonly Curve[],
  row: number,
  x: ReturnType<typeof logAxis>,
  absent: readonly string[],
  looks: ReadonlyMap<string, Look>,
  { theme }: Canvas,
): Panel {
  const plateaus = group.find((c) => c.plateaus)?.plateaus;
  const floor = plateaus?.at(-1) ?? 0;
  const steps = (plateaus ?? []).slice(0, -1).map((H) => H - floor);
  const losses = group.flatMap((c) => c.points.map((p) => p.loss - floor).filter((y) => y > 0));
  // Below a part of the last step the noise of the test set is all there is; an untrained network lies far above H(0).
  const low = steps.length ? steps[steps.length - 1] / 8 : Math.min(...losses);
  const high = steps.length ? 1.5 * Math.max(steps[0], Math.log(group[0].shape.v) - floor) : Math.max(...losses);
  return {
    title: `v=${group[0].shape.v} m=${group[0].shape.m}, grammar ${row + 1}`,
    subtitle: absent.length ? `no run of ${absent.join(', ')}` : undefined,
    options: {
      x,
      y: logAxis([low, high], plateaus ? 'loss - H(L) (nats)' : 'loss (nats)'),
      marginRight: 34,
      marks: [
        ...plateauMarks(steps, theme),
        ...group.map((c) =>
          Plot.line(
            c.points.map((p) => ({ samples: p.samples, y: Math.max(p.loss - floor, low / 2) })),
            {
              x: 'samples',
              y: 'y',
              stroke: looks.get(c.series)!.color,
              strokeWidth: 1.4,
              strokeOpacity: 0.85,
              strokeDasharray: looks.get(c.series)!.dash,
              clip: true,
            },
          ),
        ),
      ],
    },
  };
}

/** Excess loss, averaged, with its power law. */
export const excessFigure: FigureSpec = {
  name: 'excess',
  title: 'Excess loss over the floor and its power law',
  caption: () => ({
    predicts:
      'between P_1 and P_L the excess over the floor falls as P^-alpha, alpha = ln(1/f) / ln m for a CNN and half of that for a transformer (dotted lines, placed freely); with few levels the steps (dashed heights) remain visible and the slope is shallower.',
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
};

function excessPanel(
  size: readonly MeanCurve[],
  analysis: Analysis,
  looks: ReadonlyMap<string, Look>,
  { theme }: Canvas,
): Panel {
  const plateaus = size[0].plateaus!.slice(0, -1);
  const floor = plateaus[plateaus.length - 1] / 12;
  const visible = (m: MeanCurve) => m.points.filter((p) => p.excess > floor);
  const x = logAxis(
    size.flatMap((m) => m.points.map((p) => p.samples)),
    SAMPLES,
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

/** The predicted slope through the point where a curve has half of its levels behind it. */
function guide(points: readonly MeanPoint[], plateaus: readonly number[], alpha: number): { x: number; y: number }[] {
  const low = plateaus[plateaus.length - 1];
  const middle = Math.sqrt(plateaus[0] * low);
  const at = points.find((p) => p.excess < middle);
  if (!at) return [];
  const line = (y: number) => ({ x: at.samples * (at.excess / y) ** (1 / alpha), y });
  return [line(plateaus[0]), line(low / 2)];
}

export const seriesLegend = (items: readonly { series: string }[], looks: ReadonlyMap<string, Look>) =>
  [...looks.values()].filter((look) => items.some((i) => i.series === look.label));

export function bySize([a]: readonly { shape: Curve['shape'] }[], [b]: readonly { shape: Curve['shape'] }[]): number {
  return (
    a.shape.v - b.shape.v ||
    a.shape.m - b.shape.m ||
    a.shape.L - b.shape.L ||
    Number(hasLaw(a.shape)) - Number(hasLaw(b.shape))
  );
}
