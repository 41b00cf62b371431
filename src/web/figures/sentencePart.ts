/** The part of a sentence that belongs to a point of the cloud, as chips and as words. */
import { type GrammarShape, sentenceLength } from '../../core/rules.js';
import type { PointInfo } from '../cloud/look.js';
import { symbolColour } from '../colours.js';
import { h } from '../dom.js';

const MOST = 20; // tokens in a row of chips

/** For screen readers and for tests. */
export function describePart({ sentence, tokens, start, end, level, symbol }: PointInfo): string {
  const part = end - start < tokens.length ? `tokens ${tokens.slice(start, end).join(' ')} of ` : '';
  return `Sentence ${sentence}: ${part}${tokens.join(' ')}; ${level ? `level-${level} symbol` : 'token'} ${symbol}`;
}

/** The symbol and the sentence's tokens, with a border around those below the point; of a long sentence only their surroundings. */
export function drawPart({ tokens, start, end, level, symbol, node }: PointInfo, shape: GrammarShape): HTMLElement {
  const { s, L, v, n } = shape;
  const d = sentenceLength(shape);
  const from = Math.min(start, node * s ** level);
  const first = d <= MOST ? 0 : Math.max(0, Math.min(from - 2, d - MOST));
  const last = Math.min(d, first + MOST);
  const chip = (symbol: number, kinds: number, marked: boolean) => {
    const element = h('span', { class: `chip${marked ? ' seen' : ''}` }, symbol);
    element.style.backgroundColor = symbolColour(symbol, kinds);
    return element;
  };
  return h(
    'p',
    { class: 'sentence-part', 'aria-hidden': 'true' },
    chip(symbol, level === L ? Math.max(n, v) : v, false),
    h('span', { class: 'word' }, level ? `at level ${level} over` : 'in'),
    first > 0 ? '… ' : '',
    ...tokens.slice(first, last).map((token, i) => chip(token, v, first + i >= start && first + i < end)),
    last < d ? ' …' : '',
  );
}
