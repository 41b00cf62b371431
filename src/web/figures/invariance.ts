import type { MeasureRecord } from '../../core/records.js';
import { h } from '../dom.js';

/** (1 - S_rule) / (1 - S_symbol) by layer and level, mean over replicas. merges: of a convolution. */
export function invarianceTable(records: readonly MeasureRecord[], merges: boolean): HTMLElement {
  const mean = (name: string, layer: number, level: number) => {
    const found = records.filter((r) => r.name === name && r.layer === layer && r.level === level);
    return found.reduce((sum, r) => sum + r.value, 0) / found.length;
  };
  const layers = [...new Set(records.map((r) => r.layer!))].sort((a, b) => b - a);
  const levels = [...new Set(records.map((r) => r.level!))].sort((a, b) => a - b);
  if (!records.length) return h('span');
  return h(
    'table',
    { class: 'heat' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, 'layer'),
        ...levels.map((level) => h('th', { scope: 'col' }, `level ${level}`)),
      ),
    ),
    h(
      'tbody',
      {},
      ...layers.map((layer) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, String(layer)),
          ...levels.map((level) => {
            // A unit of a convolution in layer k sees s^k tokens: less than a block of a higher level.
            if (merges && layer < level) return h('td', { 'aria-label': 'sees less than a block of this level' }, '–');
            const ratio = (1 - mean('S_rule', layer, level)) / (1 - mean('S_symbol', layer, level));
            const cell = h('td', {}, Number.isFinite(ratio) ? ratio.toFixed(2) : '-');
            const part = Math.min(1, Math.max(0, Number.isFinite(ratio) ? ratio : 0));
            cell.style.backgroundColor = `color-mix(in oklab, var(--look) ${Math.round(55 * part)}%, var(--rhm-paper))`;
            return cell;
          }),
        ),
      ),
    ),
  );
}
