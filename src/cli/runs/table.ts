/** Tables for a terminal: columns as wide as their contents. */

import { showNumber } from '../../analysis/format.js';
import { nearestPlateau, type Overview } from '../../analysis/overview.js';

/** Numbers are aligned right, text left; the last column is not padded. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const numeric = head.map((_, i) => rows.every((row) => /^[-+≤≥∞.\d]*[kMG%]?$/.test(row[i])));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) =>
        numeric[i] ? cell.padStart(widths[i]) : i === cells.length - 1 ? cell : cell.padEnd(widths[i]),
      )
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}

/** `H(2) + 0.013`: the plateau nearest to a loss, and its distance from the plateau. */
export function plateauText({ plateaus, lastLoss: loss }: Pick<Overview, 'plateaus' | 'lastLoss'>): string {
  if (!plateaus || loss === null) return '-';
  const ell = nearestPlateau(plateaus, loss);
  const above = loss - plateaus[ell];
  return `H(${ell}) ${above < 0 ? '-' : '+'} ${Math.abs(above).toFixed(3)}`;
}

/** `1.2k`, `≤ 128`, `-` if the step has not been taken. */
export function positionText(P: NonNullable<Overview['P']>[number] | undefined): string {
  if (!P || P.samples === null) return '-';
  return `${P.bound ? '≤' : ''}${showNumber(P.samples)}`;
}

export const lossText = (loss: number | null | undefined): string =>
  loss === undefined ? '' : loss === null ? 'not finite' : loss.toFixed(4);
