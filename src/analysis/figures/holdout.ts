import * as Plot from '@observablehq/plot';
import { type HeldSet, heldSets } from '../../core/holdout.js';
import { modelFacts } from '../../core/modelFacts.js';
import { round, showEstimate, showNumber } from '../format.js';
import {
  type HeldOutReference,
  type HeldOutRow,
  type HeldOutShare,
  heldOutReferences,
  heldOutRows,
  heldOutShares,
  settingName,
} from '../holdout.js';
import { groupBy } from '../staircase.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, logAxis, type Panel } from './canvas.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, modelLook } from './theme.js';

/** Sentences without and with compositions that training never showed: loss, accuracy and grammaticality, and two exact predictors. */
export const holdoutFigure = figure({
  name: 'holdout',
  title: 'Hierarchy or surface: compositions held out of training',
  chapter: 'neighbours',
  async results(_, { runs }) {
    const rows = heldOutRows(runs);
    const references = await heldOutReferences(runs);
    return {
      heldOut: rows,
      heldOutReferences: references,
      heldOutShares: heldOutShares(rows, references),
    };
  },
  tables: (all) => {
    const numbers = grammarNumbers(all.heldOutReferences);
    return [
      {
        name: 'holdout',
        about:
          'networks trained on P sentences without held-out pairs of rules, at their best validation loss, tested on sentences without and with such pairs; loss and divergences from both exact predictors in nats',
        rows: all.heldOut.map(({ kind, shape, grammar, ...row }) => ({
          model: kind,
          ...shapeColumns(shape),
          grammar: numbers.get(grammar)!,
          ...row,
        })),
      },
      {
        name: 'holdoutPredictors',
        about:
          'two exact predictors on the same sets: the whole grammar, and the surface (the training language given the longest suffix of the context that occurs in it); loss in nats over the sentences whose last token is possible',
        rows: all.heldOutReferences.flatMap(({ shape, grammar, knows, ...setting }) =>
          predictors.map((predictor) => ({
            predictor,
            ...shapeColumns(shape),
            grammar: numbers.get(grammar)!,
            ...setting,
            ...meansOf([knows[predictor]], shape.L),
          })),
        ),
      },
      {
        name: 'holdoutShares',
        about: "fraction of the way from the surface's accuracy (0) to the grammar's (1), over grammars",
        rows: all.heldOutShares.map(({ kind, shape, share, ...row }) => ({
          model: kind,
          ...shapeColumns(shape),
          ...row,
          ...estimateColumns(share),
        })),
      },
    ];
  },
  sections: [
    {
      name: 'holdout',
      title: 'Compositions held out',
      findings: (r) =>
        r.heldOutShares
          .filter(({ set }) => set === 'context')
          .map((row) => ({
            quantity: `fraction of the way from surface to grammar, P = ${showNumber(row.P)}`,
            where: `${row.kind}, ${settingName(row)}`,
            predicted: undefined,
            measured: row.share,
            comment: 'accuracy with held-out pairs in the context: 0 is the surface, 1 the whole grammar',
            verdict: '-' as const,
          })),
    },
  ],
  summary: ({ heldOutShares: shares }) =>
    groupBy(
      shares.filter(({ set }) => set === 'context'),
      settingName,
    ).map(
      (size) =>
        `Compositions held out (${settingName(size[0])}), pairs in the context: the fraction of the way from the surface's accuracy (0) to the grammar's (1) is ${groupBy(
          size,
          ({ kind }) => kind,
        )
          .map(shareText)
          .join('; ')}.`,
    ),
  caption: ({ heldOutReferences: all }) => ({
    predicts:
      'training never shows certain pairs (rule of a symbol, rule of one of its children). A network that has learnt the hierarchy predicts like the whole grammar (dashed), even after such a pair. A network that has learnt the surface predicts like the training language (dotted), from the longest suffix of the context that occurs in it.',
    measured: `networks at their best validation loss against P distinct sentences, means over grammars; ${groupBy(all, settingName).map(languageText).join('; ')}. The surface's loss is not drawn where it is infinite. If the held-out pair is above the last token itself, the training language rules that token out, so a network that has learnt this language must fail.`,
  }),
  table: ({ heldOutShares: shares }) => ({
    head: ['network', 'size', 'sentences', 'P', 'fraction of the way: 0 surface, 1 grammar'],
    rows: groupBy(shares, (row) => `${settingName(row)}|${row.set}`)
      .flat()
      .map((row) => [row.kind, settingName(row), setWords[row.set], showNumber(row.P), showEstimate(row.share)]),
  }),
  draw: ({ heldOut, heldOutReferences: references }, canvas) => {
    if (!heldOut.length) return undefined;
    const kinds = [...new Set(heldOut.map((row) => row.kind))];
    const looks = new Map(
      kinds.map((kind) => [kind, { ...modelLook(kind, canvas.theme), label: modelFacts(kind).title }]),
    );
    const panels = groupBy(heldOut, settingName).flatMap((rows) => {
      const own = references.filter((r) => settingName(r) === settingName(rows[0]));
      return quantities.flatMap((quantity) => heldSets.map((set) => panelOf(quantity, set, rows, own, looks, canvas)));
    });
    return compose(canvas, panels, heldSets.length, 150, [...looks.values()], true);
  },
});

const predictors = ['grammar', 'surface'] as const;

const setWords: Record<HeldSet, string> = {
  without: 'no held-out pairs',
  context: 'pairs in the context',
  last: 'pair above the last token',
};

const quantities = ['loss', 'accuracy', 'grammatical'] as const;
type Quantity = (typeof quantities)[number];

function meansOf(all: readonly HeldOutReference['knows']['grammar'][], L: number) {
  const mean = (of: (p: (typeof all)[number]) => number) => all.reduce((sum, p) => sum + of(p) / all.length, 0);
  return {
    loss: mean((p) => p.loss),
    possible: mean((p) => p.possible),
    accuracy: mean((p) => p.accuracy),
    grammatical: mean((p) => p.grammatical[L - 1]),
  };
}

function panelOf(
  quantity: Quantity,
  set: HeldSet,
  rows: readonly HeldOutRow[],
  references: readonly HeldOutReference[],
  looks: ReadonlyMap<string, Look>,
  { theme }: Canvas,
): Panel {
  const { shape, level } = rows[0];
  const isLoss = quantity === 'loss';
  const domain = [0.2, 1];
  const means = predictors.map((name) => {
    const known = meansOf(
      references.filter((r) => r.set === set).map(({ knows }) => knows[name]),
      shape.L,
    );
    return { name, dash: name === 'grammar' ? '6 3' : '1 3', possible: known.possible, y: known[quantity] };
  });
  const lines = means.filter(({ possible }) => !isLoss || possible === 1);
  const losses = references.flatMap(({ knows }) => [
    knows.grammar.loss,
    ...(knows.surface.possible < 1 ? [] : [knows.surface.loss]),
  ]);
  const [a, b = Number.NaN] = lines.map(({ y }) => (isLoss ? Math.log10(y) : 2 * y));
  const apart = !(Math.abs(a - b) < 0.17);
  return {
    title: isLoss ? setWords[set] : '',
    subtitle: isLoss ? `v=${shape.v} m=${shape.m} L=${shape.L}, level ${level}` : undefined,
    options: {
      x: logAxis(
        rows.map((row) => row.P),
        'distinct sentences P',
        0.05,
      ),
      y: isLoss
        ? { ...logAxis([...rows.map((row) => row.loss), ...losses], 'loss (nats)', 0.03), grid: false }
        : { domain, label: quantity, labelArrow: 'none', grid: false, ticks: [0.2, 0.4, 0.6, 0.8, 1] },
      marginRight: 54,
      marks: [
        ...lines.map(({ y, dash }) => Plot.ruleY([y], { stroke: theme.ink, strokeDasharray: dash, strokeWidth: 1.2 })),
        Plot.text(apart ? lines : lines.slice(0, 1), {
          ...{ y: 'y', text: 'name', frameAnchor: 'right', dx: 4, textAnchor: 'start' },
          ...{ fill: theme.muted, fontSize: 9.5 },
        }),
        ...groupBy(
          rows.filter((row) => row.set === set),
          (row) => row.kind,
        ).flatMap((own) => {
          const look = looks.get(own[0].kind)!;
          const points = groupBy(own, (row) => String(row.P)).map((at) => ({
            P: at[0].P,
            y: at.reduce((sum, row) => sum + row[quantity] / at.length, 0),
          }));
          const place = { x: 'P', y: 'y', stroke: look.color, clip: true } as const;
          return [
            Plot.line(points, { ...place, strokeDasharray: look.dash, strokeWidth: 1.6 }),
            Plot.dot(points, { ...place, symbol: look.symbol, r: 2.6, fill: look.color }),
          ];
        }),
      ],
    },
  };
}

const NOTICED = 0.01;

/** `hcnn 0.54 at P = 8192 (most: 0.6 at 4096)`. */
function shareText(own: readonly HeldOutShare[]): string {
  const points = [...own].sort((a, b) => a.P - b.P);
  const last = points[points.length - 1];
  const most = points.reduce((a, b) => (b.share.value > a.share.value ? b : a));
  const peak =
    most.share.value < last.share.value + NOTICED ? '' : ` (most: ${round(most.share.value)} at ${showNumber(most.P)})`;
  return `${last.kind} ${showEstimate(last.share)} at P = ${showNumber(last.P)}${peak}`;
}

/** For one size: how many sentences are left, and to what the surface gives probability 0. */
function languageText(own: readonly HeldOutReference[]): string {
  const share = (set: HeldSet) => {
    const of = own.filter((r) => r.set === set);
    const possible = of.reduce((sum, { knows }) => sum + knows.surface.possible / of.length, 0);
    return `${round(100 * (1 - possible))} %`;
  };
  return `with ${settingName(own[0])}, the training language has ${showNumber(own[0].training)} sentences, and the surface gives probability 0 to ${share('context')} of the last tokens after held-out pairs and to ${share('last')} of those below one`;
}

const grammarNumbers = (references: readonly HeldOutReference[]): Map<string, number> =>
  new Map([...new Set(references.map((r) => r.grammar))].map((grammar, i) => [grammar, i + 1]));
