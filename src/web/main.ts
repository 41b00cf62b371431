/** The page: puts the views under their headings and opens the setting that the address names. */
import { RhmError } from '../core/errors.js';
import { startWebWorker } from '../platform/webWorker.js';
import { h, paragraph } from './dom.js';
import { adopt, figureCss, themeCss } from './figures/style.js';
import { gpuNotice } from './gpuNotice.js';
import { fromHash, holdsSetting } from './link.js';
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
const page = new Page(startWorker, settingOfLink() ?? firstSetting, say, offer);
for (const spec of views) {
  const view = spec.create(page);
  page.views.push(view);
  main.append(
    h(
      'section',
      { id: spec.id, class: 'view', 'aria-labelledby': `${spec.id}-title` },
      h('h2', { id: `${spec.id}-title` }, spec.title),
      spec.about.length > 0 && h('div', { class: 'about' }, ...spec.about.map(paragraph)),
      view.element,
    ),
  );
}
// A link to a section scrolls there and leaves the setting in the address, which the link would replace.
document.addEventListener('click', (event) => {
  const link = (event.target as Element).closest?.('a[href^="#"]');
  const section = link && document.getElementById(link.getAttribute('href')!.slice(1));
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!section || !plain || !holdsSetting(location.hash)) return;
  event.preventDefault();
  section.tabIndex = -1; // reading and tabbing continue from there
  section.focus({ preventScroll: true });
  section.scrollIntoView();
  arrive(section);
});
if (page.openedByLink) document.getElementById('grammar')!.scrollIntoView({ behavior: 'instant' });
addEventListener('hashchange', () => {
  const setting = settingOfLink();
  if (setting) page.open({ looks: undefined, ...setting }, false);
});
const lecture = document.querySelector<HTMLButtonElement>('#lecture')!;
const setLecture = (on: boolean) => {
  document.documentElement.classList.toggle('lecture', on);
  lecture.setAttribute('aria-pressed', String(on));
};
lecture.addEventListener('click', () => setLecture(!document.documentElement.classList.contains('lecture')));
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !event.defaultPrevented) setLecture(false);
});
// It appears late: it overlaps the page's lower edge, so that nothing has to move.
void gpuNotice().then((text) => {
  const notice = document.querySelector<HTMLElement>('#gpu')!;
  notice.querySelector('p')!.textContent = text ?? '';
  notice.querySelector('button')!.addEventListener('click', () => {
    notice.hidden = true;
  });
  notice.hidden = !text;
});
document.documentElement.dataset.ready = 'true';

/** Figures along the way are drawn when they come into view, and may push a section away from the scroll target. */
function arrive(section: HTMLElement): void {
  const own = new AbortController(); // the reader's own scrolling has precedence
  const { signal } = own;
  setTimeout(() => own.abort(), 3000);
  for (const name of ['wheel', 'touchmove', 'keydown']) addEventListener(name, () => own.abort(), { signal });
  const settle = () => {
    own.abort();
    if (Math.abs(section.getBoundingClientRect().top) > innerHeight / 4)
      section.scrollIntoView({ behavior: 'instant' });
  };
  addEventListener('scrollend', settle, { signal });
}

/** Offers to restore what was removed, until something else is removed or the page is closed. */
function offer(text: string, undo: () => Promise<void>): void {
  const notice = document.querySelector<HTMLElement>('#undo')!;
  const [back, close] = notice.querySelectorAll('button');
  notice.querySelector('p')!.textContent = text;
  notice.hidden = false;
  close.onclick = () => {
    notice.hidden = true;
  };
  back.onclick = async () => {
    notice.hidden = true;
    try {
      await undo();
    } catch (error) {
      if (!(error instanceof RhmError)) throw error;
      say(error.message);
    }
  };
}

/** The setting that the address requests. A bad one is reported, and the page opens as if there were none. */
function settingOfLink() {
  try {
    return fromHash(location.hash);
  } catch (error) {
    if (!(error instanceof RhmError)) throw error;
    say(`The link was ignored: ${error.message}.`);
    return undefined;
  }
}

// After this visit the page also opens without its server. Private windows and frames of other sites refuse this; there it does not.
addEventListener('load', () => {
  const script = new URL('./offline.js', import.meta.url);
  navigator.serviceWorker?.register(script).catch(() => {});
});
