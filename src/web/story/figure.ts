/** The story: five steps told with one recording. The sentence, the losses and the clouds always show the same P. */
import { pageTheme } from '../../analysis/figures/theme.js';
import { showNumber } from '../../analysis/format.js';
import type { Recording } from '../../analysis/recording.js';
import { modelFacts } from '../../core/modelFacts.js';
import { shapeOf } from '../../core/rules.js';
import { h, paragraph, svg } from '../dom.js';
import { NumbersTable, textTable } from '../figures/numbers.js';
import { StoryCloud } from './cloud.js';
import { type CorrelationFigure, drawCorrelation } from './correlation.js';
import { drawStoryCurves, looksOf, type StoryCurves } from './curves.js';
import { Player } from './player.js';
import { lossAt, nearestRun, Timeline } from './timeline.js';
import { drawStoryTree, type StoryTree } from './tree.js';
import { answerOf, question, roundedCount, storyOf } from './words.js';

const SLIDER = 1000; // steps of the slider
const TURN = 0.25; // radians a second
const SENTENCE = 3; // of the recorded ones

export class StoryFigure {
  readonly element: HTMLElement;
  readonly player: Player;
  readonly #timeline: Timeline;
  readonly #tree: StoryTree;
  readonly #clouds: { cloud: StoryCloud; loss: HTMLElement; within: HTMLElement; figure: HTMLElement }[];
  readonly #told: HTMLElement[];
  readonly #links: HTMLAnchorElement[];
  readonly #plot = h('div', { class: 'story-plot' });
  readonly #why = h('div', { class: 'story-why' });
  readonly #slider: HTMLInputElement;
  readonly #count = h('output', { for: 'story-P' });
  readonly #button = h('button', { type: 'button', class: 'primary', onclick: () => this.#toggle() }, 'Play');
  readonly #question: HTMLElement;
  readonly #said = h('p', { class: 'visually-hidden', role: 'status' });
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  #curves: StoryCurves | undefined;
  #correlation: CorrelationFigure | undefined;
  #heldByHand = false;
  #seen = true;
  #yaw = 0.6;
  #drawnAt = 0;
  #step = -1;

  constructor(
    readonly recording: Recording,
    /** What stands below it. */
    ending: HTMLElement,
    /** A step was chosen: its link should be stored. */
    readonly chosen: (step: number) => void,
  ) {
    this.#timeline = new Timeline(recording);
    this.player = new Player(this.#timeline.seconds, () => this.#show());
    const { grammar, symbols, tokens, count, networks } = recording;
    const nodes = symbols.length / count;
    const d = tokens.length / count;
    this.#tree = drawStoryTree(shapeOf(grammar), [
      ...symbols.subarray(SENTENCE * nodes, (SENTENCE + 1) * nodes),
      ...tokens.subarray(SENTENCE * d, (SENTENCE + 1) * d),
    ]);
    const looks = looksOf(recording);
    this.#clouds = networks.map((network, i) => {
      const cloud = new StoryCloud(recording, network);
      const [loss, within] = [h('span', { class: 'value' }), h('figcaption', { class: 'hint' })];
      const sample = svg('svg', { width: 22, height: 8, 'aria-hidden': 'true' });
      sample.append(
        svg('line', {
          x1: 0,
          x2: 22,
          y1: 4,
          y2: 4,
          stroke: looks[i].color,
          'stroke-width': 2.6,
          'stroke-dasharray': looks[i].dash,
        }),
      );
      cloud.element.setAttribute('aria-label', `Points of a hidden layer of the ${modelFacts(network.kind).title}`);
      return {
        cloud,
        loss,
        within,
        figure: h('figure', {}, h('p', {}, sample, looks[i].label, loss), cloud.element, within),
      };
    });
    const story = storyOf(recording);
    this.#question = this.#askQuestion();
    this.#told = story.map(({ title, sentences }) =>
      h('div', { class: 'told' }, h('h3', {}, title), ...sentences.map(paragraph)),
    );
    this.#links = story.map(({ title }, i) =>
      h(
        'a',
        {
          href: `#story=${i + 1}`,
          title,
          'aria-label': `Step ${i + 1}: ${title}`,
          onclick: (event: MouseEvent) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            this.open(i);
            this.chosen(i);
          },
        },
        String(i + 1),
      ),
    );
    this.#slider = h('input', {
      id: 'story-P',
      type: 'range',
      min: 0,
      max: SLIDER,
      value: 0,
      oninput: () => this.#scrub(),
    });
    const numbers = new NumbersTable('The recording as a table', () => this.#table());
    this.element = h(
      'div',
      { class: 'story' },
      h(
        'div',
        { class: 'story-bar' },
        this.#button,
        h('nav', { 'aria-label': 'Steps of the story' }, ...this.#links),
        h('span', { class: 'hint' }, 'The paper in 90 seconds'),
      ),
      h(
        'div',
        { class: 'story-left' },
        this.#plot,
        h(
          'div',
          { class: 'story-slider' },
          this.#slider,
          this.#count,
          h('label', { for: 'story-P' }, 'distinct sentences per network'),
        ),
        this.#why,
      ),
      h(
        'div',
        { class: 'story-right' },
        h('div', { class: 'story-words' }, ...this.#told, this.#question),
        this.#tree.element,
        h(
          'div',
          { class: 'story-clouds' },
          ...this.#clouds.map(({ figure }) => figure),
          h(
            'p',
            { class: 'hint' },
            'Each point is a test sentence, projected to the three directions in which a hidden layer varies most; its colour is the ringed symbol. ' +
              'The percentage is the share of the layer’s variance between symbols.',
          ),
        ),
      ),
      ending,
      numbers.element,
      this.#said,
    );
    addEventListener('beforeprint', () => {
      this.player.pause();
      this.player.goTo(this.player.length); // on paper, all of it
    });
    this.#dark.addEventListener('change', () => this.#show());
    new ResizeObserver(() => this.#redraw()).observe(this.#plot);
    new IntersectionObserver(([entry]) => this.#sight(entry.isIntersecting), { threshold: 0.05 }).observe(this.element);
  }

  /** Plays automatically, unless the reader prefers no motion. */
  begin(): void {
    if (!this.#still) this.player.play();
    else this.#show();
  }

  /** Starts a step; it plays automatically, or shows its end if motion is off. */
  open(step: number): void {
    const { at, steps } = { at: this.#timeline.startOf(step), steps: this.#timeline.steps };
    this.player.goTo(this.#still ? at + steps[step].seconds - 0.01 : at);
    if (!this.#still && !this.player.playing) this.#toggle();
  }

  #toggle(): void {
    this.#heldByHand = this.player.playing;
    if (this.player.playing) this.player.pause();
    else this.player.play();
  }

  #scrub(): void {
    this.#heldByHand = true;
    const { lowest, highest } = this.#timeline;
    const P = lowest * (highest / lowest) ** (Number(this.#slider.value) / SLIDER);
    if (this.player.playing) this.player.pause();
    this.player.goTo(this.#timeline.timeOf(P));
  }

  /** It pauses out of view; if the reader has stopped it, it stays stopped. */
  #sight(seen: boolean): void {
    if (seen === this.#seen) return;
    this.#seen = seen;
    if (!seen && this.player.playing) this.player.pause();
    else if (seen && !this.#heldByHand && !this.#still && this.player.seconds < this.player.length) this.player.play();
  }

  #show(): void {
    const { step, P, asking } = this.#timeline.at(this.player.seconds);
    const { ell, cloud } = this.#timeline.steps[step];
    const now = performance.now();
    if (step !== this.#step) {
      this.#step = step;
      for (const [i, link] of this.#links.entries())
        if (i === step) link.setAttribute('aria-current', 'step');
        else link.removeAttribute('aria-current');
      this.#tree.light(ell);
      this.#said.textContent = this.#told[step].querySelector('h3')!.textContent;
    }
    for (const [i, told] of this.#told.entries()) told.classList.toggle('now', i === step && !asking);
    this.#question.classList.toggle('now', asking);
    if (document.activeElement !== this.#slider || this.player.playing) {
      const { lowest, highest } = this.#timeline;
      this.#slider.value = String(Math.round((SLIDER * Math.log(P / lowest)) / Math.log(highest / lowest)));
    }
    const words = `P = ${showNumber(Number(P.toPrecision(2)))}`;
    if (this.#count.textContent !== words) this.#count.textContent = words;
    this.#slider.setAttribute('aria-valuetext', `${roundedCount(P)} sentences`);
    const label = this.player.playing ? 'Pause' : this.player.seconds >= this.player.length ? 'Play again' : 'Play';
    if (this.#button.textContent !== label) this.#button.textContent = label;
    this.#curves?.light(ell, P);
    this.#correlation?.light(ell, P);
    this.#drawClouds(cloud, P, now);
  }

  #drawClouds(cloud: number, P: number, now: number): void {
    if (!this.#still && this.player.playing) this.#yaw += (TURN * Math.min(100, now - this.#drawnAt)) / 1000;
    this.#drawnAt = now;
    let moving = false;
    for (const { cloud: points, loss, within } of this.#clouds) {
      const { network } = points;
      const k = nearestRun(network, P);
      points.show(k, cloud, now, this.#still);
      moving = points.draw(now, this.#yaw, this.#dark.matches ? 'dark' : 'light') || moving;
      const { clouds, layers, places, within: parts } = network;
      const at = k * clouds.length + cloud;
      const text = `${lossAt(network, P).toFixed(2)} nats`;
      if (loss.textContent !== text) loss.textContent = text;
      const between = Math.round(100 * (1 - parts[at]));
      const layer = `Layer ${places[2 * at] + 1} of ${layers.length}`;
      const caption = `${layer}: ${between}% between symbols`;
      if (within.textContent !== caption) within.textContent = caption;
    }
    if (moving && !this.player.playing) requestAnimationFrame(() => !this.player.playing && this.#show());
  }

  #redraw(): void {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (width < 100) return;
    this.#curves = drawStoryCurves(this.recording, width, height);
    const { axes } = this.#curves;
    this.#correlation = drawCorrelation(this.recording, axes, {
      width,
      height: this.#why.clientHeight,
      theme: pageTheme,
    });
    this.#plot.replaceChildren(this.#curves.figure);
    this.#why.replaceChildren(this.#correlation.figure);
    // The slider's thumb is below the P that the figures mark.
    this.#slider.style.marginLeft = `${axes.left - 8}px`;
    this.#slider.style.width = `${axes.x(this.#timeline.highest) - axes.left + 16}px`;
    this.#show();
  }

  #askQuestion(): HTMLElement {
    const answer = h('p', { class: 'answer', role: 'status' });
    const buttons = this.recording.networks.map((network) => {
      const button = h(
        'button',
        {
          type: 'button',
          'aria-pressed': 'false',
          onclick: () => {
            for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
            answer.textContent = answerOf(this.recording, network);
          },
        },
        `The ${modelFacts(network.kind).title}`,
      );
      return button;
    });
    return h(
      'div',
      { class: 'told question' },
      h('h3', {}, 'Your guess'),
      h('p', {}, question),
      h('div', { class: 'toolbar' }, ...buttons),
      answer,
    );
  }

  #table(): HTMLTableElement {
    const { networks, sentences } = this.recording;
    return textTable(
      'Best loss in nats by the number of distinct sentences P',
      ['sentences', ...looksOf(this.recording).map(({ label }) => label)],
      sentences.map((P) => [
        P.toLocaleString('en'),
        ...networks.map((network) => {
          const k = network.sentences.indexOf(P);
          return k < 0 ? '' : network.loss[k].toFixed(3) + (network.limited[k] ? ' (still falling)' : '');
        }),
      ]),
    );
  }
}
