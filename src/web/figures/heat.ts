/** Small maps of numbers: attention (from 0), or filters (about 0), as squares that arrow keys and the pointer read one by one. */
import { pageTheme } from '../../analysis/figures/theme.js';
import type { LookMap } from '../cloud/look.js';
import { h, svg } from '../dom.js';
import { moveInGrid, NumbersTable, textTable } from './numbers.js';

const SHADES = 32; // per colour: squares of one shade are one path, since a map can have 16384 squares

interface Layout {
  left: number;
  top: number;
  wide: number; // width of a square, pixels
  tall: number;
  width: number; // width of the picture
  height: number;
}

export class HeatMap {
  readonly element = h('figure', { class: 'map', hidden: true });
  readonly #plot = h('div', {
    class: 'heat-plot',
    tabindex: '0',
    role: 'group',
    'aria-roledescription': 'heat map',
    onkeydown: (event: KeyboardEvent) => this.#onKey(event),
    onpointermove: (event: PointerEvent) => this.#point(event),
    onpointerleave: () => this.#set(undefined, false),
  });
  readonly #readout = h('p', { class: 'readout' });
  readonly #caption = h('figcaption', { class: 'hint' });
  readonly #numbers = new NumbersTable('The map in numbers', () => this.#table());
  #map: LookMap | undefined;
  #v = 1;
  #at: { row: number; column: number } | undefined;

  constructor() {
    this.element.append(this.#plot, this.#readout, this.#caption, this.#numbers.element);
  }

  show(map: LookMap | undefined, { v }: { v: number }): void {
    const before = this.#map;
    this.#map = map;
    this.#v = v;
    this.element.hidden = !map;
    if (!map) return;
    const same = before?.kind === map.kind && before.rows === map.rows && before.columns === map.columns;
    if (!same) this.#at = undefined;
    const picture = draw(map, v);
    picture.setAttribute('aria-hidden', 'true');
    this.#plot.replaceChildren(picture);
    this.#plot.setAttribute('aria-label', `${summary(map)}. Arrow keys read its squares.`);
    const caption = captionOf(map);
    if (caption !== this.#caption.textContent) this.#caption.textContent = caption;
    // An open table stays as it was opened: one that changes while being read cannot be read.
    this.#numbers.refresh(caption + same);
    this.#set(this.#at, false);
  }

  #onKey(event: KeyboardEvent): void {
    const map = this.#map;
    if (!map || event.ctrlKey || event.metaKey || event.altKey) return;
    const from = this.#at ?? { row: 0, column: -1 };
    const to = moveInGrid(event.key, from, map.rows, map.columns);
    if (!to && event.key !== 'Escape') return;
    this.#set(to, true);
    event.preventDefault();
  }

  #point(event: PointerEvent): void {
    const map = this.#map;
    const picture = this.#plot.firstElementChild;
    if (!map || !picture) return;
    const { left, top, wide, tall, width } = layoutOf(map);
    const box = picture.getBoundingClientRect();
    const scale = width / box.width;
    const column = Math.floor(((event.clientX - box.left) * scale - left) / wide);
    const row = Math.floor(((event.clientY - box.top) * scale - top) / tall);
    const inside = row >= 0 && row < map.rows && column >= 0 && column < map.columns;
    this.#set(inside ? { row, column } : undefined, false);
  }

  /** Marks a square and shows its value; announced if a key selected it. */
  #set(at: { row: number; column: number } | undefined, aloud: boolean): void {
    this.#at = at;
    const map = this.#map;
    const picture = this.#plot.firstElementChild;
    picture?.querySelector('.cursor')?.remove();
    const words = at && map ? describe(map, this.#v, at.row, at.column) : '';
    if (words !== this.#readout.textContent) {
      this.#readout.setAttribute('aria-live', aloud ? 'polite' : 'off');
      this.#readout.textContent = words;
    }
    if (!at || !map || !picture) return;
    const { left, top, wide, tall } = layoutOf(map);
    picture.append(
      svg('rect', {
        class: 'cursor',
        x: left + at.column * wide - 0.8,
        y: top + at.row * tall - 0.8,
        width: wide + 1,
        height: tall + 1,
        fill: 'none',
        stroke: pageTheme.ink,
        'stroke-width': 1.8,
      }),
    );
  }

  #table(): HTMLTableElement | undefined {
    const map = this.#map;
    if (!map) return undefined;
    const { rows, columns, values } = map;
    const range = (count: number) => Array.from({ length: count }, (_, i) => i);
    return textTable(
      summary(map),
      [map.kind === 'attention' ? 'from \\ to' : 'input \\ channel', ...range(columns).map((j) => columnName(map, j))],
      range(rows).map((i) => [
        rowName(map, this.#v, i),
        ...range(columns).map((j) => values[i * columns + j].toFixed(3)),
      ]),
    );
  }
}

function layoutOf({ kind, rows, columns }: LookMap): Layout {
  const attention = kind === 'attention';
  const [left, top] = [34, attention ? 18 : 4];
  const wide = attention ? Math.min(26, Math.max(8, 280 / columns)) : Math.min(9, 330 / columns);
  const tall = attention ? wide : Math.min(11, Math.max(4, 190 / rows));
  return { left, top, wide, tall, width: left + columns * wide + 4, height: top + rows * tall + 4 };
}

function draw(map: LookMap, v: number): SVGSVGElement {
  const { rows, columns, values } = map;
  const attention = map.kind === 'attention';
  const tokens = map.attention?.tokens;
  const { left, top, wide, tall, width, height } = layoutOf(map);
  const figure = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, class: 'heat-map' });
  const text = (x: number, y: number, content: string, anchor = 'middle') =>
    figure.append(svg('text', { x, y, 'text-anchor': anchor, 'font-size': 9.5, fill: pageTheme.muted }, content));
  if (attention)
    for (let j = 0; j < columns; j += columns > 20 ? 4 : 1)
      text(left + (j + 0.5) * wide, 12, String(tokens?.[j] ?? j + 1));
  const largest = largestOf(values);
  const shades = new Map<number, string>(); // signed shade -> path
  for (let i = 0; i < rows; i++) {
    if (attention && (rows <= 20 || i % 4 === 0))
      text(left - 5, top + (i + 0.5) * tall + 3, String(tokens?.[columns - rows + i] ?? columns - rows + i + 1), 'end');
    if (!attention && i % v === 0) text(left - 5, top + i * tall + 9, `slot ${i / v + 1}`, 'end');
    for (let j = 0; j < columns; j++) {
      const shade = Math.round((SHADES * values[i * columns + j]) / largest);
      const [w, t] = [(wide - 0.6).toFixed(2), (tall - 0.6).toFixed(2)];
      const square = `M${(left + j * wide).toFixed(2)},${(top + i * tall).toFixed(2)}h${w}v${t}h-${w}z`;
      shades.set(shade, (shades.get(shade) ?? '') + square);
    }
  }
  for (const [shade, d] of shades)
    figure.append(
      svg('path', {
        class: 'cells',
        d,
        fill: pageTheme.palette[attention || shade < 0 ? 1 : 0],
        'fill-opacity': (Math.abs(shade) / SHADES).toFixed(3),
      }),
    );
  return figure;
}

const largestOf = (values: Float32Array) => values.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-12);

function captionOf({ kind, layer, attention }: LookMap): string {
  if (kind === 'filters')
    return 'Filters of the first layer: each row is a token in one slot of the tuple, each column a channel. Blue is positive, orange negative. Tokens that occur in synonyms get similar weights.';
  const { head = -1, sentence = -1, heads = 0, tokens } = attention ?? {};
  return `Attention in layer ${layer + 1}, ${head < 0 ? `mean over ${heads} heads` : `head ${head + 1}`}, ${sentence < 0 ? 'mean over sentences' : `sentence ${sentence}`}: rows are queries (the ${tokens ? 'token' : 'position'} that attends), columns are keys (where it attends to).`;
}

function summary(map: LookMap): string {
  const { kind, rows, columns, values } = map;
  const largest = largestOf(values);
  if (kind === 'filters') return `Filters, ${rows} inputs by ${columns} channels: largest weight ${largest.toFixed(2)}`;
  const strongest = values.indexOf(largest);
  const [row, column] = [Math.floor(strongest / columns), strongest % columns];
  return `Attention map, ${rows} by ${columns}: strongest ${largest.toFixed(2)}, from position ${columns - rows + row + 1} to ${column + 1}`;
}

/** Name of a row in a layer that keeps only the last of the positions that it reads. */
function rowName({ kind, rows, columns, attention }: LookMap, v: number, row: number): string {
  if (kind === 'filters') return `slot ${Math.floor(row / v) + 1}, token ${row % v}`;
  const place = columns - rows + row;
  return `position ${place + 1}${attention?.tokens ? `, token ${attention.tokens[place]}` : ''}`;
}

function columnName({ kind, attention }: LookMap, column: number): string {
  if (kind === 'filters') return `channel ${column + 1}`;
  return `position ${column + 1}${attention?.tokens ? `, token ${attention.tokens[column]}` : ''}`;
}

function describe(map: LookMap, v: number, row: number, column: number): string {
  const value = map.values[row * map.columns + column].toFixed(3);
  const [from, to] = [rowName(map, v, row), columnName(map, column)];
  return map.kind === 'attention' ? `From ${from} to ${to}: ${value}` : `${from}, ${to}: ${value}`;
}
