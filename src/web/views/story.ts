import type { Recording } from '../../analysis/recording.js';
import { h } from '../dom.js';
import { storyStep } from '../link.js';
import type { Page, View, ViewSpec } from '../page.js';
import { StoryFigure } from '../story/figure.js';

export const storyView: ViewSpec = {
  id: 'story',
  title: 'The paper in 90 seconds',
  about: [],
  create: (page) => new StoryView(page),
};

class StoryView implements View {
  readonly element = h('div', { class: 'story-room' });
  #figure: StoryFigure | undefined;

  constructor(readonly page: Page) {
    // In a separate chunk: the parts that the page needs to appear come first.
    void import('../story/recorded.js').then(({ recorded }) => this.#open(recorded));
    addEventListener('hashchange', () => this.#follow());
  }

  #open(recording: Recording): void {
    this.#figure = new StoryFigure(recording, this.#ending(recording), (step) => this.page.tell(step + 1));
    this.element.replaceChildren(this.#figure.element);
    if (storyStep(location.hash) !== undefined) this.#follow();
    else if (!this.page.openedByLink) this.#figure.begin();
  }

  #follow(): void {
    const step = storyStep(location.hash);
    if (step !== undefined) this.#figure?.open(step - 1);
  }

  #ending({ grammar, networks }: Recording): HTMLElement {
    const { seed, ...shape } = grammar;
    const train = (m: number) => {
      this.page.open({
        grammar: { ...shape, m, seed },
        networks: networks.map(({ kind, model, optimiser }) => ({ model: { kind, ...model }, optimiser })),
      });
      document.querySelector('#learning')!.scrollIntoView();
      this.page.training.go();
    };
    const go = (id: string, text: string) => h('a', { href: `#${id}` }, text);
    return h(
      'div',
      { class: 'toolbar story-ending' },
      h('strong', {}, 'Train it yourself:'),
      ...[2, 3, 4].map((m) => h('button', { type: 'button', onclick: () => train(m) }, `m = ${m}`)),
      go('embed', 'Embed this'),
      go('cite', 'Cite'),
    );
  }

  reset(): void {}
  update(): void {}
}
