import { shapeOf } from '../../core/rules.js';
import { h } from '../dom.js';
import type { Page, View, ViewSpec } from '../page.js';
import type { Setting } from '../setting.js';

export const embedView: ViewSpec = {
  id: 'embed',
  title: 'Embed it',
  about: [
    'Both figures are custom elements in one module script, elements.js, beside this page. Their styles do not leak out ' +
      'or in, a page can hold several, and they train in their own workers.',
    'They take attributes, send events (*rhm-change*, *rhm-sentence*, *rhm-record*, *rhm-state*, *rhm-error*) and the curve has ' +
      'the methods start(), pause() and restart(). With src="folder" it draws a run of *rhm train* instead of training.',
    'A page on another site can load the script from here if this server allows it (*rhm serve --origins https://that.site*), or ' +
      'use its own copy of elements.js.',
  ],
  create: (page) => new EmbedView(page),
};

class EmbedView implements View {
  readonly element: HTMLElement;
  readonly #code = h('code');
  #shown: Setting | undefined;
  readonly #copied = h('span', { class: 'hint', role: 'status' });

  constructor(readonly page: Page) {
    this.element = h(
      'div',
      {},
      h('pre', { tabindex: '0', role: 'group', 'aria-label': 'Markup that embeds this setting' }, this.#code),
      h(
        'div',
        { class: 'toolbar' },
        h('button', { type: 'button', onclick: () => void this.#copy() }, 'Copy markup'),
        this.#copied,
      ),
    );
    this.reset();
  }

  reset(): void {
    this.#copied.textContent = '';
    this.update();
  }

  update(): void {
    const { setting, experiments } = this.page;
    if (setting === this.#shown) return;
    this.#shown = setting;
    const { v, m, s, L } = shapeOf(experiments[0].grammar);
    const seed = experiments[0].grammar.seed ?? setting.seed;
    const script = new URL('elements.js', document.baseURI);
    script.hash = '';
    const json = JSON.stringify(setting).replaceAll('&', '&amp;').replaceAll("'", '&#39;').replaceAll('<', '&lt;');
    this.#code.textContent = [
      `<script type="module" src="${script}"></script>`,
      `<rhm-grammar v="${v}" m="${m}" s="${s}" l="${L}" seed="${seed}"></rhm-grammar>`,
      `<rhm-learning-curve setting='${json}'></rhm-learning-curve>`,
    ].join('\n');
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#code.textContent!);
      this.#copied.textContent = 'Copied.';
    } catch {
      getSelection()?.selectAllChildren(this.#code);
      this.#copied.textContent = 'The browser does not allow copying: the markup is selected, press Ctrl+C.';
    }
  }
}
