import * as Plot from '@observablehq/plot';
import { modelFacts } from '../../core/modelFacts.js';
import { contextTable, type EnvelopeRow, envelopeOf, envelopeTable, windowOf } from '../context.js';
import { type Curve, exactPlateaus, shapeName } from '../curves.js';
import { showEstimate, showNumber } from '../format.js';
import type { FindingRow } from '../results.js';
import { groupBy } from '../staircase.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, logAxis, type Panel, plateauMarks } from './canvas.js';
import { bySize } from './legend.js';
import { figure } from './spec.js';
import { looksFor } from './theme.js';

/** Loss against P for windows of s^ell tokens, with the exact losses at which they saturate. */
export const contextFigure = figure({
  name: 'context',
  title: 'The value of context: windows of s^ell tokens',
  chapter: 'neighbours',
  results: ({ studies }) => ({
    contexts: contextTable(studies.context),
    envelopes: envelopeTable(studies.context),
  }),
  tables: (all) => [
    {
      name: 'contexts',
      about:
        'P at which a window of s^ell tokens is learnt, and the fraction of the fall H(0) - H(ell) that it reaches at much larger P',
      rows: all.contexts.map((r) => ({
        kind: r.kind,
        ...shapeColumns(r.shape),
        ell: r.ell,
        floor: r.floor,
        law: r.law ?? null,
        ...estimateColumns(r.P),
        used: r.used?.value ?? null,
        usedLow: r.used?.low ?? null,
        usedHigh: r.used?.high ?? null,
      })),
    },
    {
      name: 'envelopes',
      about: 'exponent alpha of the envelope over all windows',
      rows: all.envelopes.map((r) => ({
        kind: r.kind,
        ...shapeColumns(r.shape),
        ells: r.ells.join(' '),
        predicted: r.predicted ?? null,
        predictedFinite: r.predictedFinite ?? null,
        ...estimateColumns(r.alpha),
      })),
    },
  ],
  sections: [
    {
      name: 'context',
      title: 'The value of context',
      findings: ({ contexts, envelopes }) => [
        ...contexts.flatMap((r): FindingRow[] =>
          r.used
            ? [
                {
                  quantity: `fraction of the fall H(0) - H(${r.ell}) reached with ${r.tokens} ${r.tokens === 1 ? 'token' : 'tokens'}`,
                  where: `${r.kind}, ${shapeName(r.shape)}`,
                  predicted: 1,
                  measured: r.used,
                },
              ]
            : [],
        ),
        ...envelopes.map(
          (r): FindingRow => ({
            quantity: `alpha of the envelope, ell = ${r.ells.join(', ')}`,
            where: `${r.kind}, ${shapeName(r.shape)}`,
            predicted: r.predictedFinite,
            measured: r.alpha,
            comment: `predicted for these steps, with P_ell from the law; for many levels ${showNumber(r.predicted)}`,
          }),
        ),
      ],
    },
  ],
  summary: ({ contexts, envelopes }) => [...saturationSentence(contexts), ...envelopes.map(envelopeSentence)],
  caption: () => ({
    predicts:
      'with a window of s^ell tokens, the predicted one included, the loss saturates at the exact H(ell) (dashed, mean over grammars), however large P is. The envelope over the windows is the power law P^-alpha (dotted: through the middles of the measured steps, in the logarithm of the loss above H(L), with the slope of these steps if P_ell follows the law).',
    measured:
      'each thin line is one window on one grammar: the loss of the last token, for a decoder that learns every next token of its window from P sentences, at its best validation loss. Thick lines: the envelope, a geometric mean over grammars.',
  }),
  table: ({ contexts }) => ({
    head: ['network', 'grammar', 'window', 'H(ell)', 'P_ell', 'over the law', 'fraction of the fall reached'],
    rows: contexts.map((r) => [
      modelFacts(r.kind).title,
      shapeName(r.shape),
      `${r.tokens + 1}`,
      showNumber(r.floor),
      showEstimate(r.P),
      r.law === undefined ? '-' : showNumber(r.P.value / r.law),
      r.used ? showEstimate(r.used) : '-',
    ]),
  }),
  draw: ({ studies, envelopes }, canvas) => {
    const curves = studies.context.filter((c) => c.plateaus && c.points.length > 1);
    if (!curves.length) return undefined;
    const { theme } = canvas;
    const label = (c: Curve) => `${c.shape.s ** windowOf(c)} tokens`;
    const ordered = [...curves].sort((a, b) => windowOf(a) - windowOf(b));
    const looks = looksFor([...new Set(ordered.map(label))], theme);
    const x = logAxis(
      curves.flatMap((c) => c.points.map((p) => p.samples)),
      'distinct sentences P',
    );
    const sizes = groupBy(curves, (c) => `${c.kind}|${shapeName(c.shape)}`).sort(bySize);
    const panels = sizes.map((size): Panel => {
      const { kind, shape } = size[0];
      const heights = meanHeights(size);
      const known = heights.filter((h) => h > 0);
      const floor = Math.min(...known) / 2;
      const lines = size.map((c) => ({
        look: looks.get(label(c))!,
        points: c.points.map((p) => ({ x: p.samples, y: heightOf(c, p.excess!) })).filter((p) => p.y > floor),
      }));
      const envelope = envelopeOf(size, heightOf).filter((p) => p.y > floor);
      const row = envelopes.find((r) => r.kind === kind && shapeName(r.shape) === shapeName(shape));
      return {
        title: `${modelFacts(kind).title}, ${shapeName(shape)}`,
        options: {
          x,
          y: logAxis([floor, 1.2 * heights[0]], 'loss - H(L) (nats)'),
          marginRight: 34,
          marks: [
            ...plateauMarks(known, theme),
            ...lines.flatMap(({ look, points }) => [
              Plot.line(points, { x: 'x', y: 'y', stroke: look.color, strokeDasharray: look.dash, strokeWidth: 1.1 }),
              Plot.dot(points, { x: 'x', y: 'y', r: 2, symbol: look.symbol, fill: look.color, stroke: look.color }),
            ]),
            Plot.line(envelope, { x: 'x', y: 'y', stroke: theme.ink, strokeWidth: 3, strokeOpacity: 0.35 }),
            ...(row ? [powerLaw(row, x.domain, theme.ink)] : []),
          ],
        },
      };
    });
    return compose(canvas, panels, Math.min(2, panels.length), 280, [...looks.values()], true);
  },
});

/** Loss minus H(L), nats, of a curve whose loss is `excess` above the exact one of its window. */
const heightOf = ({ plateaus, rules }: Curve, excess: number): number =>
  plateaus![plateaus!.length - 1] + excess - exactPlateaus(rules)[rules.L];

/** H(ell) - H(L), mean over grammars, of the windows that occur and those below. */
function meanHeights(size: readonly Curve[]): number[] {
  const rules = groupBy(size, (c) => c.grammar).map(([c]) => c.rules);
  return size[0].plateaus!.length
    ? exactPlateaus(rules[0]).map(
        (_, ell) => rules.reduce((sum, r) => sum + exactPlateaus(r)[ell] - exactPlateaus(r)[r.L], 0) / rules.length,
      )
    : [];
}

/** P^-alpha through the middle of the measured steps. */
function powerLaw(
  { centre, predictedFinite: alpha }: EnvelopeRow,
  [from, to]: [number, number],
  stroke: string,
): Plot.Markish {
  const line = [from, to].map((P) => ({
    x: P,
    y: Math.exp(centre.y - (alpha ?? Number.NaN) * (Math.log(P) - centre.x)),
  }));
  return Plot.line(alpha === undefined ? [] : line, {
    x: 'x',
    y: 'y',
    stroke,
    strokeDasharray: '1.5 4',
    strokeWidth: 1.5,
    clip: true,
  });
}

function saturationSentence(
  rows: readonly { ell: number; tokens: number; used: { value: number } | undefined }[],
): string[] {
  const known = rows.filter((r) => r.used);
  if (!known.length) return [];
  const least = known.reduce((a, b) => (b.used!.value < a.used!.value ? b : a));
  return [
    `With a window of ${[...new Set(known.map((r) => r.tokens + 1))].join(', ')} tokens the decoder's loss of the last token saturates at the exact H(ell): it reaches at least ${percent(least.used!.value)} of the fall.`,
  ];
}

const percent = (x: number): string => `${Math.floor(1000 * x) / 10}%`;

function envelopeSentence({ kind, shape, alpha, predictedFinite, predicted }: EnvelopeRow): string {
  return `The envelope over the windows falls like P^-alpha with alpha = ${showEstimate(alpha)} (${kind}, ${shapeName(shape)}); predicted for these steps ${showNumber(predictedFinite)}, for many levels ${showNumber(predicted)}.`;
}
