import { modelFacts } from '../../core/modelFacts.js';
import type { MeasureRecord } from '../../core/records.js';
import { shapeOf } from '../../core/rules.js';
import type { Look, LookInfo, Pick } from '../cloud/look.js';
import { symbolColour } from '../colours.js';
import { labelsOf } from '../curveData.js';
import { h, throttle } from '../dom.js';
import { HeatMap } from '../figures/heat.js';
import { InvarianceTable } from '../figures/invariance.js';
import { lookChoices } from '../figures/lookChoices.js';
import { describePart, drawPart } from '../figures/sentencePart.js';
import type { NetworkRun } from '../networkRun.js';
import type { Page, View, ViewSpec } from '../page.js';
import type { LookChoice } from '../setting.js';

export const representationView: ViewSpec = {
  id: 'representation',
  title: 'See what it has learned',
  about: [
    'Each point is a test sentence: the activations of a hidden layer at one position, along the three directions in which they vary ' +
      'most (principal components). Its colour is the hidden symbol at the level that you choose. When a level ' +
      'is learned, sentences whose tuples are synonyms move together. A symbol can keep several clusters, one for each tuple or group of ' +
      'tuples that the layer still tells apart, and three directions do not show all.',
    'The tables measure the same. A rule somewhere in the sentence is resampled, then a symbol, and (1 − *S*_{rule}) / (1 − *S*_{symbol}) ' +
      'compares how much the layer changes. It starts near 1, where a synonym matters as much as any other change, and falls to 0 when the ' +
      'layer has become invariant to synonyms: it has reconstructed the hidden variable of that level.',
  ],
  create: (page) => new RepresentationView(page),
};

class RepresentationView implements View {
  readonly element = h('div', { class: 'networks wide' });
  #panels: NetworkPanel[] = [];
  readonly #soon = throttle(() => {
    for (const panel of this.#panels) panel.refresh();
  }, 3);

  constructor(readonly page: Page) {
    const seen = new IntersectionObserver(([entry]) => {
      for (const panel of this.#panels) panel.setVisible(entry.isIntersecting);
    });
    seen.observe(this.element);
    document.addEventListener('visibilitychange', () => {
      const { top, bottom } = this.element.getBoundingClientRect();
      const here = document.visibilityState === 'visible' && bottom > 0 && top < innerHeight;
      for (const panel of this.#panels) panel.setVisible(here);
    });
    this.reset();
  }

  reset(): void {
    const { training, experiments } = this.page;
    const labels = labelsOf(experiments);
    const { top, bottom } = this.element.getBoundingClientRect();
    for (const panel of this.#panels) panel.disconnect();
    this.#panels = training.networks.map((network, i) => {
      const visible = bottom > 0 && top < innerHeight;
      const kept: KeptLook = {
        now: () => this.page.setting.looks?.[i] ?? {},
        remember: (look) => this.page.remember(i, look),
      };
      return new NetworkPanel(network, labels[i], i, visible, kept);
    });
    this.element.replaceChildren(...this.#panels.map((panel) => panel.element));
  }

  update(): void {
    this.#soon();
  }
}

/** The visitor's choices for a network, made here or beside the curves, and where they are stored. */
interface KeptLook {
  now(): LookChoice;
  remember(look: LookChoice): void;
}

/** One network: the canvas that its worker draws on, the choices, and its tables. */
class NetworkPanel {
  readonly element: HTMLElement;
  readonly #frame: HTMLElement;
  readonly #facts = h('p', { class: 'hint', role: 'status' });
  readonly #legend = h('ul', { class: 'symbols', 'aria-label': 'Symbols: press one to show it alone' });
  readonly #part = h('div', { class: 'part' });
  readonly #partWords = h('p', { class: 'visually-hidden', role: 'status' });
  readonly #menus = {
    cloud: h('div', { class: 'fields' }),
    table: h('div', { class: 'fields' }),
    map: h('div', { class: 'fields' }),
  };
  readonly #invariance: InvarianceTable;
  readonly #measuredAt = h('p', { class: 'hint' });
  readonly #map = new HeatMap();
  readonly #turn: HTMLInputElement;
  readonly #observer: ResizeObserver;
  #look: Look;
  #info: LookInfo | undefined;
  #choicesFor = '';
  #pickedIn = ''; // the view in which a point was marked
  #picks = 0;
  #fixed = false; // the marked point was chosen, not only hovered over
  #measured = '';
  #measuredOf: number; // replica, -1: all

  constructor(
    readonly network: NetworkRun,
    readonly label: string,
    index: number,
    visible: boolean,
    readonly kept: KeptLook,
  ) {
    const { measured = -1, ...chosen } = kept.now();
    this.#measuredOf = measured;
    this.#invariance = new InvarianceTable(
      `Invariance of ${label}`,
      modelFacts(network.experiment.model.kind).sees === 'block',
    );
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#look = {
      replica: 0,
      layer: 1,
      position: -2,
      level: 2,
      visible,
      turning: !still,
      yaw: 0.6,
      pitch: 0.35,
      zoom: 1,
      width: 2,
      height: 2,
      background: [1, 1, 1],
      only: -1,
      head: -1,
      sentence: -1,
      ...chosen,
    };
    this.#frame = h('div', {
      class: 'stage',
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'cloud of points',
      'aria-label': `Activations of ${label}: arrow keys turn the cloud, plus and minus zoom, N and P walk its points, Escape leaves them`,
      onkeydown: (event: KeyboardEvent) => this.#onKey(event),
      onpointerdown: (event: PointerEvent) => this.#drag(event),
      onpointermove: (event: PointerEvent) => this.#hover(event),
    });
    this.#frame.append(h('p', { class: 'empty' }, 'Appears after the first training step.'));
    this.#turn = h('input', {
      type: 'checkbox',
      checked: !still,
      onchange: () => this.#choose({ turning: this.#turn.checked }),
    });
    this.element = h(
      'section',
      { class: 'network', 'aria-label': `Representation of ${label}` },
      h('h3', {}, label),
      this.#menus.cloud,
      this.#frame,
      h('div', { class: 'below' }, this.#legend, h('label', { class: 'choice' }, this.#turn, 'turn')),
      this.#part,
      this.#partWords,
      this.#facts,
      this.#measuredAt,
      this.#menus.table,
      this.#invariance.element,
      this.#menus.map,
      this.#map.element,
    );
    this.element.style.setProperty('--look', `var(--rhm-c${index})`);
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(this.#frame);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', this.#recolour);
    network.createCanvas = () => {
      const canvas = h('canvas', { 'aria-hidden': 'true' });
      this.#frame.replaceChildren(canvas);
      this.#resize();
      return {
        canvas: canvas.transferControlToOffscreen(),
        shape: shapeOf(network.experiment.grammar),
        look: this.#look,
        tell: (info) => this.#take(info),
      };
    };
    void this.#pick(undefined);
    this.refresh();
    queueMicrotask(() => this.#rest());
  }

  setVisible(visible: boolean): void {
    if (visible !== this.#look.visible) this.#choose({ visible });
    if (visible) this.#rest();
  }

  /** Shows what can be shown without training, once. */
  #rest(): void {
    if (this.#rested || !this.#look.visible || this.network.active) return;
    this.#rested = true;
    this.network.showAtRest().catch((error) => {
      this.#facts.textContent = `Nothing to see yet: ${(error as Error).message}`;
    });
  }
  #rested = false;

  readonly #recolour = () => this.#resize();

  disconnect(): void {
    matchMedia('(prefers-color-scheme: dark)').removeEventListener('change', this.#recolour);
    this.#observer.disconnect();
  }

  /** Updates the tables, from the records; and the seed, which can be chosen beside the curves too. */
  refresh(): void {
    const { replica = 0 } = this.kept.now();
    if (replica !== this.#look.replica) this.#choose({ replica });
    const { records } = this.network;
    const measured = records.filter((r): r is MeasureRecord => r.type === 'measure' && /^S_/.test(r.name));
    // Records arrive one by one: the last step for which all have arrived.
    const last = measured.at(-1)?.step;
    const count = (step: number | undefined) => measured.filter((r) => r.step === step).length;
    const step = count(last) >= count(measured[0]?.step) ? last : measured.findLast((r) => r.step !== last)?.step;
    const { replicas, seed } = this.network.experiment;
    const of = this.#measuredOf < replicas ? this.#measuredOf : -1;
    const key = `${step},${count(step)},${of}`;
    if (key === this.#measured) return;
    this.#measured = key;
    this.#invariance.show(measured.filter((r) => r.step === step && (of < 0 || r.replica === of)));
    const seeds = replicas === 1 ? '' : of < 0 ? `, mean of ${replicas} seeds` : `, seed ${seed + of}`;
    this.#measuredAt.textContent =
      step === undefined
        ? 'Sensitivity to synonyms is measured at every evaluation.'
        : `Sensitivity to synonyms at step ${step.toLocaleString('en')}, by layer (the input’s side below) and level${seeds}: ` +
          '1 means as sensitive as to any change, 0 invariant.';
  }

  #take(info: LookInfo): void {
    this.#info = info;
    const { layers, shown, variance, kinds, drawn, step } = info;
    const percent = Math.round(100 * variance.reduce((a, b) => a + b, 0));
    const by = {
      buffer: 'drawn by WebGPU from the training buffers',
      upload: 'drawn by WebGPU',
      '2d': 'drawn on the CPU, since there is no WebGPU',
    }[drawn];
    const { within } = info;
    const inside = Number.isFinite(within) ? `; ${Math.round(100 * within)}% of all variance is within a colour` : '';
    this.#facts.textContent = `Step ${step.toLocaleString('en')}: three directions hold ${percent}% of the variance${inside}; ${info.problem ? `not drawn: ${info.problem}` : by}.`;
    const at = JSON.stringify(shown);
    if (at !== this.#pickedIn) void this.#pick(undefined);
    this.#pickedIn = at;
    const key = JSON.stringify([layers, shown, kinds, { ...info.map?.attention, tokens: undefined }]);
    if (key !== this.#choicesFor) {
      this.#choicesFor = key;
      this.#showChoices();
      this.#legend.replaceChildren(
        ...Array.from({ length: kinds }, (_, a) => {
          const chip = h('button', { type: 'button', 'aria-pressed': String(a === this.#look.only) }, a);
          chip.setAttribute('aria-label', `Symbol ${a} alone`);
          chip.style.backgroundColor = symbolColour(a, kinds);
          chip.addEventListener('click', () => {
            this.#choose({ only: this.#look.only === a ? -1 : a });
            for (const [k, each] of this.#legend.querySelectorAll('button').entries())
              each.setAttribute('aria-pressed', String(k === this.#look.only));
          });
          return h('li', {}, chip);
        }),
      );
      if (this.#look.only >= kinds) this.#choose({ only: -1 });
    }
    this.#map.show(info.map, this.network.experiment.grammar);
  }

  #showChoices(): void {
    const { grammar, seed } = this.network.experiment;
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.field;
    const choices = lookChoices(
      { info: this.#info!, seed, L: grammar.L, measured: this.#measuredOf },
      (part) => {
        this.#choose(part);
        this.kept.remember(part);
      },
      (replica) => {
        this.#measuredOf = replica;
        this.kept.remember({ measured: replica });
        this.refresh();
      },
    );
    for (const part of ['cloud', 'table', 'map'] as const) {
      const menu = this.#menus[part];
      const here = menu.contains(document.activeElement);
      menu.replaceChildren(...choices[part]);
      if (here && focused) menu.querySelector<HTMLElement>(`[data-field="${focused}"]`)?.focus();
    }
  }

  #choose(part: Partial<Look>): void {
    this.#look = { ...this.#look, ...part };
    void this.network.look(part);
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.#frame;
    const scale = Math.min(2, devicePixelRatio || 1);
    this.#choose({
      background: colourOf(this.#frame),
      width: Math.max(2, Math.round(clientWidth * scale)),
      height: Math.max(2, Math.round(clientHeight * scale)),
    });
  }

  #onKey(event: KeyboardEvent): void {
    const { yaw, pitch, zoom } = this.#look;
    const turns: Record<string, Partial<Look>> = {
      ArrowLeft: { yaw: yaw - 0.15 },
      ArrowRight: { yaw: yaw + 0.15 },
      ArrowUp: { pitch: Math.min(1.5, pitch + 0.1) },
      ArrowDown: { pitch: Math.max(-1.5, pitch - 0.1) },
      '+': { zoom: Math.min(4, zoom * 1.15) },
      '=': { zoom: Math.min(4, zoom * 1.15) },
      '-': { zoom: Math.max(0.4, zoom / 1.15) },
    };
    const walks: Record<string, Pick | undefined> = { n: { by: 1 }, p: { by: -1 }, Escape: undefined };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || !(key in turns || key in walks)) return;
    event.preventDefault();
    if (key in turns) this.#choose(turns[key]);
    else {
      this.#fixed = walks[key] !== undefined;
      void this.#pick(walks[key]);
    }
  }

  /** Marks a point and shows the part of a sentence that belongs to it. */
  async #pick(where: Pick | undefined): Promise<void> {
    const pick = ++this.#picks;
    const found = await this.network.pick(where).catch(() => undefined);
    if (pick !== this.#picks) return; // another one was requested in the meantime
    const hint = 'Point at the cloud, or press N in it, to see the sentence of a point.';
    this.#part.replaceChildren(
      found ? drawPart(found, shapeOf(this.network.experiment.grammar)) : h('p', { class: 'hint' }, hint),
    );
    this.#partWords.textContent = found ? describePart(found) : '';
    this.#partWords.setAttribute('aria-live', this.#fixed ? 'polite' : 'off');
    if (!found) this.#fixed = false;
    this.#frame.dispatchEvent(new CustomEvent('part', { detail: found }));
  }

  #hover(event: PointerEvent): void {
    if (event.buttons || event.pointerType === 'touch' || this.#fixed) return;
    this.#pointed = { x: event.offsetX / this.#frame.clientWidth, y: event.offsetY / this.#frame.clientHeight };
    this.#soon();
  }
  #pointed: Pick | undefined;
  readonly #soon = throttle(() => void this.#pick(this.#pointed), 15);

  #drag(down: PointerEvent): void {
    const { yaw, pitch } = this.#look;
    this.#frame.setPointerCapture(down.pointerId);
    let far = 0;
    const move = (event: PointerEvent) => {
      far = Math.max(far, Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY));
      this.#choose({
        yaw: yaw - (event.clientX - down.clientX) / 120,
        pitch: Math.min(1.5, Math.max(-1.5, pitch + (event.clientY - down.clientY) / 120)),
      });
    };
    const up = (event: PointerEvent) => {
      // A press without a move selects the point there, or none.
      if (far < 4 && event.type === 'pointerup') {
        this.#fixed = true;
        void this.#pick({ x: down.offsetX / this.#frame.clientWidth, y: down.offsetY / this.#frame.clientHeight });
      }
      this.#frame.removeEventListener('pointermove', move);
      this.#frame.removeEventListener('pointerup', up);
      this.#frame.removeEventListener('pointercancel', up);
    };
    this.#frame.addEventListener('pointermove', move);
    this.#frame.addEventListener('pointerup', up);
    this.#frame.addEventListener('pointercancel', up);
  }
}

/** The background colour of an element as sRGB. */
function colourOf(element: Element): [number, number, number] {
  const [r = 255, g = 255, b = 255] = (getComputedStyle(element).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
  return [r / 255, g / 255, b / 255];
}
