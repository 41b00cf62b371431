/** What the visible tokens of a sentence imply for all its symbols: exact posteriors, in words, as a pie, as chips. */
import type { Rules } from '../../core/rules.js';
import { mostProbableTrees, posteriors } from '../../theory/inference.js';
import { symbolColour } from '../colours.js';
import { h, svg } from '../dom.js';
import type { NodeAt } from './tree.js';

export interface Beliefs {
  /** Probability of each symbol of a node, given the visible tokens. */
  of(at: NodeAt): Float64Array;
  /** Tokens of the most probable derivation, and its probability. */
  best: { tokens: number[]; probability: number };
}

const SURE = 1 - 1e-9;
const NAMED = 4; // maximum number of symbols listed individually
const LEAST = 0.005; // of a pie

/** hidden: positions of covered tokens. */
export function beliefsOf(rules: Rules, tokens: readonly number[], hidden: ReadonlySet<number>): Beliefs {
  const seen = [tokens.map((token, i) => (hidden.has(i) ? null : token))];
  const { symbols, logLikelihoods } = posteriors(rules, seen);
  const tree = mostProbableTrees(rules, seen);
  const { s, L } = rules;
  return {
    of({ depth, position }) {
      const kinds = symbols[depth].length / s ** depth;
      return symbols[depth].subarray(position * kinds, (position + 1) * kinds);
    },
    best: {
      tokens: Array.from(tree.symbols[L]),
      probability: Math.exp(tree.logProbabilities[0] - logLikelihoods[0]),
    },
  };
}

export const isSure = (p: Float64Array): boolean => p.some((x) => x >= SURE);

/** The symbol with the largest probability, the lowest if there are several; undefined: none exceeds one half. */
export function likeliest(p: Float64Array): number | undefined {
  const most = Math.max(...p);
  return most > 0.5 + 1e-9 ? p.indexOf(most) : undefined;
}

/** In nats: the mean loss of the best prediction of this symbol, if these probabilities are right. */
export const entropyOf = (p: Float64Array): number => p.reduce((sum, x) => (x > 0 ? sum - x * Math.log(x) : sum), 0);

/** `62%`, `<1%`, `>99%`. */
export function percent(x: number): string {
  if (x >= SURE) return '100%';
  if (x > 0.995) return '>99%';
  return x < 0.005 ? '<1%' : `${Math.round(100 * x)}%`;
}

/** `3 with 62%, 5 with 38%`; with many symbols the most probable ones, and the total for the others. */
export function beliefWords(p: Float64Array): string {
  const { named, rest } = ordered(p);
  const parts = named.map(([symbol, x]) => `${symbol} with ${percent(x)}`);
  return [...parts, ...(rest > 0 ? [`others with ${percent(rest)}`] : [])].join(', ');
}

/** The same as chips in the colours of the symbols. kinds: number of colours. */
export function beliefChips(p: Float64Array, kinds: number): HTMLElement[] {
  const { named, rest } = ordered(p);
  const chips = named.map(([symbol, x]) => {
    const chip = h('span', { class: 'chip' }, symbol);
    chip.style.backgroundColor = symbolColour(symbol, kinds);
    return h('span', { class: 'belief' }, chip, percent(x));
  });
  return rest > 0 ? [...chips, h('span', { class: 'belief' }, `others ${percent(rest)}`)] : chips;
}

function ordered(p: Float64Array): { named: [symbol: number, probability: number][]; rest: number } {
  const all = Array.from(p, (x, symbol): [number, number] => [symbol, x])
    .filter(([, x]) => x > 1e-9)
    .sort((a, b) => b[1] - a[1]);
  const named = all.length <= NAMED + 1 ? all : all.slice(0, NAMED);
  return { named, rest: all.slice(named.length).reduce((sum, [, x]) => sum + x, 0) };
}

/** A pie of the probabilities about the origin, clockwise from the top in the order of the symbols. */
export function beliefPie(p: Float64Array, radius: number, kinds: number): SVGGElement {
  const pie = svg('g', { class: 'pie', 'aria-hidden': 'true' });
  let from = 0;
  p.forEach((x, symbol) => {
    const to = from + x;
    if (x >= LEAST) pie.append(svg('path', { d: slice(from, to, radius), fill: symbolColour(symbol, kinds) }));
    from = to;
  });
  return pie;
}

/** A slice of a circle, between two fractions of a turn. */
function slice(from: number, to: number, radius: number): string {
  const end = Math.min(to, from + 0.9999); // an arc that ends where it began would vanish
  const at = (turn: number) =>
    `${(radius * Math.sin(2 * Math.PI * turn)).toFixed(2)},${(-radius * Math.cos(2 * Math.PI * turn)).toFixed(2)}`;
  return `M0,0L${at(from)}A${radius},${radius},0,${end - from > 0.5 ? 1 : 0},1,${at(end)}Z`;
}
