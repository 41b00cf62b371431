/** The page: puts the views under their headings and opens the setting that the address names. */
import { RhmError } from '../core/errors.js';
import { startWebWorker } from '../platform/webWorker.js';
import { h, paragraph } from './dom.js';
import { adopt, figureCss, themeCss } from './figures/style.js';
import { gpuNotice } from './gpuNotice.js';
import { fromHash } from './link.js';
import { Page } from './page.js';
import { firstSetting } from './setting.js';
import { views } from './views/index.js';

adopt(document, themeCss(':root') + figureCss);
const main = document.querySelector('main')!;
const message = document.querySelector<HTMLElement>('#message')!;
const say = (text: string | undefined) => {
  message.textContent = text ?? '';
  message.hidden = !text;
};

const startWorker = () => startWebWorker(new URL('./worker.js', import.meta.url));
const page = new Page(startWorker, settingOfLink() ?? firstSetting, say);
for (const spec of views) {
  const view = spec.create(page);
  page.views.push(view);
  main.append(
    h(
      'section',
      { id: spec.id, class: 'view', 'aria-labelledby': `${spec.id}-title` },
      h('h2', { id: `${spec.id}-title` }, spec.title),
      h('div', { class: 'about' }, ...spec.about.map(paragraph)),
      view.element,
    ),
  );
}
const nav = document.querySelector('nav')!;
nav.append(...views.map(({ id, title }) => h('a', { href: `#${id}` }, title)));
addEventListener('hashchange', () => {
  const setting = settingOfLink();
  if (setting) page.change({ looks: undefined, ...setting }, false);
});
void gpuNotice().then((text) => {
  const notice = document.querySelector<HTMLElement>('#gpu')!;
  notice.textContent = text ?? '';
  notice.hidden = !text;
});
document.documentElement.dataset.ready = 'true';

/** The setting that the address asks for. A bad one is told and the page opens as it would without. */
function settingOfLink() {
  try {
    return fromHash(location.hash);
  } catch (error) {
    if (!(error instanceof RhmError)) throw error;
    say(`The link was not taken: ${error.message}.`);
    return undefined;
  }
}
