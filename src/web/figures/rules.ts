/** The production rules, level by level: a row is a symbol and the tuples that it can be written as, all in its colour. */
import type { Rules } from '../../core/rules.js';
import { symbolColour } from '../colours.js';
import { h } from '../dom.js';

/** used: by depth, the "symbol,rule" pairs that the shown sentence uses, which are highlighted. */
export function drawRules(grammar: Rules, used: readonly ReadonlySet<string>[]): HTMLElement {
  const { L, v, n, rules } = grammar;
  return h(
    'div',
    { class: 'rule-levels' },
    ...rules.map((symbols, depth) =>
      h(
        'table',
        {},
        h(
          'caption',
          {},
          `level ${L - depth}${depth === 0 ? ' (root)' : ''} to level ${L - depth - 1}${depth === L - 1 ? ' (tokens)' : ''}`,
        ),
        h(
          'tbody',
          {},
          ...symbols.map((tuples, a) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, chip(String(a), symbolColour(a, depth === 0 ? Math.max(n, v) : v))),
              h(
                'td',
                {},
                ...tuples.map((tuple, k) => {
                  const isUsed = used[depth].has(`${a},${k}`);
                  const colour = symbolColour(a, depth === 0 ? Math.max(n, v) : v);
                  const box = chip(tuple.join(' '), colour, isUsed ? 'tuple used' : 'tuple');
                  if (isUsed) box.setAttribute('title', 'used in the sentence above');
                  return box;
                }),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

function chip(text: string, colour: string, name = 'chip'): HTMLElement {
  const element = h('span', { class: name }, text);
  element.style.backgroundColor = colour;
  return element;
}
