import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { shapeName } from '../curves.js';
import {
  type DenoisingRow,
  type DepthRow,
  denoisingRows,
  depthRows,
  middleOf,
  rootLosses,
  type ValidityCurve,
  validityCurves,
} from '../denoising.js';
import { round, showEstimate } from '../format.js';
import { groupBy } from '../staircase.js';
import { grammarNumbers, shapeColumns } from '../tables.js';
import { compose, logAxis, type Panel } from './canvas.js';
import { bySize } from './legend.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

/** Noise and denoising level by level, and the sentences that networks of masked tokens write. */
export const denoisingFigure = figure({
  name: 'denoising',
  title: 'Noise on the leaves, and sentences written in sweeps',
  chapter: 'masked',
  results({ curves }) {
    const denoising = denoisingRows(curves);
    return {
      ...{ denoising, denoisingDepths: depthRows(denoising) },
      ...{ rootLosses: rootLosses(denoising), validity: validityCurves(curves) },
    };
  },
  tables: (all) => [
    {
      name: 'denoising',
      about:
        'fraction of symbols of a level that are others after a part of the tokens was replaced and a tree drawn from the exact posterior',
      rows: all.denoising.flatMap(({ shape, grammar, points }) =>
        points.flatMap(({ rate, changed, error }) =>
          changed.map((x, level) => ({
            ...shapeColumns(shape),
            grammar: grammarNumbers(all).get(grammar)!,
            ...{ level, rate, changed: x, error: error[level] },
          })),
        ),
      ),
    },
    {
      name: 'denoisingDepths',
      about: 'how often the root changes in trees of several depths, by the rate at which tokens are replaced',
      rows: all.denoisingDepths.flatMap(({ shape, points }) => points.map((p) => ({ ...shapeColumns(shape), ...p }))),
    },
    {
      name: 'validity',
      about:
        'fraction of sentences, written by a network of masked tokens from nothing, that obey the rules up to a level',
      rows: all.validity.flatMap((c) =>
        c.points.map((p) => ({
          series: c.series,
          ...shapeColumns(c.shape),
          grammar: grammarNumbers(all).get(c.grammar)!,
          level: c.level,
          ...p,
        })),
      ),
    },
  ],
  sections: [
    {
      name: 'denoising',
      title: 'Denoising',
      findings: (r) =>
        r.rootLosses.map(({ shape, predicted, measured }) => ({
          quantity: 'rate of noise at which the root changes half as often as by chance',
          where: shapeName(shape),
          predicted,
          measured,
          comment: `predicted for a deep tree, by density evolution over grammars; here L = ${shape.L}`,
          verdict: '-' as const,
        })),
    },
  ],
  caption: () => ({
    predicts:
      'tokens are replaced at a rate, and a tree is drawn from the exact posterior given what is left. Tokens change gradually; the root is lost at a threshold (dashed, for a deep tree, by density evolution), the more sharply the deeper the tree. A network that has learnt the levels up to l writes sentences that obey the rules up to l.',
    measured:
      'first row, the fraction of symbols of each level that are others afterwards, one grammar a size. Second row, the root alone in trees of depth 2, 4 and 6 (darker), two grammars each. Below, sentences that networks of masked tokens write from nothing, a token a sweep in random order: the fraction that obeys the rules up to each level, against training sentences P, means over grammars.',
  }),
  table: (analysis) => ({
    head: ['size', 'predicted threshold', 'middle of the root', 'of the tokens'],
    rows: analysis.rootLosses.map(({ shape, predicted, measured }) => {
      const rows = analysis.denoising.filter((row) => shapeName(row.shape) === shapeName(shape));
      const tokens = rows.reduce((sum, row) => sum + middleOf(row, 0) / rows.length, 0);
      return [
        shapeName(shape),
        predicted === undefined ? 'none: any noise is lost' : String(round(predicted)),
        showEstimate(measured),
        String(round(tokens)),
      ];
    }),
  }),
  draw: (analysis, canvas) => {
    const { denoising, validity } = analysis;
    if (!denoising.length) return undefined;
    const deepest = Math.max(...denoising.map((row) => row.shape.L));
    const names = ['tokens', ...Array.from({ length: deepest }, (_, i) => `level ${i + 1}`)];
    const looks = looksFor(names, canvas.theme);
    const sizes = groupBy(denoising, (row) => shapeName(row.shape)).sort(bySize);
    const panels: Panel[] = sizes.map(([row]) => {
      const { predicted } = analysis.rootLosses.find((loss) => shapeName(loss.shape) === shapeName(row.shape))!;
      return noisePanel(row, predicted, names, looks, canvas);
    });
    for (const [{ shape }] of sizes) {
      const { predicted } = analysis.rootLosses.find((loss) => shapeName(loss.shape) === shapeName(shape))!;
      const own = analysis.denoisingDepths.filter(
        ({ shape: { v, m, s } }) => v === shape.v && m === shape.m && s === shape.s,
      );
      panels.push(depthPanel(own, predicted, canvas));
    }
    for (const own of groupBy(validity, (c) => c.series))
      for (const [{ shape }] of sizes) {
        const group = own.filter((c) => shapeName(c.shape) === shapeName(shape));
        panels.push(group.length ? validityPanel(group, names, looks) : { title: '', options: { marks: [] } });
      }
    return compose(canvas, panels, sizes.length, 190, [...looks.values()]);
  },
});

function noisePanel(
  { shape, points }: DenoisingRow,
  predicted: number | undefined,
  names: readonly string[],
  looks: ReadonlyMap<string, Look>,
  { theme }: Canvas,
): Panel {
  return {
    title: `v=${shape.v} m=${shape.m} L=${shape.L}, exact posterior`,
    options: {
      x: { domain: [0, 1], label: 'rate of noise', labelArrow: 'none', grid: true, ticks: 5 },
      y: { domain: [0, 1], label: 'symbols changed', labelArrow: 'none', grid: true, ticks: [0, 0.5, 1] },
      marks: [
        ...(predicted === undefined ? [] : [Plot.ruleX([predicted], { stroke: theme.muted, strokeDasharray: '3 3' })]),
        ...points[0].changed.map((_, level) => {
          const { color, dash } = looks.get(names[level])!;
          const line = points.map(({ rate, changed }) => ({ rate, y: changed[level] }));
          return Plot.line(line, { x: 'rate', y: 'y', stroke: color, strokeDasharray: dash, strokeWidth: 1.8 });
        }),
      ],
    },
  };
}

function depthPanel(rows: readonly DepthRow[], predicted: number | undefined, { theme }: Canvas): Panel {
  const { v, m } = rows[0].shape;
  return {
    title: `v=${v} m=${m}, the root at depth ${rows.map(({ shape }) => shape.L).join(', ')}`,
    options: {
      x: { domain: [0, 1], label: 'rate of noise', labelArrow: 'none', grid: true, ticks: 5 },
      y: { domain: [0, 1], label: 'root changed', labelArrow: 'none', grid: true, ticks: [0, 0.5, 1] },
      marks: [
        ...(predicted === undefined ? [] : [Plot.ruleX([predicted], { stroke: theme.muted, strokeDasharray: '3 3' })]),
        ...rows.map(({ points }, i) =>
          Plot.line(points, {
            ...{ x: 'rate', y: 'changed', stroke: theme.ink, strokeWidth: 1.8 },
            strokeOpacity: 0.3 + (0.7 * i) / Math.max(1, rows.length - 1),
          }),
        ),
      ],
    },
  };
}

function validityPanel(
  group: readonly ValidityCurve[],
  names: readonly string[],
  looks: ReadonlyMap<string, Look>,
): Panel {
  const { kind, shape } = group[0];
  return {
    title: `v=${shape.v} m=${shape.m} L=${shape.L}, ${modelFacts(kind).short}`,
    options: {
      x: logAxis(
        group.flatMap((c) => c.points.map((p) => p.samples)),
        'training sentences P',
      ),
      y: { domain: [0, 1], label: 'sentences valid', labelArrow: 'none', grid: true, ticks: [0, 0.5, 1] },
      marks: groupBy(group, (c) => String(c.level)).map((own) => {
        const { color, dash } = looks.get(names[own[0].level])!;
        const bySamples = groupBy(
          own.flatMap((c) => c.points.filter(({ valid }) => Number.isFinite(valid))),
          (p) => String(p.samples),
        );
        const line = bySamples.map((ps) => ({
          samples: ps[0].samples,
          valid: ps.reduce((sum, p) => sum + p.valid / ps.length, 0),
        }));
        line.sort((a, b) => a.samples - b.samples);
        return Plot.line(line, {
          ...{ x: 'samples', y: 'valid', stroke: color, strokeDasharray: dash, strokeWidth: 1.8, clip: true },
        });
      }),
    },
  };
}
