import * as Plot from '@observablehq/plot';
import { stepExcess } from '../../theory/steps.js';
import { type Curve, shapeName } from '../curves.js';
import { showEstimate } from '../format.js';
import { groupBy } from '../staircase.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { BASE, byWiring, type WiringRow, wiredName, wiringTable } from '../wiring.js';
import { compose, logAxis, type Panel, plateauMarks } from './canvas.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

/** Best loss against P with positions in an unknown order, for networks that know the tree, find it, or do not have it. */
export const wiringFigure = figure({
  name: 'wiring',
  title: 'Positions in an unknown order: networks along the true tree, the found tree, a wrong tree, and no tree',
  chapter: 'neighbours',
  results: ({ studies }) => ({ wiring: wiringTable(studies.wiring) }),
  tables: (all) => [
    {
      name: 'wiring',
      about:
        'P_ell with positions in an unknown order, and its ratio to that of the CNN along the true tree on the same grammars',
      rows: all.wiring.map((r) => ({
        network: r.network,
        ...shapeColumns(r.shape),
        ell: r.ell,
        ...estimateColumns(r.P),
        ratio: r.ratio?.value ?? null,
        ratioLow: r.ratio?.low ?? null,
        ratioHigh: r.ratio?.high ?? null,
        ratioBound: r.ratio?.bound ?? null,
      })),
    },
  ],
  sections: [
    {
      name: 'wiring',
      title: 'Unknown order of positions',
      findings: ({ wiring }) =>
        wiring.flatMap((r) =>
          r.ratio
            ? [
                {
                  quantity: `P_${r.ell} over that along the true tree`,
                  where: `${r.network}, ${shapeName(r.shape)}`,
                  predicted: r.predicted,
                  measured: r.ratio,
                  comment: r.predicted === undefined ? 'no value is predicted' : '',
                },
              ]
            : [],
        ),
    },
  ],
  summary: ({ wiring }) => {
    const deepest = Math.max(...wiring.map((r) => r.ell));
    const parts = wiring.filter((r) => r.ratio && r.ell === Math.min(deepest, 3)).map(ratioText);
    return parts.length
      ? [
          `Positions in an unknown order, P_${Math.min(deepest, 3)} over that of the CNN along the true tree: ${parts.join('; ')}.`,
        ]
      : [];
  },
  caption: () => ({
    predicts:
      'as soon as P sentences suffice to find the tree from token pairs, a CNN along the found tree equals one along the true tree. Along a wrong tree, its filters cover tokens of different symbols; a transformer uses no tree.',
    measured:
      'best loss minus the exact loss against P, one line per grammar; dashed: plateaus, mean over grammars. Lines of the found tree begin at the P at which the sentences determine the tree (with probability 0.9 at every level; for the CNN also the order within groups, by two standard deviations).',
  }),
  table: ({ wiring }) => ({
    head: ['network', 'grammar', 'step', 'P', 'over the true tree'],
    rows: wiring.map((r) => [
      r.network,
      shapeName(r.shape),
      `P_${r.ell}`,
      showEstimate(r.P),
      r.ratio ? showEstimate(r.ratio) : '-',
    ]),
  }),
  draw: ({ studies }, canvas) => {
    const curves = byWiring(studies.wiring).filter((c) => c.plateaus && c.points.length > 1);
    if (!curves.length) return undefined;
    const names = [...new Set(curves.map(wiredName))];
    const looks = looksFor(names, canvas.theme);
    const panels = groupBy(curves, (c) => shapeName(c.shape)).flatMap((size) =>
      names
        .filter((name) => name !== BASE)
        .map((name) => {
          const shown = size.filter((c) => wiredName(c) === name || wiredName(c) === BASE);
          return wiringPanel(name, shown, size, looks, canvas);
        }),
    );
    return compose(canvas, panels, Math.min(2, panels.length), 190, [...looks.values()], true);
  },
});

function wiringPanel(
  name: string,
  shown: readonly Curve[],
  size: readonly Curve[],
  looks: ReadonlyMap<string, Look>,
  { theme }: Canvas,
): Panel {
  const grammars = groupBy(size, (c) => c.grammar).map(([c]) => c.plateaus!);
  const L = grammars[0].length - 1;
  const heights = Array.from(
    { length: L },
    (_, ell) => grammars.reduce((sum, H) => sum + H[ell] - H[L], 0) / grammars.length,
  );
  const floor = Math.min(...grammars.map((H) => stepExcess(H, L))) / 3;
  const lines = shown.map((curve) => ({
    look: looks.get(wiredName(curve))!,
    points: curve.points.flatMap((p) => (p.excess! > floor ? [{ x: p.samples, y: p.excess! }] : [])),
  }));
  return {
    title: name,
    subtitle: shapeName(size[0].shape),
    options: {
      x: logAxis(
        size.flatMap((c) => c.points.map((p) => p.samples)),
        'distinct sentences P',
      ),
      y: logAxis([floor, 1.3 * heights[0]], 'loss - exact (nats)'),
      marginRight: 34,
      marks: [
        ...plateauMarks(heights, theme),
        ...lines.flatMap(({ look, points }) => [
          Plot.line(points, {
            x: 'x',
            y: 'y',
            stroke: look.color,
            strokeDasharray: look.dash,
            strokeWidth: 1.2,
            clip: true,
          }),
          Plot.dot(points, {
            x: 'x',
            y: 'y',
            r: 2,
            symbol: look.symbol,
            fill: look.color,
            stroke: look.color,
            clip: true,
          }),
        ]),
      ],
    },
  };
}

const ratioText = ({ network, ratio }: WiringRow): string => `${network} ${showEstimate(ratio!)}`;
