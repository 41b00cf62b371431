/**
 * The meaning of the symbols in the figures, one at a time, below the figure that uses them; for each network with a drawing of which
 * units it connects.
 */
import { pageTheme } from '../../analysis/figures/theme.js';
import { modelFacts } from '../../core/modelFacts.js';
import { h, paragraph, svg, uniqueId } from '../dom.js';

interface Term {
  name: string;
  text: readonly string[]; // with the markup of `paragraph`
  drawing?: () => SVGSVGElement;
}

type Drawn = 'hcnn' | 'hlcn' | 'mla';

const sees: Readonly<Record<Drawn, string>> = {
  hcnn: 'Equal colours mean equal weights: what a filter learns at one position applies at every position of its layer.',
  hlcn: 'It sees what the CNN sees, but each position has its own weights and learns only from what occurs at that position.',
  mla: 'Every position can attend to every other with shared weights; it has to learn which positions belong together.',
};

const terms: readonly Term[] = [
  {
    name: 'nats',
    text: [
      'The unit of the loss: −ln of the probability that a network assigns to the correct token. ln 2 = 0.69 nats make one bit; guessing ' +
        'among *v* equally likely tokens costs ln *v*, 2.08 nats for *v* = 8.',
    ],
  },
  {
    name: 'H(ℓ)',
    text: [
      'The lowest loss that any predictor can reach from the *s*^{ℓ} − 1 tokens that share the last token’s ancestor at level ℓ: the entropy of the ' +
        'last token given those tokens, exact for this grammar. *H*(0) uses only the frequency of each token; *H*(L) is the floor.',
      'The gap *H*(ℓ−1) − *H*(ℓ) is what the context of level ℓ is worth.',
    ],
  },
  {
    name: 'P_{ℓ} and the triangles',
    text: [
      '*P*_{ℓ} = *v* *m*^{power} / (1 − *f*): the number of sentences from which the step to *H*(ℓ) can be learned.',
      '*v* / (1 − *f*), with *f* = *m* / *v*^{s−1}, the fraction of all tuples that the grammar uses; if every tuple were in use, tuples would carry no information.',
      '*m*^{power}: each level between a symbol and the last token divides their correlation by *m*, since *m* synonyms share it. A transformer ' +
        'starts from tokens, 2ℓ − 1 levels away in total; a CNN starts from the symbols that it has already found, ℓ + 1 levels away.',
      'A hollow triangle uses a typical factor, a filled one the factor measured at the first step of this curve.',
    ],
  },
  ...(['hcnn', 'hlcn', 'mla'] as const).map((kind) => ({
    name: modelFacts(kind).title,
    text: [`${modelFacts(kind).about[0].toUpperCase()}${modelFacts(kind).about.slice(1)}.`, sees[kind]],
    drawing: () => drawNetwork(kind),
  })),
];

/** Terms, one of which is open at a time. */
export function explanations(): HTMLElement {
  const group = uniqueId('terms');
  return h(
    'div',
    { class: 'terms' },
    ...terms.map(({ name, text, drawing }) =>
      h(
        'details',
        { name: group },
        h('summary', {}, ...paragraph(name).childNodes),
        drawing?.(),
        ...text.map(paragraph),
      ),
    ),
  );
}

const [WIDTH, ROW, TOKENS] = [190, 30, 8];

/** Tokens at the bottom, the prediction on top. Lines of one colour share a weight. */
function drawNetwork(kind: Drawn): SVGSVGElement {
  const { palette, muted } = pageTheme;
  const element = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${3 * ROW + 20}`,
    width: WIDTH,
    height: 3 * ROW + 20,
    role: 'img',
    'aria-label': `Drawing of the ${modelFacts(kind).title}: ${sees[kind]}`,
  });
  const x = (count: number, i: number) => (WIDTH * (i + 0.5)) / count;
  const y = (row: number) => 10 + 3 * ROW - row * ROW;
  const line = (row: number, from: [number, number], to: [number, number], stroke: string, opacity = 1) =>
    svg('line', {
      ...{ x1: x(from[0], from[1]), y1: y(row), x2: x(to[0], to[1]), y2: y(row + 1) },
      ...{ stroke, 'stroke-width': 1.6, 'stroke-opacity': opacity },
    });
  for (let row = 0; row < 3; row++) {
    const below = kind === 'mla' ? TOKENS : TOKENS / 2 ** row;
    const above = kind === 'mla' ? (row === 2 ? 1 : TOKENS) : below / 2;
    for (let i = 0; i < above; i++)
      for (let j = 0; j < below; j++) {
        if (kind !== 'mla' && Math.floor(j / 2) !== i) continue;
        const colour = kind === 'hlcn' ? palette[(row + 2 * i) % palette.length] : palette[row];
        element.append(line(row, [below, j], [above, i], colour, kind === 'mla' ? 0.35 : 1));
      }
  }
  for (let row = 0; row <= 3; row++) {
    const count = row === 3 ? 1 : kind === 'mla' ? TOKENS : TOKENS / 2 ** row;
    for (let i = 0; i < count; i++) element.append(svg('circle', { cx: x(count, i), cy: y(row), r: 4.5, fill: muted }));
  }
  return element;
}
