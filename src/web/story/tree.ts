/** The derivation of one sentence, small and static: symbols in the context up to a level are highlighted, the rest is faint. */
import { type GrammarShape, sentenceLength } from '../../core/rules.js';
import { symbolColour } from '../colours.js';
import { svg } from '../dom.js';
import { nodeAt } from '../figures/tree.js';

const ROW = 30;
const GAP = 24;
const RADIUS = 9.5;

export interface StoryTree {
  readonly element: SVGSVGElement;
  /** Highlights the tokens below the last token's ancestor at level ell, and rings the symbol that this level adds. */
  light(ell: number): void;
}

/** symbols: of the tree, root first, tokens last. */
export function drawStoryTree(shape: GrammarShape, symbols: readonly number[]): StoryTree {
  const { s, L, v, n } = shape;
  const d = sentenceLength(shape);
  const [width, height] = [d * GAP + 4, L * ROW + 2 * RADIUS + 8];
  const x = (depth: number, position: number) => GAP * s ** (L - depth) * (position + 0.5) + 2;
  const y = (depth: number) => RADIUS + 4 + depth * ROW;
  const element = svg('svg', { class: 'story-tree', viewBox: `0 0 ${width} ${height}`, role: 'img' });
  const parts: { node: SVGGElement; edge?: SVGLineElement; depth: number; position: number }[] = [];
  const [edges, nodes] = [svg('g', { class: 'edges' }), svg('g')];
  element.append(edges, nodes);
  for (let depth = 0; depth <= L; depth++)
    for (let position = 0; position < s ** depth; position++) {
      const symbol = symbols[nodeAt(shape, { depth, position })];
      const isTarget = depth === L && position === d - 1;
      const edge =
        depth > 0
          ? svg('line', {
              x1: x(depth - 1, Math.floor(position / s)),
              y1: y(depth - 1),
              x2: x(depth, position),
              y2: y(depth),
            })
          : undefined;
      if (edge) edges.append(edge);
      const node = svg(
        'g',
        { transform: `translate(${x(depth, position)},${y(depth)})` },
        isTarget
          ? svg('rect', { class: 'target', x: -RADIUS, y: -RADIUS, width: 2 * RADIUS, height: 2 * RADIUS, rx: 4 })
          : svg('circle', { r: RADIUS, fill: symbolColour(symbol, depth === 0 ? Math.max(n, v) : v) }),
        svg('text', { y: 3.6, class: isTarget ? 'asked' : 'symbol' }, isTarget ? '?' : symbol),
      );
      nodes.append(node);
      parts.push({ node, edge, depth, position });
    }

  function light(ell: number): void {
    const last = (depth: number) => s ** depth - 1; // position of the node above the last token
    for (const { node, edge, depth, position } of parts) {
      const over = (top: number) => depth >= top && Math.floor(position / s ** (depth - top)) === last(top);
      const isTarget = depth === L && position === d - 1;
      const inside = over(L - ell);
      const added = inside && !(ell > 0 && over(L - ell + 1)) && depth > L - ell;
      const ringed = added && depth === L - ell + 1 && position === last(depth) - 1;
      const look = isTarget || added ? 'lit' : inside ? 'known' : 'faint';
      node.setAttribute('class', `${look}${ringed ? ' ringed' : ''}`);
      edge?.setAttribute('class', inside && depth > L - ell ? look : 'faint');
    }
    const seen = s ** ell - 1;
    element.setAttribute(
      'aria-label',
      `Tree of a sentence of ${d} tokens. ${ell ? `Lit: the ${seen} token${seen > 1 ? 's' : ''} before the last in the context of level ${ell}` : 'Lit: the last token, which is to be predicted'}`,
    );
  }
  return { element, light };
}
