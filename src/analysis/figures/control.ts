import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { controlTable } from '../control.js';
import { orderedCurves, shapeName } from '../curves.js';
import { showEstimate } from '../format.js';
import { groupBy } from '../staircase.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, type ErrorPoint, errorPoints, logAxis, type Panel } from './canvas.js';
import { bySize } from './legend.js';
import { figure } from './spec.js';
import { looksFor } from './theme.js';

/** The effect on P_ell in data of settings that do not change the data. */
export const controlFigure = figure({
  name: 'control',
  title: 'Control: the same curves at a different learning rate, batch size and width',
  chapter: 'inData',
  results: ({ curves }, { runs, control }) => ({
    control: control.length ? controlTable(curves, runs, orderedCurves(control), control) : [],
  }),
  tables: (all) => [
    {
      name: 'control',
      about:
        'P_ell in data at a different learning rate, batch size or width, over that of the unchanged network on the same grammars',
      rows: all.control.map((r) => ({
        kind: r.kind,
        ...shapeColumns(r.shape),
        change: r.change,
        ell: r.ell,
        ...estimateColumns(r.ratio),
      })),
    },
  ],
  caption: () => ({
    predicts: 'if data are the limit, P_ell does not depend on how the network is trained: all ratios are 1.',
    measured:
      'P_ell in data over that of the unchanged network, grammar by grammar, with 95% intervals. A ratio other than 1 shows an effect of training, not of data.',
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
});
