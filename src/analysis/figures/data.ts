import { modelFacts } from '../../core/modelFacts.js';
import { complexityScale } from '../../theory/index.js';
import { density, shapeName } from '../curves.js';
import { type DataRow, formOf } from '../data.js';
import { type ExponentRow, overSizes, predictedPower } from '../exponents.js';
import { showEstimate, showPower } from '../format.js';
import type { Base } from '../results.js';
import { groupBy } from '../staircase.js';
import type { Estimate } from '../statistics.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, type ErrorPoint, type Panel } from './canvas.js';
import { powerPanel } from './powerPanel.js';
import { figure } from './spec.js';
import { modelLook, referenceLook } from './theme.js';

const usable = (rows: readonly DataRow[]) => rows.filter((r) => density(r.shape) < 1);

/** P_ell in data against m, with the laws, the learner that uses correlations alone, and one pass. */
export const dataFigure = figure({
  name: 'data',
  title: 'How many distinct sentences each step of the loss takes',
  chapter: 'inData',
  tables: (all) => [
    {
      name: 'data',
      about:
        'P_ell in data, its law, P_ell in one pass over the same grammars, and that of the learner that uses correlations alone',
      rows: all.data.map((r) => ({
        series: r.series,
        ...shapeColumns(r.shape),
        ell: r.ell,
        law: r.law ?? null,
        ...estimateColumns(r.data),
        onePass: r.pass?.value ?? null,
        onePassBound: r.pass?.bound ?? null,
        beyondLanguage: String(r.passBeyond),
        correlationsAlone: r.learner?.value ?? null,
        correlationsBound: r.learner?.bound ?? null,
      })),
    },
    {
      name: 'data_powers',
      about: 'the power of m in P_ell in data, and which references its interval allows',
      rows: all.dataPowers.map((r) => ({
        series: r.series,
        ell: r.ell,
        law: r.law ?? null,
        ...estimateColumns(r.data),
        onePass: r.pass?.value ?? null,
        correlationsAlone: r.learner?.value ?? null,
        verdict: r.verdict,
      })),
    },
    {
      name: 'learner',
      about:
        'P at which correlations with the last token alone find half of the hidden symbols (adjusted Rand index over its ceiling)',
      rows: all.learner.map((r) => ({
        ...shapeColumns(r.shape),
        ell: r.ell,
        form: r.form,
        ceiling: r.ceiling,
        ...estimateColumns(r.estimate),
      })),
    },
  ],
  sections: [
    {
      name: 'data',
      title: 'In data: how the steps grow with m',
      findings: (r) =>
        r.exponents
          .filter((row) => !row.online)
          .map((row) => ({
            quantity: `power of m in P_${row.ell}${overSizes(row)}`,
            where: row.series,
            predicted: row.predicted,
            measured: row.estimate,
            comment: references(r, row),
          })),
    },
  ],
  caption: () => ({
    predicts:
      'the step H(ell-1) to H(ell) takes P_ell distinct sentences, and P_ell (1-f) / v grows like m^(ell+1) for a CNN (m for ell = 1) and like m^(2 ell - 1) for a transformer. Lines have these slopes; their heights are fitted.',
    measured:
      'filled symbols: the P at which the best loss of a network trained on P sentences is half way down the step, in the logarithm of the loss above H(L), with 95% intervals over grammars; arrows are bounds. Open symbols: the same network in one pass over fresh sentences, where the number of optimiser steps limits too. Grey crosses: a learner that uses only correlations with the last token.',
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
      ? '† more than a tenth of the language, where hardly any sampling noise is left.'
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
});

/** The relation of a power in data to the law and to the learner that uses correlations alone. */
function references({ dataPowers }: Base, { series, ell, estimate }: ExponentRow): string {
  const row = dataPowers.find((p) => p.series === series && p.ell === ell && p.data === estimate);
  if (!row) return '';
  const learner = row.learner ? `; correlations alone: ${showPower(row.learner)}` : '';
  const pass = row.pass ? `; one pass: ${showPower(row.pass)}` : '';
  const verdict = row.verdict === 'law' ? 'the law alone' : row.verdict;
  return `${row.verdict === 'open' ? 'open' : `the interval allows ${verdict === 'neither' ? 'neither reference' : verdict}`}${learner}${pass}`;
}
