import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { shapeName } from '../curves.js';
import { round, showEstimate } from '../format.js';
import { halfOf, type ProbeCurve, positionCurve, positionsIn, probeCurves, probeTable } from '../probes.js';
import { groupBy, positionsOf } from '../staircase.js';
import { grammarNumbers, shapeColumns } from '../tables.js';
import { compose, isNarrow, logAxis, type Panel } from './canvas.js';
import { bySize } from './legend.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { seriesLooks } from './theme.js';

/** Linear read-outs of hidden symbols from every layer and position, against P. */
export const probesFigure = figure({
  name: 'probes',
  title: 'Linear read-outs of hidden symbols, from every layer and position',
  chapter: 'representations',
  results({ curves, positions }) {
    const found = probeCurves(curves);
    return { probeCurves: found, probes: probeTable(found, positions) };
  },
  tables: (all) => [
    {
      name: 'probes',
      about:
        'accuracy of a linear read-out of the hidden symbol at `place` of `level` from `position` of `layer`, against P',
      rows: all.probeCurves.flatMap((c) =>
        c.points.flatMap(({ samples, map }) =>
          map.flatMap((row, position) =>
            row.map((accuracy, place) => ({
              series: c.series,
              ...shapeColumns(c.shape),
              grammar: grammarNumbers(all).get(c.grammar)!,
              ...{ layer: c.layer, level: c.level, position, place, samples, accuracy },
            })),
          ),
        ),
      ),
    },
  ],
  sections: [
    {
      name: 'probes',
      title: 'Linear read-outs',
      findings: (r) =>
        r.probes
          .filter((row) => row.overLaw && row.reached > 0 && row.half.bound !== 'upper')
          .map((row) => ({
            quantity: `level ${row.level} read from layer ${row.layer} at P / P_${row.level + 1} =`,
            where: `${row.series}, ${shapeName(row.shape)}`,
            predicted: undefined,
            measured: row.overStep ?? row.overLaw!,
            comment: `${row.overStep ? 'P of the loss' : 'P of the law, without its prefactor'}; ${row.reached} of ${row.curves} positions pass one half, the last accuracy is ${round(row.last)}`,
            verdict: '-' as const,
          })),
    },
  ],
  caption: ({ probeCurves }) => ({
    predicts:
      'a linear read-out finds the hidden symbols of level l in a layer that has reconstructed them; this coincides with step P_(l+1) of the loss (dashed), which needs them. In a convolutional net they are at the position above the symbol, in a transformer at any position.',
    measured: `accuracy of a linear read-out, for the symbol of the level that is best read from the position: one line per position, later ones darker; a dot where it passes one half, unless it is above one half from the start, as for symbols of low levels in small networks with random weights. ${new Set(probeCurves.map((c) => c.grammar)).size > 1 ? 'One grammar of the largest size for each network; all are in the table.' : ''}`,
  }),
  table: ({ probes }) => ({
    head: [
      'series',
      'size',
      'level',
      'layer',
      'one half at P',
      'over P_(l+1) of the law',
      'of the loss',
      'positions',
      'last',
    ],
    rows: probes.map((row) => [
      row.series,
      shapeName(row.shape),
      String(row.level),
      String(row.layer),
      showEstimate(row.half),
      row.overLaw ? showEstimate(row.overLaw) : '-',
      row.overStep ? showEstimate(row.overStep) : '-',
      `${row.reached} of ${row.curves}`,
      String(round(row.last)),
    ]),
  }),
  draw: (analysis, canvas) => {
    const curves = analysis.probeCurves;
    if (!curves.length) return undefined;
    const networks = groupBy(curves, (c) => c.series).map((own) => {
      const sizes = groupBy(own, (c) => shapeName(c.shape)).sort(bySize);
      return groupBy(sizes[sizes.length - 1], (c) => c.replica)[0];
    });
    const levels = [...new Set(networks.flat().map((c) => c.level))].sort((a, b) => a - b);
    const x = logAxis(
      networks.flat().flatMap((c) => c.points.map((p) => p.samples)),
      'training sentences P',
    );
    const panels: Panel[] = [];
    for (const network of networks) {
      const loss = analysis.curves.find((c) => c.replica === network[0].replica)!;
      const steps = new Map(
        positionsOf(loss).map(({ ell, bound, logSamples }) => [ell, bound === 'none' && Math.exp(logSamples)]),
      );
      for (const own of groupBy(network, (c) => String(c.layer)))
        for (const level of levels) {
          const curve = own.find((c) => c.level === level);
          panels.push(curve ? probePanel(curve, steps.get(level + 1) || undefined, x, analysis.kinds, canvas) : empty);
        }
    }
    return compose(canvas, panels, levels.length, isNarrow(canvas) ? 130 : 118, [], false, 2);
  },
});

const empty: Panel = { title: '', options: { marks: [] } };

function probePanel(
  curve: ProbeCurve,
  step: number | undefined,
  x: ReturnType<typeof logAxis>,
  kinds: Parameters<typeof seriesLooks>[0],
  { theme }: Canvas,
): Panel {
  const { color } = seriesLooks(kinds, theme).get(curve.series)!;
  const count = positionsIn(curve);
  const halves = Array.from({ length: count }, (_, p) => halfOf(curve, p)).flatMap((at) =>
    at?.bound === 'none' ? [{ samples: Math.exp(at.logSamples), accuracy: 0.5 }] : [],
  );
  const { m } = curve.shape;
  return {
    title: `${modelFacts(curve.kind).short} m=${m}, level ${curve.level}, layer ${curve.layer}`,
    options: {
      x,
      y: { domain: [0, 1], label: 'accuracy', labelArrow: 'none', ticks: [0, 0.5, 1], grid: true },
      marks: [
        Plot.ruleY([0.5], { stroke: theme.muted, strokeWidth: 0.8 }),
        ...(step ? [Plot.ruleX([step], { stroke: theme.muted, strokeDasharray: '3 3' })] : []),
        ...Array.from({ length: count }, (_, p) =>
          Plot.line(positionCurve(curve, p), {
            ...{ x: 'samples', y: 'accuracy', stroke: color, strokeWidth: 1.3, clip: true },
            strokeOpacity: count > 1 ? 0.3 + (0.7 * p) / (count - 1) : 1,
          }),
        ),
        Plot.dot(halves, { x: 'samples', y: 'accuracy', r: 2.6, fill: color, stroke: theme.paper, strokeWidth: 0.6 }),
      ],
    },
  };
}
