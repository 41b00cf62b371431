import type { MeasureRecord, RunRecord } from '../../core/records.js';
import { labelsOf } from '../curveData.js';
import { h, svg, throttle } from '../dom.js';
import { NumbersTable, textTable } from '../figures/numbers.js';
import type { NetworkRun } from '../networkRun.js';
import type { Page, View, ViewSpec } from '../page.js';

const MEASURE = 'probes';

export const probesView: ViewSpec = {
  id: 'probes',
  title: 'Read every hidden symbol',
  about: [
    'A linear read-out of each hidden symbol, of every level and place, from each layer and position: fitted on 192 test sentences, scored on 128 ' +
      'others. The darker a square, the more often the symbol is read correctly. The map fills from the lowest level up, as levels are learned.',
  ],
  create: (page) => new ProbesView(page),
};

class ProbesView implements View {
  readonly element = h('div', {});
  #maps: ProbeMap[] = [];
  readonly #soon = throttle(() => {
    for (const map of this.#maps) map.refresh();
  }, 3);

  constructor(readonly page: Page) {
    this.reset();
  }

  reset(): void {
    const { training, experiments, setting } = this.page;
    this.#maps = [];
    if (!setting.measures.includes(MEASURE)) {
      const start = () => {
        const refusal = this.page.change({ measures: [...setting.measures, MEASURE] });
        if (refusal) this.page.say(refusal);
      };
      this.element.replaceChildren(
        h('button', { type: 'button', onclick: start }, 'Read them at every evaluation'),
        h('p', { class: 'hint' }, 'This restarts the networks; each evaluation takes a little longer.'),
      );
      return;
    }
    const labels = labelsOf(experiments);
    this.#maps = training.networks.map((network, i) => new ProbeMap(network, labels[i], i));
    this.element.replaceChildren(h('div', { class: 'networks wide' }, ...this.#maps.map((map) => map.element)));
    this.update();
  }

  update(): void {
    this.#soon();
  }
}

/** The newest maps of one network: its layers from bottom to top, rows of positions; columns of symbols, level by level. */
class ProbeMap {
  readonly element: HTMLElement;
  readonly #picture = h('div', {});
  readonly #hint = h('p', { class: 'hint' }, 'Nothing read yet.');
  readonly #numbers: NumbersTable;
  #shown: readonly MeasureRecord[] = [];

  constructor(
    readonly network: NetworkRun,
    readonly label: string,
    index: number,
  ) {
    this.#numbers = new NumbersTable(`Read-outs of ${label} in numbers`, () => this.#table());
    this.element = h(
      'article',
      { class: 'network', 'aria-label': `Read-outs of ${label}` },
      h('h3', {}, label),
      this.#picture,
      this.#hint,
      this.#numbers.element,
    );
    this.element.style.setProperty('--look', `var(--rhm-c${index})`);
  }

  refresh(): void {
    const found = latest(this.network.records);
    if (!found.length || found[0] === this.#shown[0]) return;
    this.#shown = found;
    this.#picture.replaceChildren(draw(found, this.label));
    this.#hint.textContent = `After ${found[0].samples.toLocaleString('en')} training sentences.`;
    this.#numbers.refresh(String(found[0].step));
  }

  #table(): HTMLTableElement | undefined {
    const levels = levelsOf(this.#shown);
    if (!levels.length) return undefined;
    const rows = layersOf(this.#shown).map((layer) => [
      `layer ${layer}`,
      ...levels.map((level) => this.#shown.find((r) => r.layer === layer && r.level === level)!.value.toFixed(2)),
    ]);
    const caption = 'Accuracy for the symbols of each level, each read from its best position';
    return textTable(caption, ['', ...levels.map((level) => `level ${level}`)], rows);
  }
}

/** Maps of the last evaluation of the first replica. */
function latest(records: readonly RunRecord[]): MeasureRecord[] {
  const found = records.filter(
    (r): r is MeasureRecord => r.type === 'measure' && r.name === MEASURE && r.replica === 0 && r.map !== undefined,
  );
  const step = found.at(-1)?.step;
  return found.filter((r) => r.step === step);
}

const levelsOf = (records: readonly MeasureRecord[]) =>
  [...new Set(records.map((r) => r.level!))].sort((a, b) => a - b);
/** The last layer first: it is on top. */
const layersOf = (records: readonly MeasureRecord[]) =>
  [...new Set(records.map((r) => r.layer!))].sort((a, b) => b - a);

const CELL = { wide: 20, tall: 12, gap: 10 };
const LEFT = 56;
const TOP = 18;

function draw(records: readonly MeasureRecord[], label: string): SVGSVGElement {
  const levels = levelsOf(records);
  const marks: SVGElement[] = [];
  const text = (x: number, y: number, words: string, anchor: string) =>
    svg('text', { x, y, 'text-anchor': anchor, 'font-size': 11, fill: 'var(--muted)' }, words);
  let y = TOP;
  let width = 0;
  for (const [i, layer] of layersOf(records).entries()) {
    let x = LEFT;
    let height = 0;
    for (const level of levels) {
      const { map } = records.find((r) => r.layer === layer && r.level === level)!;
      height = map!.length * CELL.tall;
      if (i === 0) marks.push(text(x, TOP - 6, map![0].length > 1 ? `level ${level}` : `${level}`, 'start'));
      for (const [row, values] of map!.entries())
        for (const [column, value] of values.entries()) {
          const at = { x: x + column * CELL.wide, y: y + row * CELL.tall };
          const cell = svg('rect', { ...at, width: CELL.wide - 1, height: CELL.tall - 1, rx: 2 });
          const share = Number.isFinite(value) ? Math.round(100 * value) : 0;
          cell.style.fill = `color-mix(in oklab, var(--look) ${share}%, var(--soft))`;
          marks.push(cell);
        }
      x += map![0].length * CELL.wide + CELL.gap;
    }
    marks.push(text(LEFT - 8, y + height / 2 + 4, `layer ${layer}`, 'end'));
    y += height + CELL.gap;
    width = x;
  }
  const best = levels.map((level) => {
    const of = records.filter((r) => r.level === level).map((r) => r.value);
    return `level ${level} up to ${Math.max(...of).toFixed(2)}`;
  });
  const attributes = { width, height: y, viewBox: `0 0 ${width} ${y}`, role: 'img', class: 'probe-map' };
  const name = `${label}: read-outs by layer and position (rows), level and place (columns); ${best.join(', ')}`;
  const picture = svg('svg', { ...attributes, 'aria-label': name }, ...marks);
  picture.style.maxWidth = '100%';
  picture.style.height = 'auto';
  return picture;
}
