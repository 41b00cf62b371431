import type { Rules } from '../../core/rules.js';
import { languageSize, logDerivations } from '../../grammar/derivations.js';
import { rulesOf } from '../../training/members.js';
import { h } from '../dom.js';
import { GrammarFigure } from '../figures/grammar.js';
import { schemaForm, showForms } from '../form.js';
import type { Page, View, ViewSpec } from '../page.js';
import { pageLimits } from '../setting.js';

export const grammarView: ViewSpec = {
  id: 'grammar',
  title: 'The grammar',
  about: [
    'A sentence of the Random Hierarchy Model grows from one root symbol. At each of *L* levels every symbol is replaced by ' +
      '*s* symbols of the next level, by one of its *m* rules. The tuples of one symbol are synonyms: here they share its colour.',
    'No tuple belongs to two symbols, so a sentence can be parsed back to its root. A network has to find out which ' +
      'tuples mean the same, level by level. Click a node to resample its rule (the tokens below it change, its meaning does ' +
      'not) or its symbol (its meaning changes too).',
    'Or hide tokens: the tree then shows the exact probability of every symbol given the tokens that are left. Hide the last one and you ' +
      'see what a perfect network predicts.',
  ],
  create: (page) => new GrammarView(page),
};

class GrammarView implements View {
  readonly element: HTMLElement;
  readonly #figure = new GrammarFigure();
  readonly #form = h('div');
  readonly #size = h('p', { class: 'hint' });

  constructor(readonly page: Page) {
    this.element = h('div', {}, this.#form, this.#size, this.#figure.element);
    this.reset();
  }

  reset(): void {
    const { grammar, seed } = this.page.setting;
    showForms(
      this.#form,
      schemaForm({
        path: 'grammar',
        value: { seed, ...grammar },
        fields: ['v', 'm', 's', 'L', 'seed'],
        limits: pageLimits,
        change: (value) => {
          // The page's grammars have as many root symbols as symbols.
          const refusal = this.page.change({ grammar: { ...value, n: value.v } });
          if (refusal) this.reset();
          return refusal;
        },
      }),
    );
    const rules = rulesOf(this.page.experiments[0]);
    this.#size.textContent = `This language has ${languageText(rules)} distinct sentences.`;
    void this.#figure.show(rules, seed);
  }

  update(): void {}
}

/** In full up to a million million, then as a power of ten. */
function languageText(rules: Rules): string {
  const size = languageSize(rules);
  if (size && size.length <= 12) return Number(size).toLocaleString('en');
  return `about 10^${Math.floor(logDerivations(rules) / Math.LN10)}`;
}
