import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { zipfError, zipfExponent } from '../../theory/index.js';
import { errorPointsOf } from '../classes.js';
import { type Curve, shapeName, zipfOf } from '../curves.js';
import { showEstimate, showNumber } from '../format.js';
import { type ErrorRow, errorTable, lawPoints, placeOf, type StepRow, stepTable } from '../powerLaw.js';
import type { FindingRow } from '../results.js';
import { groupBy } from '../staircase.js';
import { mean } from '../statistics.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, type ErrorPoint, errorPoints, logAxis, type Panel, tickedAxis } from './canvas.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

/** Rules with p_k ~ k^-(1+a): the classification error, its exponent, and the steps of the last token's loss. */
export const powerLawFigure = figure({
  name: 'powerLaw',
  title: 'Power-law rules: they change the error of the root symbol, not the steps of the last token',
  chapter: 'neighbours',
  results: ({ studies, curves }) => ({
    zipfErrors: errorTable(studies.powerLaw),
    zipfSteps: stepTable(studies.powerLaw, [...curves, ...studies.powerLaw]),
  }),
  tables: (all) => [
    {
      name: 'zipf_errors',
      about: 'exponent of the classification error with rules p_k ~ k^-(1+a) at the last level',
      rows: all.zipfErrors.map((r) => ({
        kind: r.kind,
        ...shapeColumns(r.shape),
        a: r.a,
        law: r.law,
        finite: r.finite ?? null,
        ...estimateColumns(r.exponent),
      })),
    },
    {
      name: 'zipf_steps',
      about: 'P_ell / P_(ell-1) with such rules over that with uniform rules on the same grammars',
      rows: all.zipfSteps.map((r) => ({
        kind: r.kind,
        ...shapeColumns(r.shape),
        a: r.a,
        ell: r.ell,
        ...estimateColumns(r.ratio),
      })),
    },
  ],
  sections: [
    {
      name: 'powerLaw',
      title: 'Power-law rules',
      findings: ({ zipfErrors, zipfSteps }) => [
        ...zipfErrors.flatMap((r): FindingRow[] => {
          const where = `${r.kind}, ${shapeName(r.shape)}, a = ${r.a}`;
          const comment = `a / (1 + a) = ${showNumber(r.law)} for many rules; the prediction is the slope of ${r.shape.m} rules at these errors`;
          return [
            {
              quantity: 'exponent of the classification error',
              where,
              predicted: r.finite,
              measured: r.exponent,
              comment,
            },
          ];
        }),
        ...zipfSteps.map(
          (r): FindingRow => ({
            quantity: `P_${r.ell} / P_${r.ell - 1} over that of uniform rules`,
            where: `${r.kind}, ${shapeName(r.shape)}, a = ${r.a}`,
            predicted: 1,
            measured: r.ratio,
          }),
        ),
      ],
    },
  ],
  summary: ({ zipfErrors, zipfSteps }) => [...errorSentence(zipfErrors), ...stepSentence(zipfSteps)],
  caption: () => ({
    predicts:
      'with rules p_k ~ k^-(1+a) at the last level the classification error falls like P^(-a/(1+a)) (line in the middle panel; crosses: the exponent of the m rules of these grammars at the measured errors, dotted in the left panel through the middle of the points). The ratios between the steps of the last token do not change: 1 in the right panel.',
    measured:
      'left: test error of the root symbol at the best validation loss, one line per grammar. Middle: its slope. Right: P_ell / P_(ell-1) over that with uniform rules, grammar by grammar. 95% intervals over grammars.',
  }),
  table: ({ zipfErrors }) => ({
    head: ['network', 'grammar', 'a', 'a / (1 + a)', 'with m rules', 'measured'],
    rows: zipfErrors.map((r) => [
      modelFacts(r.kind).title,
      shapeName(r.shape),
      String(r.a),
      showNumber(r.law),
      showNumber(r.finite),
      showEstimate(r.exponent),
    ]),
  }),
  draw: ({ studies, zipfErrors, zipfSteps }, canvas) => {
    const curves = studies.powerLaw.filter((c) => c.task === 'class' && zipfOf(c.rules) !== undefined);
    if (!zipfErrors.length && !zipfSteps.length) return undefined;
    const as = [...new Set([...zipfErrors, ...zipfSteps].map((r) => r.a))].sort((a, b) => a - b);
    const looks = looksFor(as.map(label), canvas.theme);
    const errors = groupBy(curves, (c) => shapeName(c.shape)).map((size) => errorPanel(size, looks, canvas));
    const panels = [
      ...errors,
      ...(zipfErrors.length ? [exponentPanel(zipfErrors, looks, canvas)] : []),
      ...groupBy(zipfSteps, (r) => `${shapeName(r.shape)}|${r.ell}`).map((rows) => stepPanel(rows, looks, canvas)),
    ];
    return compose(canvas, panels, Math.min(3, panels.length), 240, [...looks.values()], true);
  },
});

const label = (a: number) => `a = ${a}`;

function errorPanel(size: readonly Curve[], looks: ReadonlyMap<string, Look>, { theme }: Canvas): Panel {
  const lines = size.map((curve) => ({
    look: looks.get(label(zipfOf(curve.rules)!))!,
    points: errorPointsOf(curve).map(({ x, y }) => ({ x: Math.exp(x), y: Math.exp(y) })),
    law: expectedLine(curve),
  }));
  const all = lines.flatMap((line) => line.points);
  return {
    title: shapeName(size[0].shape),
    options: {
      x: logAxis(
        all.map((p) => p.x),
        'distinct sentences P',
      ),
      y: logAxis([...all.map((p) => p.y), 1], 'test error'),
      marks: lines.flatMap(({ look, points, law }) => [
        Plot.line(law, { x: 'x', y: 'y', stroke: theme.muted, strokeDasharray: '1.5 3', clip: true }),
        Plot.line(points, { x: 'x', y: 'y', stroke: look.color, strokeWidth: 1.1 }),
        Plot.dot(points, { x: 'x', y: 'y', r: 2, symbol: look.symbol, fill: look.color, stroke: look.color }),
      ]),
    },
  };
}

/** The error that the rules of a curve's grammar leave, moved in P through the middle of its points. */
function expectedLine(curve: Curve): { x: number; y: number }[] {
  const points = lawPoints(curve).flatMap((p) => {
    const place = placeOf(curve, p.y);
    return place === undefined ? [] : [{ ...p, place }];
  });
  if (!points.length) return [];
  const scale = mean(points.map((p) => p.x - p.place));
  const { shape, rules } = curve;
  const xs = errorPointsOf(curve).map((p) => p.x);
  const [from, to] = [Math.min(...xs), Math.max(...xs)];
  return Array.from({ length: 40 }, (_, i) => {
    const x = from + ((to - from) * i) / 39;
    const tuples = shape.s ** (shape.L - 1);
    const y = zipfError(rules.ruleProbabilities![shape.L - 1]!, tuples, shape.n, Math.exp(x - scale));
    return { x: Math.exp(x), y };
  });
}

const CURVE = Array.from({ length: 41 }, (_, i) => i / 16);

function exponentPanel(rows: readonly ErrorRow[], looks: ReadonlyMap<string, Look>, { theme }: Canvas): Panel {
  const largest = Math.max(...rows.map((r) => r.a));
  const law = CURVE.map((part) => part * 0.45 * largest).map((a) => ({ x: a, y: zipfExponent(a) }));
  const at = (r: ErrorRow): ErrorPoint => ({
    x: r.a,
    y: r.exponent.value,
    low: r.exponent.low,
    high: r.exponent.high,
    bound: r.exponent.bound,
  });
  const top = Math.max(1, ...rows.map((r) => Math.min(1.5, r.exponent.high || 0)));
  return {
    title: 'exponent of the error',
    options: {
      x: tickedAxis(
        rows.map((r) => r.a),
        'a',
        'linear',
      ),
      y: { domain: [0, top], label: 'exponent', grid: true, labelArrow: 'none' },
      marks: [
        Plot.line(law, { x: 'x', y: 'y', stroke: theme.muted, strokeDasharray: '5 4', clip: true }),
        Plot.dot(
          rows.filter((r) => r.finite !== undefined),
          { x: 'a', y: 'finite', symbol: 'times', stroke: theme.ink, r: 5, strokeWidth: 1.5 },
        ),
        ...rows.flatMap((r) => errorPoints([at(r)], looks.get(label(r.a))!, theme.paper)),
      ],
    },
  };
}

function stepPanel(rows: readonly StepRow[], looks: ReadonlyMap<string, Look>, { theme }: Canvas): Panel {
  const at = (r: StepRow): ErrorPoint => ({
    x: r.a,
    y: r.ratio.value,
    low: r.ratio.low,
    high: r.ratio.high,
    bound: r.ratio.bound,
  });
  return {
    title: 'last token: ratio of its steps',
    subtitle: shapeName(rows[0].shape),
    options: {
      x: tickedAxis(
        rows.map((r) => r.a),
        'a',
        'linear',
      ),
      y: logAxis([0.4, 2.5, ...rows.map((r) => r.ratio.value)], `P_${rows[0].ell} / P_${rows[0].ell - 1} over uniform`),
      marks: [
        Plot.ruleY([1], { stroke: theme.muted, strokeDasharray: '3 3' }),
        ...rows.flatMap((r) => errorPoints([at(r)], looks.get(label(r.a))!, theme.paper)),
      ],
    },
  };
}

function errorSentence(rows: readonly ErrorRow[]): string[] {
  if (!rows.length) return [];
  const parts = rows.map(
    (r) => `${showEstimate(r.exponent)} for a = ${r.a} (${showNumber(r.finite)}; ${showNumber(r.law)})`,
  );
  return [
    `With rules p_k ~ k^-(1+a) the classification error falls like P to the power of minus ${parts.join(', ')}; in brackets the prediction for the rules of these grammars, then a / (1 + a), that for many rules.`,
  ];
}

function stepSentence(rows: readonly StepRow[]): string[] {
  const [first] = groupBy(rows, (r) => `${shapeName(r.shape)}|${r.ell}`);
  if (!first) return [];
  const [{ ell }] = first;
  const parts = first.map((r) => `${showEstimate(r.ratio)} for a = ${r.a}`);
  return [`The last token: P_${ell} / P_${ell - 1} over that of uniform rules is ${parts.join(', ')}; predicted 1.`];
}
