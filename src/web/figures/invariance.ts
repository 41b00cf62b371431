import type { MeasureRecord } from '../../core/records.js';
import { h } from '../dom.js';
import { moveInGrid } from './numbers.js';

/** (1 - S_rule) / (1 - S_symbol) by layer and level, a grid navigated by arrow keys; it is updated in place, so that focus stays. */
export class InvarianceTable {
  readonly element = h('div', { class: 'table-scroll' });
  #cells: HTMLTableCellElement[][] = [];
  #shape = '';
  #at = { row: 0, column: 0 };

  constructor(
    readonly label: string,
    readonly merges: boolean, // units see blocks, as in a convolution
  ) {}

  /** Records of one step; for several replicas their mean is shown. */
  show(records: readonly MeasureRecord[]): void {
    const layers = [...new Set(records.map((r) => r.layer!))].sort((a, b) => b - a);
    const levels = [...new Set(records.map((r) => r.level!))].sort((a, b) => a - b);
    const shape = `${layers};${levels}`;
    if (shape !== this.#shape) this.#build(layers, levels);
    this.#shape = shape;
    const mean = (name: string, layer: number, level: number) => {
      const found = records.filter((r) => r.name === name && r.layer === layer && r.level === level);
      return found.reduce((sum, r) => sum + r.value, 0) / found.length;
    };
    layers.forEach((layer, row) => {
      levels.forEach((level, column) => {
        if (this.#blind(layer, level)) return;
        const ratio = (1 - mean('S_rule', layer, level)) / (1 - mean('S_symbol', layer, level));
        const cell = this.#cells[row][column];
        const text = Number.isFinite(ratio) ? ratio.toFixed(2) : '-';
        if (text !== cell.textContent) cell.textContent = text;
        const part = Math.min(1, Math.max(0, Number.isFinite(ratio) ? ratio : 0));
        cell.style.backgroundColor = `color-mix(in oklab, var(--look) ${Math.round(55 * part)}%, var(--rhm-paper))`;
      });
    });
  }

  /** A unit in layer k of a convolution sees s^k tokens: less than a block of a higher level. */
  #blind(layer: number, level: number): boolean {
    return this.merges && layer < level;
  }

  #build(layers: readonly number[], levels: readonly number[]): void {
    this.#at = { row: 0, column: 0 };
    this.#cells = layers.map((layer, row) =>
      levels.map((level, column) => {
        const cell = h('td', {
          tabindex: row === 0 && column === 0 ? '0' : '-1',
          onkeydown: (event: KeyboardEvent) => this.#onKey(event),
          onfocus: () => this.#move(row, column),
        });
        if (this.#blind(layer, level)) {
          cell.textContent = '–';
          cell.setAttribute('aria-label', 'sees less than one block of this level');
        }
        return cell;
      }),
    );
    const head = h(
      'tr',
      {},
      h('th', { scope: 'col' }, 'layer'),
      ...levels.map((l) => h('th', { scope: 'col' }, `level ${l}`)),
    );
    const rows = this.#cells.map((cells, i) =>
      h('tr', {}, h('th', { scope: 'row', 'aria-label': `layer ${layers[i]}` }, layers[i]), ...cells),
    );
    const table = h(
      'table',
      { class: 'heat', role: 'grid', 'aria-label': this.label },
      h('thead', {}, head),
      h('tbody', {}, ...rows),
    );
    this.element.replaceChildren(...(layers.length ? [table] : []));
  }

  #move(row: number, column: number): void {
    this.#cells[this.#at.row]?.[this.#at.column]?.setAttribute('tabindex', '-1');
    this.#at = { row, column };
    this.#cells[row][column].setAttribute('tabindex', '0');
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = moveInGrid(event.key, this.#at, this.#cells.length, this.#cells[0].length);
    if (!to) return;
    this.#cells[to.row][to.column].focus();
    event.preventDefault();
  }
}
