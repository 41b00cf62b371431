import * as Plot from '@observablehq/plot';
import { type Curve, shapeName } from '../curves.js';
import { groupBy } from '../staircase.js';
import { compose, isNarrow, logAxis, type Panel, plateauMarks } from './canvas.js';
import { bySize, seriesLegend } from './legend.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, seriesLooks } from './theme.js';

const GRAMMARS_SHOWN = 4;

const isShown = ({ online, masked }: Curve) => online && !masked; // masked tokens have a separate figure

/** Learning curves of one pass, grammar by grammar, each over its own plateaus. */
export const curvesFigure = figure({
  name: 'curves',
  title: 'One pass over fresh sentences: learning curves over the plateaus of each grammar',
  chapter: 'onePass',
  caption: ({ curves }) => {
    const online = curves.filter(isShown);
    const most = Math.max(
      0,
      ...groupBy(online, (c) => shapeName(c.shape)).map((g) => new Set(g.map((c) => c.grammar)).size),
    );
    return {
      predicts:
        'the test loss falls in steps: it stays near H(ell), the exact entropy of the last token given the s^ell - 1 tokens that share its level-ell ancestor (dashed), until the next level is learnt, and ends at H(L).',
      measured: `loss minus the floor H(L) of each grammar.${most > GRAMMARS_SHOWN ? ` The first ${GRAMMARS_SHOWN} grammars of each size are shown; all are in the table curves.` : ''}`,
    };
  },
  draw: (analysis, canvas) => {
    const curves = analysis.curves.filter(isShown);
    if (!curves.length) return undefined;
    const looks = seriesLooks(analysis.kinds, canvas.theme);
    const sizes = groupBy(curves, (c) => shapeName(c.shape)).sort(bySize);
    const shown = isNarrow(canvas) ? 1 : GRAMMARS_SHOWN;
    const rows = Math.min(shown, Math.max(...sizes.map((size) => groupBy(size, (c) => c.grammar).length)));
    const x = logAxis(
      curves.flatMap((c) => c.points.map((p) => p.samples)),
      'training sentences P',
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
});

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
  // Below a fraction of the last step there is only the noise of the test set; the loss of an untrained network is far above H(0).
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
