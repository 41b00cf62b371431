/** The numbers of a picture as a table, for readers who cannot see it or want the numbers: closed until opened. */
import { h } from '../dom.js';

export class NumbersTable {
  readonly element: HTMLDetailsElement;
  readonly #box: HTMLElement;
  #key: string | undefined;

  /** build: makes the table of the current state; undefined: there is nothing to show yet. */
  constructor(
    readonly name: string,
    readonly build: () => HTMLTableElement | undefined,
  ) {
    this.#box = h('div', { class: 'table-scroll', tabindex: '0', role: 'group', 'aria-label': name });
    this.element = h('details', { class: 'numbers', ontoggle: () => this.#fill() }, h('summary', {}, name), this.#box);
  }

  /** Rebuilds an open table if `key`, which identifies a state of the numbers, has changed. */
  refresh(key: string): void {
    if (key === this.#key) return;
    this.#key = key;
    if (this.element.open) this.#fill();
  }

  #fill(): void {
    const table = this.element.open ? this.build() : undefined;
    this.#box.replaceChildren(table ?? '');
    if (this.element.open && !table) this.#box.replaceChildren(h('p', { class: 'hint' }, 'No numbers yet.'));
  }
}

/** A table of texts with a heading for each column and for each row. */
export function textTable(caption: string, columns: readonly string[], rows: readonly string[][]): HTMLTableElement {
  return h(
    'table',
    {},
    h('caption', {}, caption),
    h('thead', {}, h('tr', {}, ...columns.map((text) => h('th', { scope: 'col' }, text)))),
    h(
      'tbody',
      {},
      ...rows.map(([first, ...rest]) =>
        h('tr', {}, h('th', { scope: 'row' }, first), ...rest.map((text) => h('td', {}, text))),
      ),
    ),
  );
}

/** The target of an arrow key, Home or End in a grid; undefined for other keys. */
export function moveInGrid(
  key: string,
  { row, column }: { row: number; column: number },
  rows: number,
  columns: number,
): { row: number; column: number } | undefined {
  const moves: Record<string, [number, number]> = {
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    Home: [row, 0],
    End: [row, columns - 1],
    PageUp: [0, column],
    PageDown: [rows - 1, column],
  };
  const to = Object.hasOwn(moves, key) ? moves[key] : undefined;
  if (!to) return undefined;
  const within = (i: number, count: number) => Math.min(count - 1, Math.max(0, i));
  return { row: within(to[0], rows), column: within(to[1], columns) };
}
