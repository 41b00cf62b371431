import * as Plot from '@observablehq/plot';
import { CORRELATION_SAMPLES } from '../correlations.js';
import { shapeName } from '../curves.js';
import { showEstimate, showNumber } from '../format.js';
import { groupBy } from '../staircase.js';
import { compose, errorPoints, logAxis, type Panel, tickedAxis } from './canvas.js';
import { bySize, seriesLegend } from './learning.js';
import type { FigureSpec } from './spec.js';
import { looksFor, seriesLooks } from './theme.js';

/** alpha, predicted and measured. */
export const scalingFigure: FigureSpec = {
  name: 'scaling',
  title: 'Exponents of the excess loss, predicted and measured',
  caption: () => ({
    predicts:
      "crosses: alpha for many levels. Open symbols: what is left of it at this depth, the slope through the middles of the grammars' own steps at the predicted P_ell.",
    measured: 'filled symbols: the slope through the middles of the measured steps, with 95% intervals over grammars.',
  }),
  table: ({ scaling }) => ({
    head: ['series', 'grammar', 'alpha for many levels', 'at this depth', 'measured'],
    rows: scaling
      .filter((r) => r.steps)
      .map((r) => [
        r.series,
        shapeName(r.shape),
        showNumber(r.predicted),
        showNumber(r.predictedFinite),
        showEstimate(r.steps!),
      ]),
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.scaling.filter((r) => r.online && r.steps && r.predicted !== undefined);
    if (!rows.length) return undefined;
    const looks = seriesLooks(analysis.kinds, canvas.theme);
    const { paper } = canvas.theme;
    const panels = groupBy(rows, (r) => `v=${r.shape.v} s=${r.shape.s} L=${r.shape.L}`).map((group): Panel => {
      const top = Math.max(...group.flatMap((r) => [r.predicted!, r.steps!.value, Math.min(r.steps!.high || 0, 3)]));
      const at = (value: number, r: (typeof rows)[0]) => [
        { x: r.shape.m, y: value, low: Number.NaN, high: Number.NaN, bound: 'none' as const },
      ];
      const x = tickedAxis(
        group.map((r) => r.shape.m),
        'm',
        'linear',
      );
      const [from, to] = x.domain as [number, number];
      return {
        title: `v=${group[0].shape.v} s=${group[0].shape.s} L=${group[0].shape.L}`,
        options: {
          x,
          y: { domain: [0, top * 1.15], label: 'alpha', labelArrow: 'none', grid: true, ticks: 5 },
          marks: group.flatMap((r) => {
            const look = looks.get(r.series)!;
            // Beside each other, so that the series do not cover one another.
            const shift = ([...looks.keys()].indexOf(r.series) - (looks.size - 1) / 2) * 0.06 * (to - from);
            const moved = { ...r, shape: { ...r.shape, m: r.shape.m + shift } };
            return [
              ...errorPoints(at(r.predicted!, moved), { ...look, symbol: 'times' }, paper),
              ...(r.predictedFinite ? errorPoints(at(r.predictedFinite, moved), look, paper, true) : []),
              ...errorPoints(
                [
                  {
                    x: moved.shape.m,
                    y: r.steps!.value,
                    low: r.steps!.low,
                    high: r.steps!.high,
                    bound: r.steps!.bound,
                  },
                ],
                look,
                paper,
              ),
            ];
          }),
        },
      };
    });
    return compose(canvas, panels, panels.length, 240, seriesLegend(rows, looks), true);
  },
};

/** Correlations against level, with the noise floor. */
export const correlationsFigure: FigureSpec = {
  name: 'correlations',
  title: 'Correlations with the last token, and the noise they hide in',
  caption: () => ({
    predicts:
      'the root-mean-square covariance of the last token with a token whose common ancestor lies at level ell falls by a factor of about m with each level (line: with finite-v corrections); measured on P sentences it stops at the noise floor (dashed), so distant tokens need more data.',
    measured:
      'exact covariances of the grammars (filled dots, intervals over grammars); values from P sampled sentences of the first grammar (open symbols) follow the signal down to the floor.',
  }),
  table: ({ correlations }) => ({
    head: ['grammar', 'level', 'rms covariance', 'law with corrections', 'signal meets noise at P'],
    rows: correlations.map((r) => [
      shapeName(r.shape),
      String(r.ell),
      showEstimate(r.exact),
      showNumber(r.refined),
      showNumber(r.crossing),
    ]),
  }),
  draw: (analysis, canvas) => {
    const rows = analysis.correlations;
    if (!rows.length) return undefined;
    const { ink, paper, muted } = canvas.theme;
    const sizes = groupBy(rows, (r) => shapeName(r.shape)).sort(bySize);
    const looks = looksFor(
      CORRELATION_SAMPLES.map((P) => `from P = ${showNumber(P)} sentences`),
      canvas.theme,
    );
    const lookAt = (P: number) => looks.get(`from P = ${showNumber(P)} sentences`)!;
    const exact = { label: 'exact', color: ink, dash: undefined, symbol: 'circle' as const };
    const panels = sizes.map((own): Panel => {
      const measured = own.flatMap((r) => r.empirical.map((e) => ({ ...e, ell: r.ell })));
      const floors = own[0].empirical;
      const values = own.flatMap((r) => [r.exact.value, r.refined, ...r.empirical.flatMap((e) => [e.rms, e.floor])]);
      return {
        title: shapeName(own[0].shape),
        options: {
          x: tickedAxis(
            own.map((r) => r.ell),
            'level of the common ancestor',
            'linear',
          ),
          y: logAxis(values, 'rms covariance', 0.06),
          marks: [
            ...floors.map((f) => Plot.ruleY([f.floor], { stroke: lookAt(f.samples).color, strokeDasharray: '3 3' })),
            Plot.line(own, { x: 'ell', y: 'refined', stroke: muted }),
            ...groupBy(measured, (e) => String(e.samples)).flatMap((group) => [
              Plot.dot(group, {
                x: 'ell',
                y: 'rms',
                stroke: lookAt(group[0].samples).color,
                symbol: lookAt(group[0].samples).symbol,
                r: 3,
                dx: 9,
                strokeWidth: 1.5,
              }),
            ]),
            ...errorPoints(
              own.map((r) => ({
                x: r.ell,
                y: r.exact.value,
                low: r.exact.low,
                high: r.exact.high,
                bound: r.exact.bound,
              })),
              exact,
              paper,
            ),
          ],
        },
      };
    });
    return compose(canvas, panels, sizes.length, 240, [exact, ...looks.values()], true);
  },
};
