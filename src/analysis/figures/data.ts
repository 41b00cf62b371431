import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { complexityScale } from '../../theory/index.js';
import { stepExcess } from '../../theory/steps.js';
import { type Curve, density, shapeName } from '../curves.js';
import { type DataRow, formOf } from '../data.js';
import { predictedPower } from '../exponents.js';
import { showEstimate } from '../format.js';
import { groupBy } from '../staircase.js';
import type { Estimate } from '../statistics.js';
import { type Canvas, compose, type ErrorPoint, errorPoints, logAxis, type Panel, plateauMarks } from './canvas.js';
import { powerPanel } from './laws.js';
import { bySize } from './learning.js';
import type { FigureSpec } from './spec.js';
import { type Look, looksFor, modelLook, referenceLook } from './theme.js';

const usable = (rows: readonly DataRow[]) => rows.filter((r) => density(r.shape) < 1);

/** P_ell in data against m, with the laws, the learner of correlations, and one pass beside. */
export const dataFigure: FigureSpec = {
  name: 'data',
  title: 'How many distinct sentences each step takes',
  caption: () => ({
    predicts:
      'the step H(ell-1) to H(ell) takes P_ell distinct sentences, and P_ell (1-f) / v grows like m^(ell+1) for a CNN (m for ell = 1), like m^(2 ell - 1) for a transformer. Lines have these slopes; their heights are free.',
    measured:
      'filled symbols: P at which the best loss of a network trained on P sentences is half way down the step, with 95% intervals over grammars; arrows are bounds. Open symbols: one pass over fresh sentences by the same network, which counts steps. Grey crosses: a learner that uses correlations with the last token and nothing else.',
  }),
  table: ({ data }) => ({
    head: ['network', 'grammar', 'step', 'in data', 'over the law', 'correlations alone', 'one pass'],
    rows: data.map((r) => [
      modelFacts(r.kind).title,
      shapeName(r.shape),
      `P_${r.ell}`,
      showEstimate(r.data),
      r.factor ? showEstimate(r.factor) : '-',
      r.learner ? showEstimate(r.learner) : '-',
      r.pass ? `${showEstimate(r.pass)}${r.passBeyond ? ' †' : ''}` : '-',
    ]),
    note: data.some((r) => r.passBeyond)
      ? '† more than a tenth of the language: hardly any sampling noise is left there.'
      : undefined,
  }),
  draw: (analysis, canvas) => {
    const rows = usable(analysis.data);
    if (!rows.length) return undefined;
    const kinds = [...new Set(rows.map((r) => r.kind))];
    const learner = referenceLook(canvas.theme);
    let anyLearner = false;
    const panels = groupBy(rows, (r) => String(r.ell))
      .sort(([a], [b]) => a.ell - b.ell)
      .map((group): Panel => {
        const { ell } = group[0];
        const point = (r: DataRow, e: Estimate): ErrorPoint => {
          const unit = complexityScale(r.shape, ell);
          return { x: r.shape.m, y: e.value / unit, low: e.low / unit, high: e.high / unit, bound: e.bound };
        };
        const ofKind = kinds.flatMap((kind) => {
          const own = group.filter((r) => r.kind === kind);
          const look = modelLook(kind, canvas.theme);
          const passes = own.flatMap((r) => (r.pass && r.pass.bound === 'none' ? [point(r, r.pass)] : []));
          return [
            { look, power: predictedPower(kind, ell), points: own.map((r) => point(r, r.data)) },
            { look, power: undefined, points: passes, open: true },
          ];
        });
        const learnt = group
          .filter((r) => r.learner && formOf(r.kind) === formOf(group[0].kind) && r.kind === group[0].kind)
          .map((r) => point(r, r.learner!));
        if (learnt.length) anyLearner = true;
        return powerPanel(
          `step ${ell}`,
          `P_${ell} (1-f) / v`,
          [
            ...ofKind.filter((s) => s.points.length),
            ...(learnt.length ? [{ look: learner, power: undefined, points: learnt }] : []),
          ],
          canvas,
        );
      });
    const looks = kinds.map((kind) => modelLook(kind, canvas.theme));
    return compose(canvas, panels, Math.min(4, panels.length), 250, [...looks, ...(anyLearner ? [learner] : [])], true);
  },
};

/** The same at the paper's scale, from stored results: beside those of a small scale. */
export const storedDataFigure: FigureSpec = {
  name: 'paperData',
  title: "At the paper's scale: stored results",
  caption: ({ stored }) => ({
    predicts: 'as above, for v = 16 and 32.',
    measured: `not measured by these runs: ${stored!.made}; ${stored!.command} measures it again.`,
  }),
  table: (analysis) => dataFigure.table!({ ...analysis, data: analysis.stored!.data }),
  draw: (analysis, canvas) =>
    analysis.stored?.data.length ? dataFigure.draw({ ...analysis, data: analysis.stored.data }, canvas) : undefined,
};

const SHOWN_GRAMMARS = 6;

/** Excess of the best loss against P, each grammar a line, over the plateaus. */
export const dataCurvesFigure: FigureSpec = {
  name: 'dataCurves',
  title: 'Best loss against the number of distinct sentences',
  caption: () => ({
    predicts:
      'with P sentences a network learns the levels whose correlations stand out of the sampling noise: the best loss comes down the plateaus H(1), H(2), ... (dashed, mean over grammars) one by one.',
    measured:
      'each line is one grammar, each point a network trained on P sentences to its best validation loss and then tested; loss less that of the exact predictor on the same test sentences. Open points: limited by steps.',
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
};

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

const LEVELS_HEIGHT = 230;
const LINE = 11; // pixels of a label

/** Labels at one level moved up until none covers the one below it. */
function apart<T extends { level: number; y: number }>(labels: readonly T[], [low, high]: [number, number]): T[] {
  const gap = (Math.log(high / low) * LINE) / (LEVELS_HEIGHT - 56);
  const taken = new Map<number, number>();
  return [...labels]
    .sort((a, b) => a.y - b.y)
    .map((label) => {
      const y = Math.max(Math.log(label.y), (taken.get(label.level) ?? -Infinity) + gap);
      taken.set(label.level, y);
      return { ...label, y: Math.exp(y) };
    });
}

/** The authors' comparison: level against level at fixed m. */
export const levelsFigure: FigureSpec = {
  name: 'levels',
  title: "Level against level at fixed m: the authors' own comparison",
  caption: () => ({
    predicts:
      'in one pass at one batch size every P_ell holds the same factor of optimisation, so the paper compares levels of one grammar: P_(ell+1) / P_ell grows like m for a CNN and like m^2 without weight sharing (dashed). Its rescaled panels divide the time of level l by m^(l+2) or by m^(2 l + 1).',
    measured:
      'first panels: P at which level l is learnt (the invariance ratio of its layer falls below one half, or the loss takes step l + 1), as trained, over m^(l+2) and over m^(2 l + 1): flat where that law holds. Means over grammars. The power of m in each ratio is in the table.',
  }),
  table: ({ levels }) => ({
    head: ['network', 'grammar', 'ratio', 'from', 'law: power of m', 'measured'],
    rows: levels.map((r) => [
      modelFacts(r.kind).title,
      shapeName(r.shape),
      `P_${r.ell + 1} / P_${r.ell}`,
      r.from === 'loss' ? 'loss' : 'invariance',
      r.predicted === undefined ? '-' : String(r.predicted),
      showEstimate(r.estimate),
    ]),
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.positions.filter(
      (p) => p.online && p.estimate.bound === 'none' && p.ell > 1 && p.shape.m > 1,
    );
    const kindOf = (series: string) => analysis.kinds.get(series)!;
    const series = groupBy(rows, (r) => `${r.series}|${shapeName(r.shape)}`).filter((g) => g.length > 1);
    if (!series.length) return undefined;
    const scales: [string, (m: number, level: number) => number][] = [
      ['as trained', () => 1],
      ['over m^(l+2), the CNN law', (m, level) => m ** (level + 2)],
      ['over m^(2l+1), the transformer law', (m, level) => m ** (2 * level + 1)],
    ];
    const panels = scales.map(([subtitle, unit]): Panel => {
      const lines = series.map((group) => ({
        look: modelLook(kindOf(group[0].series), canvas.theme),
        name: `m=${group[0].shape.m}`,
        points: group.map((r) => ({ level: r.ell - 1, y: r.estimate.value / unit(r.shape.m, r.ell - 1) })),
      }));
      const levels = [...new Set(lines.flatMap((l) => l.points.map((p) => p.level)))].sort();
      const y = logAxis(
        lines.flatMap((l) => l.points.map((p) => p.y)),
        'P',
        0.1,
      );
      const labels = apart(
        lines.map(({ points, name, look }) => ({ ...points[points.length - 1], name, color: look.color })),
        y.domain,
      );
      return {
        title: 'P at which level l is learnt',
        subtitle,
        options: {
          x: {
            type: 'linear',
            domain: [levels[0] - 0.3, levels[levels.length - 1] + 0.5],
            ticks: levels,
            tickFormat: String,
            label: 'level l',
            labelArrow: 'none',
            grid: true,
          },
          y,
          marks: [
            ...lines.flatMap(({ look, points }) => [
              Plot.line(points, {
                x: 'level',
                y: 'y',
                stroke: look.color,
                strokeDasharray: look.dash,
                strokeWidth: 1.6,
              }),
              Plot.dot(points, { x: 'level', y: 'y', symbol: look.symbol, r: 3, fill: look.color }),
            ]),
            Plot.text(labels, {
              x: 'level',
              y: 'y',
              text: 'name',
              dx: 6,
              textAnchor: 'start',
              fontSize: 9,
              fill: (d) => d.color,
            }),
          ],
        },
      };
    });
    const looks = [
      ...new Map(series.map((g) => [kindOf(g[0].series), modelLook(kindOf(g[0].series), canvas.theme)])).values(),
    ];
    return compose(canvas, panels, 3, LEVELS_HEIGHT, looks as Look[], true);
  },
};

/** What moves P_ell in data and is not data. */
export const controlFigure: FigureSpec = {
  name: 'control',
  title: 'Control: the same curves with another rate, batch and width',
  caption: () => ({
    predicts: 'what data limits does not move with the training: all ratios are 1.',
    measured:
      'P_ell in data over that of the unchanged network, grammar by grammar, with 95% intervals. What moves here is not data.',
  }),
  table: ({ control }) => ({
    head: ['network', 'grammar', 'change', 'step', 'P over unchanged'],
    rows: control.map((r) => [
      modelFacts(r.kind).title,
      shapeName(r.shape),
      r.change,
      `P_${r.ell}`,
      showEstimate(r.ratio),
    ]),
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.control;
    if (!rows.length) return undefined;
    const looks = looksFor(
      [...new Set(rows.map((r) => r.ell))].map((ell) => `step ${ell}`),
      canvas.theme,
    );
    const changes = [...new Set(rows.map((r) => r.change))];
    const panels = groupBy(rows, (r) => shapeName(r.shape))
      .sort(bySize)
      .map((own): Panel => {
        const ells = [...new Set(own.map((r) => r.ell))];
        const at = (r: (typeof own)[0]): ErrorPoint => ({
          x: changes.indexOf(r.change) + 0.16 * (ells.indexOf(r.ell) - (ells.length - 1) / 2),
          y: r.ratio.value,
          low: r.ratio.low,
          high: r.ratio.high,
          bound: r.ratio.bound,
        });
        return {
          title: shapeName(own[0].shape),
          options: {
            marginBottom: 44,
            x: {
              type: 'linear',
              domain: [-0.5, changes.length - 0.5],
              ticks: changes.map((_, i) => i),
              tickFormat: (i: number) => changes[i],
              label: 'change',
              labelArrow: 'none',
              tickRotate: -20,
            },
            y: logAxis([0.4, 2.5, ...own.map((r) => r.ratio.value)], 'P / P unchanged'),
            marks: [
              Plot.ruleY([1], { stroke: canvas.theme.muted, strokeDasharray: '3 3' }),
              ...ells.flatMap((ell) =>
                errorPoints(own.filter((r) => r.ell === ell).map(at), looks.get(`step ${ell}`)!, canvas.theme.paper),
              ),
            ],
          },
        };
      });
    return compose(canvas, panels, 2, 230, [...looks.values()], true);
  },
};
