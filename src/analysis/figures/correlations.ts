import * as Plot from '@observablehq/plot';
import { refinedMeanSquare } from '../../theory/index.js';
import { CORRELATION_SAMPLES, correlationTable } from '../correlations.js';
import { shapeName } from '../curves.js';
import { showEstimate, showNumber } from '../format.js';
import { groupBy } from '../staircase.js';
import { shapeColumns } from '../tables.js';
import { compose, errorPoints, logAxis, type Panel, tickedAxis } from './canvas.js';
import { bySize } from './legend.js';
import { figure } from './spec.js';
import { looksFor } from './theme.js';

/** Correlations against level, with the noise floor. */
export const correlationsFigure = figure({
  name: 'correlations',
  title: 'Correlations with the last token, and their sampling noise',
  chapter: 'correlations',
  results: async ({ curves }, { sample }) => ({
    correlations: await correlationTable(
      curves.filter((c) => c.plateaus).map((c) => c.rules),
      sample,
    ),
  }),
  tables: (all) => [
    {
      name: 'correlations',
      about: 'rms covariance of the last token with tokens at each level',
      rows: all.correlations.flatMap((r) => [
        {
          ...shapeColumns(r.shape),
          ell: r.ell,
          kind: 'exact',
          samples: null,
          rms: r.exact.value,
          low: r.exact.low,
          high: r.exact.high,
          refined: r.refined,
          simple: r.simple,
          floor: null,
        },
        ...r.empirical.map((e) => ({
          ...shapeColumns(r.shape),
          ell: r.ell,
          kind: 'sampled',
          samples: e.samples,
          rms: e.rms,
          low: null,
          high: null,
          refined: r.refined,
          simple: r.simple,
          floor: e.floor,
        })),
      ]),
    },
  ],
  sections: [
    {
      name: 'correlation',
      title: 'Correlations',
      findings: ({ correlations }) =>
        correlations.map((row) => ({
          quantity: `rms covariance, common ancestor at level ${row.ell}`,
          where: shapeName(row.shape),
          predicted: Math.sqrt(refinedMeanSquare(row.shape, row.ell)),
          measured: row.exact,
          comment: `simple law ${showNumber(row.simple)}`,
        })),
    },
  ],
  caption: () => ({
    predicts:
      'the root-mean-square covariance of the last token with a token whose common ancestor is at level ell falls by a factor of about m per level (line: with corrections for finite v). Measured on P sentences it does not fall below the noise floor (dashed), so distant tokens need more data.',
    measured:
      'filled dots: exact covariances of the grammars, with intervals over grammars. Open symbols: values from P sampled sentences of the first grammar, which follow the exact ones down to the noise floor.',
  }),
  table: ({ correlations }) => ({
    head: ['grammar', 'level', 'rms covariance', 'law with corrections', 'signal equals noise at P'],
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
});
