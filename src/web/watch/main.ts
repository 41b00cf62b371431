/** The page of `rhm watch`: polls the server, which works through any tunnel, and draws the answers. */
import { looksFor, pageTheme } from '../../analysis/figures/theme.js';
import { showNumber } from '../../analysis/format.js';
import type { WatchedCurve, WatchedWorker, WatchState } from '../../platform/watchState.js';
import { h, svg } from '../dom.js';
import { drawCurves } from '../figures/curves.js';
import { adopt, themeCss } from '../figures/style.js';

const POLL_MS = 1500;
const LATE_MS = 20_000; // an answer that takes longer is abandoned

const at = <E extends Element = HTMLElement>(id: string): E => document.getElementById(id) as unknown as E;
const states = ['done', 'running', 'waiting', 'diverged', 'failed'] as const;
const colours: Record<(typeof states)[number], string> = {
  done: pageTheme.palette[2],
  running: pageTheme.palette[0],
  waiting: pageTheme.muted,
  diverged: pageTheme.palette[4],
  failed: pageTheme.palette[1],
};

adopt(document, themeCss(':root'));
let shown: WatchState | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let asked = 0;

for (const id of ['sort', 'count']) at(id).addEventListener('change', () => ask());
let typing: ReturnType<typeof setTimeout> | undefined;
at('where').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(ask, 400);
});
at('choice').addEventListener('submit', (event) => {
  event.preventDefault();
  ask();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) ask();
});
addEventListener('resize', () => shown && draw(shown));
ask();

/** Sends a request now, and again after a while; the answer to an earlier request no longer counts. */
async function ask(): Promise<void> {
  clearTimeout(timer);
  const mine = ++asked;
  const sort = at<HTMLSelectElement>('sort').value;
  const query = new URLSearchParams({
    where: at<HTMLInputElement>('where').value,
    sort: sort.replace(/^-/, ''),
    reverse: sort.startsWith('-') ? '1' : '0',
    count: at<HTMLSelectElement>('count').value,
  });
  try {
    const answer = await fetch(`api/state?${query}`, { signal: AbortSignal.timeout(LATE_MS), cache: 'no-store' });
    const value = await answer.json();
    if (mine !== asked) return;
    tell('message', undefined);
    tell('refused', answer.ok ? undefined : String(value.error ?? answer.status));
    if (answer.ok) {
      shown = value as WatchState;
      draw(shown);
    }
  } catch (error) {
    if (mine !== asked) return;
    const last = shown ? ` The page shows the state at ${clock(shown.at)}.` : '';
    tell(
      'message',
      `No answer from rhm watch (${(error as Error).message}): is it still running, and the tunnel?${last}`,
    );
  }
  if (!document.hidden) timer = setTimeout(ask, POLL_MS);
}

function tell(id: string, text: string | undefined): void {
  at(id).hidden = text === undefined;
  if (at(id).textContent !== (text ?? '')) at(id).textContent = text ?? '';
}

const clock = (time: number) => new Date(time).toLocaleTimeString([], { hour12: false });
const count = (n: number) => n.toLocaleString('en');

function draw(state: WatchState): void {
  const { counts, total, workers } = state;
  at('title').textContent = state.store;
  document.title = `${counts.done + counts.diverged}/${total} ${state.store}`;
  const ended = counts.done + counts.diverged;
  at('summary').textContent =
    `${count(ended)} of ${count(total)} runs have ended, ${count(counts.running)} are running on ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}; ${clock(state.at)}`;
  drawStates(state);
  at('workers').replaceChildren(
    ...(workers.length
      ? workers.map(workerCard)
      : [h('p', { class: 'muted' }, 'No process is working in this store.')]),
  );
  at('matched').textContent =
    state.curves.length < state.matched
      ? `${count(state.curves.length)} of ${count(state.matched)} runs are shown.`
      : `${count(state.matched)} ${state.matched === 1 ? 'run' : 'runs'}.`;
  at('curves').replaceChildren(...state.curves.map(curveCard));
  at('losses').replaceChildren(lossBars(state));
  at('ended').replaceChildren(endedBars(state));
  at('failures').replaceChildren(failureTable(state));
}

function drawStates({ counts, total }: WatchState): void {
  let x = 0;
  const bars = states.map((name) => {
    const width = total ? (1000 * counts[name]) / total : 0;
    const bar = svg('rect', { x, y: 0, width, height: 10, fill: colours[name] });
    x += width;
    return bar;
  });
  at('states').replaceChildren(...bars);
  at('counts').replaceChildren(
    ...states.map((name) =>
      h(
        'li',
        {},
        svg(
          'svg',
          { viewBox: '0 0 10 10', 'aria-hidden': 'true' },
          svg('rect', { width: 10, height: 10, rx: 2, fill: colours[name] }),
        ),
        `${count(counts[name])} ${name}`,
      ),
    ),
  );
}

function workerCard({ by, adapter, runs, count: of, fraction }: WatchedWorker): HTMLElement {
  const more = of - runs.length;
  return h(
    'article',
    { class: 'card' },
    h('h3', {}, by),
    h('p', { class: 'muted' }, [adapter, `${of} ${of === 1 ? 'run' : 'runs side by side'}`].filter(Boolean).join(', ')),
    h('progress', { max: 1, value: fraction.toFixed(4), 'aria-label': `steps of ${by}` }),
    h('p', {}, `${(100 * fraction).toFixed(0)}% of the steps of ${of === 1 ? 'this run' : 'these runs'}`),
    h(
      'ul',
      {},
      ...runs.map(({ run, name, step, steps, loss }) =>
        h(
          'li',
          {},
          `${name || run}: ${lossText(loss)}, step ${showNumber(step)} of ${steps ? showNumber(steps) : '?'}`,
        ),
      ),
      more > 0 && h('li', { class: 'muted' }, `and ${more} more`),
    ),
  );
}

const lossText = (loss: number | null) =>
  loss === null ? 'no loss yet' : `loss ${loss < 1e-3 ? showNumber(loss) : loss.toFixed(4)}`;

function curveCard({
  run,
  name,
  state,
  step,
  steps,
  loss,
  nearest,
  plateaus,
  points,
  error,
}: WatchedCurve): HTMLElement {
  const width = 320;
  const look = [...looksFor(['run'], pageTheme).values()][0];
  const samples = points.map(([x]) => x);
  const last = samples.at(-1) ?? 1;
  const curve = {
    look: { ...look, color: colours[state] },
    short: '',
    replicas: [points.map(([x, y]) => ({ samples: x, loss: y }))],
    seed: 0,
  };
  const body = points.length
    ? drawCurves(
        {
          curves: [curve],
          H: plateaus,
          samples: [samples[0], Math.max(last, 2 * samples[0], step ? (last / step) * steps : last)],
        },
        { width, height: 210, theme: pageTheme },
      ).figure
    : h('p', { class: 'muted' }, 'no evaluation yet');
  return h(
    'article',
    { class: `card ${state}` },
    h('h3', {}, name || run),
    h(
      'p',
      { class: 'muted' },
      `${state}, ${lossText(loss)}${nearest ? `, ${nearest}` : ''}, step ${showNumber(step)} of ${showNumber(steps)}`,
    ),
    body,
    error && h('p', {}, error),
  );
}

interface Bar {
  value: number;
  title: string;
}

/** Bars with the ends of their axis below. */
function bars(all: readonly Bar[], low: string, high: string, label: string): SVGSVGElement {
  const width = Math.max(240, Math.min(640, at('losses').clientWidth)); // the width at which it is shown, so that its text stays readable
  const height = 150;
  const most = Math.max(1, ...all.map(({ value }) => value));
  const step = width / all.length;
  return svg(
    'svg',
    { viewBox: `0 0 ${width} ${height + 34}`, role: 'img', 'aria-label': label, fill: 'currentColor', 'font-size': 14 },
    svg('line', { x1: 0, x2: width, y1: height + 14, y2: height + 14, stroke: pageTheme.muted }),
    svg('text', { x: 0, y: 12, fill: pageTheme.muted }, `at most ${count(most)}`),
    ...all.map(({ value, title }, i) => {
      const size = value ? Math.max(1.5, ((height - 8) * value) / most) : 0;
      return svg(
        'rect',
        { x: i * step + 1, y: height + 14 - size, width: step - 2, height: size, fill: pageTheme.palette[0] },
        svg('title', {}, title),
      );
    }),
    svg('text', { x: 0, y: height + 30 }, low),
    svg('text', { x: width, y: height + 30, 'text-anchor': 'end' }, high),
  );
}

function lossBars({ losses }: WatchState): Element {
  if (!losses) return h('p', { class: 'muted' }, 'Not enough runs have ended.');
  const { low, high, bins } = losses;
  const edge = (i: number) => showNumber(low * (high / low) ** (i / bins.length));
  const all = bins.map((value, i) => ({ value, title: `${count(value)} runs from ${edge(i)} to ${edge(i + 1)} nats` }));
  return bars(all, `${showNumber(low)} nats`, `${showNumber(high)} nats`, 'Runs by last loss (logarithmic)');
}

function endedBars({ ended }: WatchState): Element {
  if (!ended.some((n) => n)) return h('p', { class: 'muted' }, `None in the last ${ended.length} minutes.`);
  const all = ended.map((value, i) => ({ value, title: `${count(value)} runs, ${ended.length - 1 - i} minutes ago` }));
  return bars(all, `${ended.length - 1} minutes ago`, 'now', 'Runs that ended, by minute');
}

function failureTable({ failures, failed }: WatchState): Element {
  if (!failures.length) return h('p', { class: 'muted' }, 'None.');
  const rows = failures.map(({ run, name, state, at: time, tries, error }) =>
    h(
      'tr',
      {},
      h('td', {}, `${new Date(time).toLocaleDateString('sv')} ${clock(time)}`),
      h('td', {}, name ? `${name} (${run})` : run),
      h('td', {}, state === 'failed' ? `set aside${tries ? `, ${tries} tries` : ''}` : `tried again, ${tries} so far`),
      h('td', { class: 'error' }, error),
    ),
  );
  const head = h('tr', {}, ...['Time', 'Run', 'State', 'Why'].map((name) => h('th', { scope: 'col' }, name)));
  const more =
    failed > failures.length ? h('p', { class: 'muted' }, `The latest ${failures.length} of ${count(failed)}.`) : '';
  return h('div', { class: 'scroll' }, more, h('table', {}, h('thead', {}, head), h('tbody', {}, ...rows)));
}
