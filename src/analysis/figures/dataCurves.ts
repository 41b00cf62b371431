import * as Plot from '@observablehq/plot';
import { stepExcess } from '../../theory/steps.js';
import { type Curve, shapeName } from '../curves.js';
import { groupBy } from '../staircase.js';
import { compose, logAxis, type Panel, plateauMarks } from './canvas.js';
import { bySize } from './legend.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { modelLook } from './theme.js';

const SHOWN_GRAMMARS = 6;

/** Excess of the best loss against P, one line per grammar, over the plateaus. */
export const dataCurvesFigure = figure({
  name: 'dataCurves',
  title: 'Best loss against the number of distinct sentences',
  chapter: 'inData',
  caption: () => ({
    predicts:
      'from P sentences a network learns the levels whose correlations exceed the sampling noise: as P grows, the best loss falls from plateau to plateau, H(1), H(2), ... (dashed, mean over grammars).',
    measured:
      'each line is one grammar, each point a network trained on P sentences to its best validation loss: its test loss minus that of the exact predictor on the same sentences. Open points: limited by the number of steps.',
  }),
  draw: (analysis, canvas) => {
    const curves = analysis.curves.filter((c) => !c.online && c.plateaus && c.points.length > 1);
    if (!curves.length) return undefined;
    const sizes = groupBy(curves, (c) => shapeName(c.shape)).sort(bySize);
    const kinds = [...new Set(curves.map((c) => c.kind))];
    const x = logAxis(
      curves.flatMap((c) => c.points.map((p) => p.samples)),
      'distinct sentences P',
    );
    const floorOf = ({ plateaus }: Curve) => plateaus![plateaus!.length - 1];
    const depthOf = ({ plateaus }: Curve) => plateaus!.length - 1;
    const y: [number, number] = [
      Math.min(...curves.map((c) => stepExcess(c.plateaus!, depthOf(c)))) / 4,
      1.3 * Math.max(...curves.map((c) => c.plateaus![0] - floorOf(c))),
    ];
    const panels = kinds.flatMap((kind) => sizes.map((size) => excessPanel(size, kind, x, y, canvas)));
    const looks = kinds.map((kind) => modelLook(kind, canvas.theme));
    return compose(canvas, panels, sizes.length, 150, looks, false, 2);
  },
});

function excessPanel(
  size: readonly Curve[],
  kind: Curve['kind'],
  x: ReturnType<typeof logAxis>,
  [floor, top]: [number, number],
  { theme }: Canvas,
): Panel {
  const own = size.filter((c) => c.kind === kind).slice(0, SHOWN_GRAMMARS);
  const { v, m } = size[0].shape;
  const depth = size[0].plateaus!.length - 1;
  const mean = Array.from({ length: depth }, (_, ell) =>
    Math.exp(size.reduce((sum, c) => sum + Math.log(c.plateaus![ell] - c.plateaus![depth]), 0) / size.length),
  );
  const look = modelLook(kind, theme);
  const points = own.flatMap((c) => c.points.filter((p) => p.excess! > floor));
  return {
    title: `${kind}, v=${v} m=${m}`,
    subtitle: own.length ? undefined : 'not trained at this size',
    options: {
      x,
      y: logAxis([floor, top], 'loss - exact (nats)'),
      marginRight: 34,
      marks: [
        ...plateauMarks(mean, theme),
        ...own.map((c) =>
          Plot.line(
            c.points.filter((p) => p.excess! > floor),
            { x: 'samples', y: 'excess', stroke: look.color, strokeWidth: 1.2, strokeOpacity: 0.7 },
          ),
        ),
        Plot.dot(points, {
          x: 'samples',
          y: 'excess',
          r: 2,
          fill: (p) => (p.limited ? theme.paper : look.color),
          stroke: look.color,
          strokeWidth: 1,
        }),
      ],
    },
  };
}
