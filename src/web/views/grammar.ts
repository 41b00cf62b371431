import { rulesOf } from '../../training/members.js';
import { h } from '../dom.js';
import { GrammarFigure } from '../figures/grammar.js';
import { schemaForm } from '../form.js';
import type { Page, View, ViewSpec } from '../page.js';
import { pageLimits } from '../setting.js';

export const grammarView: ViewSpec = {
  id: 'grammar',
  title: 'The grammar',
  about: [
    'A sentence of the Random Hierarchy Model grows from one root symbol. At each of *L* levels every symbol is written out as ' +
      '*s* symbols of the next level, by one of its *m* rules. Tuples of one symbol are synonyms: here they share its colour.',
    'No tuple belongs to two symbols, so a sentence can be read back to its root. What a network has to find out is which ' +
      'tuples mean the same, level by level. Click a node to draw its rule anew (what stands for it changes, its meaning does ' +
      'not) or its symbol (its meaning changes too).',
  ],
  create: (page) => new GrammarView(page),
};

class GrammarView implements View {
  readonly element: HTMLElement;
  readonly #figure = new GrammarFigure();
  readonly #form = h('div');

  constructor(readonly page: Page) {
    this.element = h('div', {}, this.#form, this.#figure.element);
    this.reset();
  }

  reset(): void {
    const { grammar, seed } = this.page.setting;
    this.#form.replaceChildren(
      schemaForm({
        path: 'grammar',
        value: { seed, ...grammar },
        fields: ['v', 'm', 's', 'L', 'seed'],
        limits: pageLimits,
        change: (value) => {
          // The page's grammars have as many root symbols as symbols.
          if (!this.page.change({ grammar: { ...value, n: value.v } })) this.reset();
        },
      }),
    );
    void this.#figure.show(rulesOf(this.page.experiments[0]), seed);
  }

  update(): void {}
}
