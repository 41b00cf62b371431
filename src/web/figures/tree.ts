/** The derivation tree of one sentence. Every node is a button: arrows move in the tree, R and S resample, H covers tokens. */
import { type GrammarShape, sentenceLength } from '../../core/rules.js';
import { symbolColour } from '../colours.js';
import { svg } from '../dom.js';
import { type Beliefs, beliefPie, beliefWords, isSure, likeliest, percent } from './beliefs.js';

export interface TreeOfSentence {
  symbols: number[]; // root, then each level from left to right; the last s^L are the tokens
  rules: number[]; // of the inner nodes, in the same order
}

export interface NodeAt {
  depth: number; // 0 = root
  position: number;
}

/**
 * The effect of a click or a key on a node: draws its rule or its symbol again, or covers the tokens below it (or shows them
 * again).
 */
export type NodeAction = 'rule' | 'symbol' | 'hide';

export interface TreeActions {
  /** action: requested by a key; undefined: the action that the reader has chosen. */
  act(at: NodeAt, action?: NodeAction): void;
  /** A node has the focus, or the pointer is over it. */
  look(at: NodeAt, focused: boolean): void;
}

/** Covered tokens, and what the others imply. */
export interface Covered {
  hidden: ReadonlySet<number>;
  beliefs: Beliefs;
}

/** Nodes above a depth. */
export const nodesOf = ({ s }: GrammarShape, depth: number) => (s ** depth - 1) / (s - 1);
/** A node's index in the list of symbols. */
export const nodeAt = (shape: GrammarShape, { depth, position }: NodeAt) => nodesOf(shape, depth) + position;

const ROW = 62;
const NODE = 25;
const LEFT = 50; // room for the names of the levels
const LEAST = 28; // pixels between tokens
const SHRINK = 0.8; // factor of the size, if that avoids a scroll bar

/** Pixels: width, height, and the factor by which the tree is shrunk to fit into `room`. */
export function treeSize(
  shape: GrammarShape,
  room: number,
): { gap: number; width: number; height: number; scale: number } {
  const gap = Math.min(62, Math.max(LEAST, (room - LEFT - 8) / sentenceLength(shape)));
  const width = sentenceLength(shape) * gap + 6;
  const whole = LEFT + width + 2;
  return { gap, width, height: (shape.L + 1) * ROW + 4, scale: whole * SHRINK <= room ? Math.min(1, room / whole) : 1 };
}

export function drawTree(
  shape: GrammarShape,
  original: TreeOfSentence,
  changed: TreeOfSentence | undefined,
  focused: NodeAt,
  actions: TreeActions,
  room: number, // available width in pixels
  covered?: Covered,
): { element: SVGSVGElement; levels: SVGSVGElement; focus(at: NodeAt): void } {
  const { s, L, v, n } = shape;
  const { gap, width, height, scale } = treeSize(shape, room);
  const d = sentenceLength(shape);
  const reach = Math.min(17, gap / 2 - 1); // how far a tuple's box extends beyond the centre of its outer symbols
  const x = ({ depth, position }: NodeAt) => gap * s ** (L - depth) * (position + 0.5) + 3;
  const y = (depth: number) => 26 + depth * ROW;
  const shown = changed ?? original;
  const element = svg('svg', {
    class: 'tree',
    viewBox: `0 0 ${width} ${height}`,
    width: width * scale,
    height: height * scale,
    role: 'group',
    'aria-label': `Derivation tree: arrow keys move between nodes; R resamples the rule of a node, S its symbol, H hides or shows the tokens below it, Enter does what is chosen above`,
  });
  const levels = svg('svg', {
    class: 'tree-levels',
    viewBox: `0 0 ${LEFT} ${height}`,
    width: LEFT * scale,
    height: height * scale,
    'aria-hidden': 'true',
  });
  const nodes = new Map<string, SVGGElement>();
  const edges = svg('g', { class: 'edges' });
  const marks = svg('g');
  const labels = svg('g', { 'aria-hidden': 'true' });
  element.append(edges, marks);
  for (let depth = 0; depth <= L; depth++) {
    const level = L - depth;
    const note = depth === 0 ? 'root' : level === 0 ? 'tokens' : '';
    levels.append(
      svg('text', { x: 2, y: y(depth) + (note ? -2 : 4) }, `level ${level}`),
      svg('text', { x: 2, y: y(depth) + 11 }, note),
    );
    for (let position = 0; position < s ** depth; position++) {
      const at = { depth, position };
      const node = nodeAt(shape, at);
      const symbol = shown.symbols[node];
      const kinds = depth === 0 ? Math.max(n, v) : v;
      const belief = covered?.beliefs.of(at);
      const unsure = belief && !isSure(belief) ? belief : undefined;
      const colour = symbolColour(symbol, kinds);
      const children = Array.from({ length: s }, (_, i) => ({ depth: depth + 1, position: s * position + i }));
      const tells = depth < L && children.every((child) => !covered || isSure(covered.beliefs.of(child)));
      const rule = tells && !unsure ? shown.rules[node] : undefined; // the rule of an unknown tuple is unknown
      if (depth < L) {
        const [a, b] = [x(children[0]), x(children[s - 1])];
        // The tuple that a rule writes has the colour of its parent symbol: synonyms look alike.
        edges.append(
          svg('rect', {
            x: a - reach,
            y: y(depth + 1) - 18,
            width: b - a + 2 * reach,
            height: 36,
            rx: 18,
            fill: unsure ? 'currentColor' : colour,
            'fill-opacity': unsure ? 0.1 : 0.32,
          }),
        );
        for (const child of children)
          edges.append(svg('line', { x1: x(at), y1: y(depth) + NODE / 2, x2: x(child), y2: y(depth + 1) - NODE / 2 }));
      }
      const isHidden = depth === L && covered?.hidden.has(position);
      const differs = changed && !unsure && !isHidden && original.symbols[node] !== symbol;
      const was = differs ? original.symbols[node] : undefined;
      const ruleWas = changed && rule !== undefined && original.rules[node] !== rule ? original.rules[node] : undefined;
      const group = svg(
        'g',
        {
          class: `node${was !== undefined || ruleWas !== undefined ? ' changed' : ''}`,
          transform: `translate(${x(at)},${y(depth)})`,
          role: 'button',
          tabindex: depth === focused.depth && position === focused.position ? '0' : '-1',
          'data-node': `${depth},${position}`,
          'aria-label': describe({
            level,
            position,
            symbol: unsure ? beliefWords(unsure) : `${symbol}${isHidden ? ' for certain' : ''}`,
            hidden: isHidden,
            rule,
            was,
            ruleWas,
            last: depth === L && position === d - 1,
          }),
          onclick: () => actions.act(at),
          onfocus: () => actions.look(at, true),
          onpointerenter: () => actions.look(at, false),
          onkeydown: (event: KeyboardEvent) => onKey(event, at),
        },
        unsure && beliefPie(unsure, NODE / 2, kinds),
        svg('circle', { r: NODE / 2, fill: unsure ? 'transparent' : colour }),
        isHidden && svg('circle', { class: 'cover', r: NODE / 2 + 3, fill: 'none' }),
        svg('text', { class: 'symbol', y: 4.3, 'aria-hidden': 'true' }, unsure ? (likeliest(unsure) ?? '?') : symbol),
      );
      const below = { x: x(at), y: y(depth) + NODE / 2 + (isHidden ? 13 : 11) };
      if (unsure) labels.append(svg('text', { class: 'rule', ...below }, percent(Math.max(...unsure))));
      if (was !== undefined) labels.append(svg('text', { class: 'was', x: x(at) - 11, y: y(depth) - 10 }, `${was}→`));
      if (rule !== undefined)
        labels.append(svg('text', { class: ruleWas === undefined ? 'rule' : 'rule new', ...below }, `rule ${rule}`));
      nodes.set(`${depth},${position}`, group);
      element.append(group);
    }
  }
  const end = x({ depth: L, position: d - 1 });
  marks.append(svg('rect', { class: 'target', x: end - 15, y: y(L) - 15, width: 30, height: 30, rx: 6 }));

  element.append(labels);

  function focus(at: NodeAt): void {
    for (const [name, node] of nodes) node.setAttribute('tabindex', name === `${at.depth},${at.position}` ? '0' : '-1');
    nodes.get(`${at.depth},${at.position}`)?.focus();
  }

  function onKey(event: KeyboardEvent, { depth, position }: NodeAt): void {
    const moves: Record<string, NodeAt> = {
      ArrowLeft: { depth, position: position - 1 },
      ArrowRight: { depth, position: position + 1 },
      ArrowUp: { depth: depth - 1, position: Math.floor(position / s) },
      ArrowDown: { depth: depth + 1, position: position * s },
    };
    const target = moves[event.key];
    const kinds: Record<string, NodeAction | undefined> = {
      r: 'rule',
      s: 'symbol',
      h: 'hide',
      Enter: undefined,
      ' ': undefined,
    };
    if (target) {
      if (nodes.has(`${target.depth},${target.position}`)) focus(target);
    } else if (event.key in kinds && !event.ctrlKey && !event.metaKey && !event.altKey)
      actions.act({ depth, position }, kinds[event.key]);
    else return;
    event.preventDefault();
  }
  return { element, levels, focus };
}

interface NodeWords {
  level: number;
  position: number;
  symbol: string; // or symbols, with their probabilities
  hidden?: boolean;
  rule?: number;
  was?: number;
  ruleWas?: number;
  last: boolean;
}

function describe({ level, position, symbol, hidden, rule, was, ruleWas, last }: NodeWords): string {
  const parts = [`level ${level}, place ${position + 1}${hidden ? ', hidden' : ''}: symbol ${symbol}`];
  if (was !== undefined) parts.push(`was ${was}`);
  if (rule !== undefined) parts.push(`written by rule ${rule}`);
  if (ruleWas !== undefined) parts.push(`was rule ${ruleWas}`);
  if (last) parts.push('the token to predict');
  return parts.join(', ');
}
