import * as Plot from '@observablehq/plot';
import { type BatchRow, batchExponents, batchTable } from '../batch.js';
import { shapeName } from '../curves.js';
import { otherLaw } from '../findings.js';
import { showEstimate, showPower } from '../format.js';
import { groupBy } from '../staircase.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, errorPoints, logAxis, type Panel, tickedAxis } from './canvas.js';
import { bySize } from './legend.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

/** P_ell against batch size. */
export const batchFigure = figure({
  name: 'batch',
  title: 'Data or steps: P_ell against batch size',
  chapter: 'onePass',
  results({ curves }) {
    const batches = batchTable(curves);
    return { batches, batchExponents: batchExponents(batches) };
  },
  tables: (all) => [
    {
      name: 'batches',
      about: 'P_ell against batch size, for series that differ only in batch size',
      rows: all.batches.flatMap((b) =>
        b.points.map((p) => ({
          series: b.series,
          ...shapeColumns(b.shape),
          ell: b.ell,
          batch: p.batch,
          ...estimateColumns(p.estimate),
        })),
      ),
    },
  ],
  sections: [
    {
      name: 'batch',
      title: 'Data or steps: P against batch size',
      findings: (r) => [
        ...r.batches.flatMap((row) =>
          row.slope && row.slopeBetween
            ? {
                quantity: `slope of ln P_${row.ell} against ln batch, ${row.slopeBetween.join(' to ')}`,
                where: `${row.series}, ${shapeName(row.shape)}`,
                predicted: 0,
                measured: row.slope,
                comment: `${share(row.slope.value)}; least P_${row.ell} ${showEstimate(row.least!)} at batch ${row.leastBatch}`,
              }
            : [],
        ),
        ...r.batchExponents.map((row) => ({
          quantity: `power of m in the least P_${row.ell} over batch sizes`,
          where: row.series,
          predicted: row.predicted,
          measured: row.estimate,
          comment: otherLaw(r.batches.find((b) => b.series === row.series)!.kind, row.ell, row.estimate),
        })),
      ],
    },
  ],
  caption: () => ({
    predicts:
      'the laws count training sentences, so P_ell does not depend on the batch size (horizontal lines). If the number of optimiser steps is the limit, P_ell is proportional to the batch size (dotted line). At batch sizes that are too small for the learning rate, gradient noise hides the step of the loss: P_ell rises, or the step is never taken (arrow).',
    measured:
      'each point is the geometric mean over grammars at one batch size, with a 95% interval. The table lists the slopes, and the power of m with every grammar size at its best batch size.',
  }),
  table: ({ batches, batchExponents }) => ({
    head: ['series', 'grammar', 'step', 'quantity', 'measured', 'law'],
    rows: [
      ...batches
        .filter((b) => b.slope)
        .map((b) => [b.series, shapeName(b.shape), `P_${b.ell}`, 'slope against batch', showEstimate(b.slope!), '0']),
      ...batchExponents.map((e) => [
        e.series,
        'all',
        `P_${e.ell}`,
        'power of m at the best batch',
        showPower(e.estimate),
        `m^${e.predicted ?? '-'}`,
      ]),
    ],
  }),
  draw: ({ batches }, canvas) => {
    const taken = new Set(batches.filter((b) => b.least).map((b) => `${b.series}|${b.ell}`));
    const rows = batches.filter((b) => b.points.length > 1 && taken.has(`${b.series}|${b.ell}`));
    if (!rows.length) return undefined;
    const sizes = groupBy(rows, (r) => shapeName(r.shape)).sort(bySize);
    const looks = looksFor(
      sizes.map(([r]) => shapeName(r.shape)),
      canvas.theme,
    );
    const several = new Set(rows.map((r) => r.series)).size > 1;
    const panels = groupBy(rows, (r) => `${r.series}|${r.ell}`).map((group): Panel => {
      const { series, ell } = group[0];
      const all = group.flatMap((r) => r.points);
      const x = tickedAxis(
        all.map((p) => p.batch),
        'batch size',
        'log',
      );
      const ends = all.flatMap(({ estimate: e }) => [
        e.value,
        ...[e.low, e.high].filter((end) => end > e.value / 4 && end < e.value * 4),
      ]);
      return {
        title: several ? `${series}, step ${ell}` : `step ${ell}`,
        options: {
          x,
          y: logAxis(ends, `P_${ell}`, 0.12),
          marks: group.flatMap((row) => rowMarks(row, looks.get(shapeName(row.shape))!, canvas.theme.paper)),
        },
      };
    });
    return compose(canvas, panels, Math.min(4, panels.length), 230, [...looks.values()], true);
  },
});

/** The points, joined, and a line of slope 1 down from the largest batch size. */
function rowMarks({ points }: BatchRow, look: Look, paper: string): Plot.Markish[] {
  const reached = points.filter((p) => p.estimate.bound === 'none');
  const line = reached.map((p) => ({ x: p.batch, y: p.estimate.value }));
  const [from, to] = [points[0].batch, points[points.length - 1]];
  const guide = [from, to.batch].map((x) => ({ x, y: (to.estimate.value * x) / to.batch }));
  return [
    ...(to.estimate.bound === 'none'
      ? [Plot.line(guide, { x: 'x', y: 'y', stroke: look.color, strokeDasharray: '1 4', clip: true })]
      : []),
    Plot.line(line, { x: 'x', y: 'y', stroke: look.color, strokeWidth: 1.5, strokeOpacity: 0.7 }),
    ...errorPoints(
      points.map(({ batch, estimate: e }) => ({ x: batch, y: e.value, low: e.low, high: e.high, bound: e.bound })),
      look,
      paper,
    ),
  ];
}

const share = (slope: number) =>
  slope > 0.8
    ? 'limited by steps, not by data'
    : slope < 0.2
      ? 'limited by data, not by steps'
      : 'limited by both steps and data';
