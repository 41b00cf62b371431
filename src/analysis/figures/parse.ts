import * as Plot from '@observablehq/plot';
import { modelFacts, modelOrder } from '../../core/modelFacts.js';
import { shapeName } from '../curves.js';
import { round, showEstimate } from '../format.js';
import {
  EXACT,
  meanPoints,
  type ParseCurve,
  type ParseRow,
  parseCurves,
  parseTable,
  type Way,
  ways,
} from '../parsing.js';
import { groupBy } from '../staircase.js';
import { shapeColumns } from '../tables.js';
import { compose, logAxis, type Panel } from './canvas.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

const names = Object.keys(ways) as Way[];

/** Sentences parsed completely right against P. */
export const parseFigure = figure({
  name: 'parse',
  title: 'Hidden symbols as labels: sentences parsed completely right',
  chapter: 'neighbours',
  results(_, { runs }) {
    const found = parseCurves(runs).sort((a, b) => modelOrder(a.kind) - modelOrder(b.kind));
    return { parseCurves: found, parsing: parseTable(found) };
  },
  tables: (all) => [
    {
      name: 'parse',
      about: 'fraction of test sentences with all hidden symbols right, against the number P of training sentences',
      rows: all.parseCurves.flatMap((c) => {
        const grammars = [...new Set(all.parseCurves.map(({ grammar }) => grammar))];
        return c.points.map((point) => ({
          network: c.network,
          ...shapeColumns(c.shape),
          ...{ grammar: grammars.indexOf(c.grammar) + 1, way: ways[c.way], rate: c.rate, ...point },
        }));
      }),
    },
  ],
  sections: [
    {
      name: 'parse',
      title: 'Parsing',
      findings: ({ parsing }) =>
        parsing.flatMap((row) =>
          row.ratio
            ? [
                {
                  quantity: `P at which half of the sentences are parsed, ${ways[row.way]} over labels alone`,
                  where: `${row.network}, ${shapeName(row.shape)}`,
                  predicted: undefined,
                  measured: row.ratio,
                  comment: 'at the end of equally many steps, each at its best learning rate',
                  verdict: '-' as const,
                },
              ]
            : [],
        ),
    },
  ],
  summary: ({ parsing, parseCurves }) => (parsing.length ? [found(parsing, parseCurves)] : []),
  caption: ({ parsing, parseCurves }) => ({
    predicts:
      'a parser that knows the rules is always right, since each tuple has one parent. A network learns every hidden symbol from labels. Loss terms that make its symbols obey the rules (a parent implies one of its tuples, a tuple its parent, symbols exclude each other) repeat what the labels of the training sentences already say; they can help if they improve generalisation. Decoding by the most probable consistent tree applies the rules between hidden symbols to sentences that were never seen.',
    measured: `at the end of equally many steps; labels alone and logic each at the best of the learning rates tried (in the table); mean over grammars. All hidden symbols of a sentence must be right. ${found(parsing, parseCurves)}`,
  }),
  table: ({ parsing }) => ({
    head: ['network', 'size', 'how', 'rate', 'half of the sentences at P', 'over labels alone', 'at the largest P'],
    rows: parsing.map((row) => [
      row.network,
      shapeName(row.shape),
      ways[row.way],
      String(row.rate),
      showEstimate(row.half),
      row.ratio ? showEstimate(row.ratio) : '-',
      String(round(row.last)),
    ]),
  }),
  draw: ({ parseCurves }, canvas) => {
    const curves = parseCurves.filter((c) => c.points.length > 1);
    if (!curves.length) return undefined;
    const looks = looksFor([...names.map((way) => ways[way]), EXACT], canvas.theme);
    const panels = groupBy(curves, (c) => `${c.network}|${shapeName(c.shape)}`).map((group) =>
      parsePanel(group, looks),
    );
    return compose(canvas, panels, Math.min(3, panels.length), 220, [...looks.values()], true);
  },
});

function parsePanel(group: readonly ParseCurve[], looks: ReadonlyMap<string, Look>): Panel {
  const { kind, shape } = group[0];
  const exact = looks.get(EXACT)!;
  return {
    title: modelFacts(kind).title,
    subtitle: shapeName(shape),
    options: {
      x: logAxis(
        group.flatMap((c) => c.points.map((p) => p.sentences)),
        'distinct sentences P',
      ),
      y: {
        domain: [0, 1],
        label: 'parsed completely right',
        labelArrow: 'none',
        grid: true,
        ticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
      },
      marks: [
        Plot.ruleY([1], { stroke: exact.color, strokeDasharray: exact.dash, strokeWidth: 1.5 }),
        ...groupBy(group, (c) => c.way).flatMap((own) => {
          const { color, dash, symbol } = looks.get(ways[own[0].way])!;
          const at = { x: 'sentences', y: 'right' };
          return [
            Plot.line(meanPoints(own), { ...at, stroke: color, strokeDasharray: dash, strokeWidth: 1.8, clip: true }),
            Plot.dot(meanPoints(own), { ...at, symbol, r: 3, fill: color, stroke: color }),
          ];
        }),
      ],
    },
  };
}

/** The effect of logic and decoding: on the P at half of the sentences, and the mean gain over all P. */
function found(rows: readonly ParseRow[], curves: readonly ParseCurve[]): string {
  const networks = groupBy(rows, (row) => row.kind).map((group) => {
    const gain = (from: Way, to: Way) => {
      const own = (way: Way) => curves.filter((c) => c.kind === group[0].kind && c.way === way);
      const differences = own(from).flatMap((a) =>
        own(to)
          .filter((b) => b.grammar === a.grammar)
          .flatMap((b) =>
            a.points.flatMap((p) => {
              const q = b.points.find(({ sentences }) => sentences === p.sentences);
              return q ? [q.right - p.right] : [];
            }),
          ),
      );
      const mean = differences.reduce((sum, x) => sum + x / differences.length, 0);
      const higher = differences.filter((x) => x > 0).length;
      return differences.length ? `${points(mean)} (higher in ${higher} of ${differences.length})` : '-';
    };
    return `${modelFacts(group[0].kind).title}: logic ${gain('labels', 'logic')}, decoding ${gain('labels', 'decoded')}, both ${gain('labels', 'both')}`;
  });
  return `Sentences parsed completely right, in percentage points over labels alone, mean over runs: ${networks.join('; ')}.`;
}

/** A difference of fractions in percentage points. */
const points = (x: number) => `${x < 0 ? '-' : '+'}${Math.abs(100 * x).toFixed(1)}`;
