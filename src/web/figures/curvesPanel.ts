/** The live figure of learning curves, with a legend and a cursor that reads off values: for the page and the element. */

import { pageTheme, type Theme } from '../../analysis/figures/theme.js';
import { showNumber } from '../../analysis/format.js';
import { h, svg, throttle } from '../dom.js';
import {
  type Axes,
  type CurvesData,
  drawCurves,
  finite,
  lastOf,
  meanCurve,
  shownCurve,
  shownName,
  usualPrefactor,
} from './curves.js';
import { NumbersTable, textTable } from './numbers.js';

const REDRAWS = 5; // per second
const UNSEEN = 1; // the same while out of view: its words are still read

export class CurvesPanel {
  readonly element: HTMLElement;
  readonly #plot = h('div', {
    class: 'plot',
    tabindex: '0',
    role: 'group',
    'aria-roledescription': 'chart',
    'aria-label': 'Learning curves',
  });
  readonly #legend = h('ul', { class: 'legend' });
  readonly #readout = h('p', { class: 'readout', 'aria-live': 'polite' });
  readonly #numbers = new NumbersTable('The curves in numbers', () => this.#table());
  readonly #observer: ResizeObserver;
  #data: CurvesData | undefined;
  #axes: Axes | undefined;
  #cursor: number | undefined; // samples
  readonly #seenDraw = throttle(() => this.#render(), REDRAWS);
  readonly #unseenDraw = throttle(() => this.#render(), UNSEEN);
  readonly #sight: IntersectionObserver;
  #seen = true;

  constructor() {
    // Always there, so that nothing moves when the curves arrive.
    const triangles = h(
      'p',
      { class: 'marks' },
      `Triangles: theory’s P of each step, times a factor taken from the first step that the curve passed (hollow: ${usualPrefactor}).`,
    );
    this.element = h(
      'div',
      { class: 'curves' },
      this.#legend,
      this.#plot,
      this.#readout,
      triangles,
      this.#numbers.element,
    );
    this.#observer = new ResizeObserver(() => this.#draw());
    this.#observer.observe(this.#plot);
    this.#sight = new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      if (this.#seen) this.#draw();
    });
    this.#sight.observe(this.#plot);
    const point = (event: PointerEvent) => {
      if (!this.#axes) return;
      const x = event.clientX - this.#plot.getBoundingClientRect().left;
      this.#setCursor(x >= this.#axes.left && x <= this.#axes.right ? this.#axes.samplesAt(x) : undefined);
    };
    this.#plot.addEventListener('pointerdown', point);
    this.#plot.addEventListener('pointermove', point);
    // A finger leaves as soon as it is lifted: the values it read stay.
    this.#plot.addEventListener('pointerleave', (event) => {
      if (event.pointerType !== 'touch') this.#setCursor(undefined);
    });
    this.#plot.addEventListener('keydown', (event) => this.#onKey(event));
  }

  show(data: CurvesData): void {
    this.#data = data;
    this.#draw();
  }

  disconnect(): void {
    this.#observer.disconnect();
    this.#sight.disconnect();
  }

  #draw(): void {
    if (this.#seen) this.#seenDraw();
    else this.#unseenDraw();
  }

  #render(): void {
    const width = this.#plot.clientWidth;
    if (!this.#data || width < 50) return;
    const theme: Theme = pageTheme;
    const height = Math.round(Math.min(460, Math.max(270, width * 0.58)));
    const { figure, axes } = drawCurves(this.#data, { width, height, theme });
    figure.setAttribute('aria-hidden', 'true');
    this.#axes = axes;
    this.#plot.replaceChildren(figure);
    this.#legend.replaceChildren(
      ...this.#data.curves.map((curve) => {
        const { look } = curve;
        const { loss, diverged } = lastOf(curve);
        const sample = svg('svg', { width: 26, height: 8, 'aria-hidden': 'true' });
        sample.append(
          svg('line', {
            x1: 1,
            x2: 25,
            y1: 4,
            y2: 4,
            stroke: look.color,
            'stroke-width': 2.6,
            'stroke-dasharray': look.dash,
          }),
        );
        return h(
          'li',
          {},
          sample,
          shownName(curve),
          h('span', { class: 'value' }, diverged ? 'diverged' : loss !== undefined ? `${loss.toFixed(3)} nats` : ''),
        );
      }),
    );
    this.#plot.setAttribute('aria-label', this.#describe());
    this.#numbers.refresh(String(this.#data.curves.flatMap((c) => [shownName(c), ...c.replicas.map((r) => r.length)])));
    this.#drawCursor();
  }

  /** Loss of each network by sentences: the mean, and each seed if there are several. */
  #table(): HTMLTableElement | undefined {
    const curves = this.#data?.curves ?? [];
    const columns = curves.flatMap(({ look: { label }, replicas, seed, chosen }) => {
      const mean = { name: label, points: meanCurve(replicas), shown: false };
      if (replicas.length === 1) return [mean];
      const each = replicas.map((points, i) => ({
        name: `${label}, seed ${seed + i}${i === chosen ? ' (chosen)' : ''}`,
        points,
        shown: i === chosen,
      }));
      return [{ ...mean, name: `${label}, mean`, shown: chosen === undefined }, ...each];
    });
    const samples = [...new Set(columns.flatMap((c) => c.points.map((p) => p.samples)))].sort((a, b) => a - b);
    if (!samples.length) return undefined;
    const losses = columns.map((c) => new Map(c.points.map((p) => [p.samples, p.loss])));
    const table = textTable(
      'Test loss in nats by training sentences',
      ['sentences', ...columns.map((c) => c.name)],
      samples.map((at) => [at.toLocaleString('en'), ...losses.map((by) => by.get(at)?.toFixed(4) ?? '')]),
    );
    for (const { cells } of table.rows)
      for (const [i, { shown }] of columns.entries()) cells[i + 1].classList.toggle('chosen', shown);
    return table;
  }

  #describe(): string {
    const { curves, H } = this.#data!;
    const parts = curves.map((curve) => {
      const { loss, samples = 0, diverged } = lastOf(curve);
      return loss !== undefined
        ? `${shownName(curve)}: test loss ${loss.toFixed(3)} nats after ${showNumber(samples)} sentences${diverged ? ', then diverged' : ''}`
        : `${shownName(curve)}: not started`;
    });
    const plateaus = H.length ? `; exact plateaus ${H.map((x) => x.toFixed(3)).join(', ')}` : '';
    return `Learning curves. ${parts.join('; ')}${plateaus}. Left and right arrow keys read values.`;
  }

  #onKey(event: KeyboardEvent): void {
    const grid = [
      ...new Set(this.#data?.curves.flatMap((c) => c.replicas.flatMap((r) => r.map((p) => p.samples)))),
    ].sort((a, b) => a - b);
    if (!grid.length) return;
    const at = this.#cursor === undefined ? grid.length : grid.findIndex((x) => x >= this.#cursor! * 0.999);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: grid.length - 1 }[event.key];
    if (event.key === 'Escape') this.#setCursor(undefined);
    else if (next === undefined) return;
    else this.#setCursor(grid[Math.min(grid.length - 1, Math.max(0, next))]);
    event.preventDefault();
  }

  #setCursor(samples: number | undefined): void {
    this.#cursor = samples;
    this.#drawCursor();
  }

  #drawCursor(): void {
    const figure = this.#plot.firstElementChild;
    figure?.querySelector('.cursor')?.remove();
    const axes = this.#axes;
    if (this.#cursor === undefined || !axes || !this.#data || !figure) {
      this.#readout.textContent = '';
      return;
    }
    const x = axes.x(this.#cursor);
    const group = svg(
      'g',
      { class: 'cursor' },
      svg('line', { x1: x, x2: x, y1: axes.top, y2: axes.bottom, stroke: pageTheme.ink, 'stroke-opacity': 0.5 }),
    );
    const values = this.#data.curves.flatMap((curve) => {
      const shown = finite(shownCurve(curve));
      const near = shown.reduce<(typeof shown)[number] | undefined>(
        (best, p) =>
          !best || Math.abs(Math.log(p.samples / this.#cursor!)) < Math.abs(Math.log(best.samples / this.#cursor!))
            ? p
            : best,
        undefined,
      );
      if (!near) return [];
      group.append(
        svg('circle', {
          cx: axes.x(near.samples),
          cy: axes.y(near.loss),
          r: 4,
          fill: pageTheme.paper,
          stroke: curve.look.color,
          'stroke-width': 2,
        }),
      );
      return [`${shownName(curve)} ${near.loss.toFixed(4)} nats at ${showNumber(near.samples)}`];
    });
    figure.append(group);
    this.#readout.textContent = values.join(' · ');
  }
}
