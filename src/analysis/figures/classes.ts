import * as Plot from '@observablehq/plot';
import { counted } from '../../core/counted.js';
import { modelFacts } from '../../core/modelFacts.js';
import { classificationComplexity } from '../../theory/index.js';
import { LEARNT_ERROR } from '../../theory/steps.js';
import { type ClassRow, classPowers, classTable, errorPointsOf, networkOf } from '../classes.js';
import { type Curve, shapeName } from '../curves.js';
import { showEstimate, showNumber } from '../format.js';
import { groupBy } from '../staircase.js';
import { mean } from '../statistics.js';
import { estimateColumns, shapeColumns } from '../tables.js';
import { compose, type ErrorPoint, errorPoints, logAxis, type Panel } from './canvas.js';
import type { Canvas } from './paper.js';
import { figure } from './spec.js';
import { type Look, looksFor } from './theme.js';

/** P* against n m^L, and the error curves against P / (n m^L). */
export const classesFigure = figure({
  name: 'classes',
  title: 'Classification: distinct sentences needed to predict the root symbol',
  chapter: 'neighbours',
  results: ({ studies }) => {
    const classes = classTable(studies.classes);
    return { classes, classPowers: classPowers(classes) };
  },
  tables: (all) => [
    {
      name: 'classes',
      about: 'P*, the number of sentences at which the test error of the root symbol falls to a tenth, and n m^L',
      rows: all.classes.map((r) => ({
        network: r.network,
        ...shapeColumns(r.shape),
        law: r.law,
        ...estimateColumns(r.P),
      })),
    },
    {
      name: 'class_powers',
      about: 'how P* grows with n m^L',
      rows: all.classPowers.map((r) => ({
        network: r.network,
        predicted: r.predicted ?? null,
        sizes: r.sizes,
        ...estimateColumns(r.power),
      })),
    },
  ],
  sections: [
    {
      name: 'classes',
      title: 'Classification: how P* grows',
      findings: (r) =>
        r.classPowers.map((row) => ({
          quantity: 'power of n m^L in P*',
          where: `${row.network}, ${counted(row.sizes, 'size')}`,
          predicted: row.predicted,
          measured: row.power,
          comment: row.predicted === undefined ? 'the law is that of the CNN in mean-field scaling' : '',
        })),
    },
  ],
  summary: ({ classes, classPowers: powers }) => {
    const cnn = powers.find((p) => p.network === 'hcnn');
    if (!cnn) return [];
    const factors = classes.filter((r) => r.network === 'hcnn' && r.P.bound === 'none').map((r) => r.factor.value);
    const [low, high] = [Math.min(...factors), Math.max(...factors)].map((x) => Number(x.toPrecision(2)));
    const others = lazySentence(classes);
    return [
      `To predict the root symbol, the ${modelFacts(cnn.kind).title} needs P* = ${low} to ${high} times n m^L distinct sentences; the power of n m^L in P* is ${showEstimate(cnn.power)} (law: 1)${others}.`,
    ];
  },
  caption: () => ({
    predicts:
      'the CNN learns the classes from P* sentences, and P* grows like n m^L, a polynomial in the length of a sentence (dashed: power 1, height fitted). Fully connected networks, and lazy ones, whose features hardly change, need more.',
    measured: `P* is the number of sentences at which the test error falls to ${LEARNT_ERROR}, at the best validation loss, with 95% intervals over grammars; arrows are bounds. n = m = v, s = 2. Lazy: standard scaling, readout divided by the root of the width. Lower panels: test errors, one line per grammar.`,
  }),
  table: ({ classes }) => ({
    head: ['network', 'grammar', 'n m^L', 'P*', 'over n m^L'],
    rows: classes.map((r) => [
      r.network,
      shapeName(r.shape),
      showNumber(r.law),
      showEstimate(r.P),
      showEstimate(r.factor),
    ]),
  }),
  draw: ({ studies, classes }, canvas) => {
    if (!classes.length) return undefined;
    const { theme } = canvas;
    const names = [...new Set(classes.map((r) => r.network))];
    const looks = looksFor(names, theme);
    const panels = [
      growthPanel(classes, looks, canvas),
      ...names.map((name) => errorPanel(name, studies.classes, looks.get(name)!, canvas)),
    ];
    return compose(canvas, panels, Math.min(3, panels.length), 220, [...looks.values()], true);
  },
});

function growthPanel(rows: readonly ClassRow[], looks: ReadonlyMap<string, Look>, { theme }: Canvas): Panel {
  const x = logAxis(
    rows.map((r) => r.law),
    'n m^L',
    0.06,
  );
  const exact = rows.filter((r) => r.network === 'hcnn' && r.P.bound === 'none');
  const height = exact.length ? mean(exact.map((r) => Math.log(r.P.value / r.law))) : 0;
  const law = x.domain.map((at) => ({ x: at, y: at * Math.exp(height) }));
  const at = (r: ClassRow): ErrorPoint => ({ x: r.law, y: r.P.value, low: r.P.low, high: r.P.high, bound: r.P.bound });
  return {
    title: 'P*, error of a tenth',
    options: {
      x,
      y: logAxis(
        rows.map((r) => r.P.value),
        'P*',
        0.1,
      ),
      marks: [
        Plot.line(law, { x: 'x', y: 'y', stroke: theme.muted, strokeDasharray: '5 4', clip: true }),
        ...[...looks].flatMap(([name, look]) =>
          errorPoints(rows.filter((r) => r.network === name).map(at), look, theme.paper),
        ),
      ],
    },
  };
}

function errorPanel(network: string, all: readonly Curve[], look: Look, { theme }: Canvas): Panel {
  const own = all.filter((c) => networkOf(c) === network);
  const lines = own.map((c) => {
    const unit = classificationComplexity(c.shape);
    return errorPointsOf(c).map(({ x, y }) => ({ x: Math.exp(x) / unit, y: Math.exp(y) }));
  });
  const sizes = groupBy(own, (c) => shapeName(c.shape)).length;
  return {
    title: network,
    subtitle: `${counted(sizes, 'size')}, ${counted(own.length, 'curve')}`,
    options: {
      x: logAxis(
        lines.flat().map((p) => p.x),
        'P / (n m^L)',
      ),
      y: logAxis([...lines.flat().map((p) => p.y), 1], 'test error'),
      marks: [
        Plot.ruleY([LEARNT_ERROR], { stroke: theme.muted, strokeDasharray: '3 3' }),
        ...lines.map((line) => Plot.line(line, { x: 'x', y: 'y', stroke: look.color, strokeWidth: 1.1 })),
        Plot.dot(lines.flat(), { x: 'x', y: 'y', r: 1.8, fill: look.color }),
      ],
    },
  };
}

/** `; in units of this P* the others need ...`: the ratios of the other networks, marked if only bounds are known. */
function lazySentence(rows: readonly ClassRow[]): string {
  const parts = groupBy(
    rows.filter((r) => r.network !== 'hcnn'),
    (r) => r.network,
  ).flatMap((group) => {
    const times = group.flatMap((r) => {
      const base = rows.find((b) => b.network === 'hcnn' && shapeName(b.shape) === shapeName(r.shape));
      return base?.P.bound === 'none' ? [{ value: r.P.value / base.P.value, bound: r.P.bound }] : [];
    });
    if (!times.length) return [];
    const text = times.map(
      ({ value, bound }) => `${bound === 'lower' ? 'more than ' : ''}${Number(value.toPrecision(2))}`,
    );
    return [`${group[0].network} ${text.join(', ')}`];
  });
  return parts.length ? `; in units of this P* the others need ${parts.join('; ')}` : '';
}
