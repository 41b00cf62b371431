/** Small maps of numbers: attention (from 0), or filters (about 0), as squares with a caption and a text of what they show. */
import { pageTheme } from '../../analysis/figures/theme.js';
import type { LookMap } from '../cloud/look.js';
import { h, svg } from '../dom.js';

export function heatMap(map: LookMap, { v }: { v: number }): Element[] {
  const { kind, layer, rows, columns, values } = map;
  const attention = kind === 'attention';
  const { head = -1, sentence = -1, heads = 0, tokens } = map.attention ?? {};
  const left = 34;
  const top = attention ? 18 : 4;
  const cell = attention ? Math.min(26, Math.max(8, 280 / columns)) : Math.min(9, 330 / columns);
  const tall = attention ? cell : Math.min(11, Math.max(4, 190 / rows));
  const width = left + columns * cell + 4;
  const height = top + rows * tall + 4;
  const largest = Math.max(1e-12, ...values.map(Math.abs));
  const figure = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, class: 'heat-map', role: 'img' });
  const strongest = values.indexOf(Math.max(...values));
  figure.setAttribute(
    'aria-label',
    attention
      ? `Attention map, ${rows} by ${columns}: strongest ${values[strongest].toFixed(2)}, from position ${rows === 1 ? columns : Math.floor(strongest / columns) + 1} to ${(strongest % columns) + 1}`
      : `Filters, ${rows} inputs by ${columns} channels: largest weight ${largest.toFixed(2)}`,
  );
  const text = (x: number, y: number, content: string, anchor = 'middle') =>
    figure.append(svg('text', { x, y, 'text-anchor': anchor, 'font-size': 9.5, fill: pageTheme.muted }, content));
  if (attention)
    for (let j = 0; j < columns; j += columns > 20 ? 4 : 1)
      text(left + (j + 0.5) * cell, 12, String(tokens?.[j] ?? j + 1));
  for (let i = 0; i < rows; i++) {
    if (attention && (rows <= 20 || i % 4 === 0))
      text(left - 5, top + (i + 0.5) * tall + 3, String(tokens?.[columns - rows + i] ?? columns - rows + i + 1), 'end');
    if (!attention && i % v === 0) text(left - 5, top + i * tall + 9, `slot ${i / v + 1}`, 'end');
    for (let j = 0; j < columns; j++) {
      const value = values[i * columns + j];
      const colour = value >= 0 ? pageTheme.palette[attention ? 1 : 0] : pageTheme.palette[1];
      const x = left + j * cell;
      figure.append(
        svg('rect', {
          x,
          y: top + i * tall,
          width: cell - 0.6,
          height: tall - 0.6,
          fill: colour,
          'fill-opacity': (Math.abs(value) / largest).toFixed(3),
        }),
      );
    }
  }
  const caption = attention
    ? `Attention of layer ${layer + 1}, ${head < 0 ? `mean over ${heads} heads` : `head ${head + 1}`}, ${sentence < 0 ? 'mean over sentences' : `sentence ${sentence}`}: row, the ${tokens ? 'token' : 'position'} that looks; column, where to.`
    : 'Filters of the first layer: row, a token in a slot of the tuple; column, a channel. Blue is positive, orange negative. Tokens in synonyms grow alike.';
  return [figure, h('figcaption', { class: 'hint' }, caption)];
}
