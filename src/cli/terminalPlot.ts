/** Curves as text: logarithmic axes, four by two dots per character (Braille), plateaus as dashed lines with their names. */
import { showNumber } from '../analysis/format.js';

export interface PlottedCurve {
  label: string;
  points: readonly { samples: number; loss: number }[];
}

export interface PlotFrame {
  width: number; // characters
  height: number; // lines of the plot itself
  /** H(0), H(1), ...: heights with names. */
  plateaus?: readonly number[];
}

const LEFT = 8; // width of the labels of the vertical axis, in characters
const RIGHT = 6; // width of the names of plateaus, in characters
const BRAILLE = 0x2800;
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
]; // by row and column of a character

/** *Several curves are distinguished by letters along them, a to z, which the legend below names. */
export function plotCurves(curves: readonly PlottedCurve[], { width, height, plateaus = [] }: PlotFrame): string {
  const points = curves.map(({ points }) =>
    points.filter((p) => p.samples > 0 && p.loss > 0 && Number.isFinite(p.loss)),
  );
  const all = points.flat();
  if (!all.length) return 'no evaluation yet';
  const columns = Math.max(16, width - LEFT - RIGHT);
  const [x0, x1] = rangeOf(all.map((p) => p.samples));
  const heights = plateaus.filter((h) => h > 1e-9);
  const top = Math.max(...(heights.length ? [heights[0] * 1.3] : all.map((p) => p.loss)));
  const shownLosses = all.map((p) => Math.min(p.loss, top));
  const [y0, y1] = rangeOf([...shownLosses, ...heights]);
  const column = (samples: number) => (Math.log(samples / x0) / Math.log(x1 / x0)) * (2 * columns - 1);
  const row = (loss: number) =>
    (1 - Math.log(Math.min(Math.max(loss, y0), y1) / y0) / Math.log(y1 / y0)) * (4 * height - 1);
  const dots = Array.from({ length: height }, () => new Uint8Array(columns));
  const marks = Array.from({ length: height }, () => new Array<string>(columns).fill(''));
  const dot = (x: number, y: number) => {
    const [i, j] = [Math.round(x), Math.round(y)];
    dots[j >> 2][i >> 1] |= DOTS[j & 3][i & 1];
  };
  const names = new Map<number, string>();
  heights.forEach((h, ell) => {
    const y = row(h);
    for (let i = 0; i < 2 * columns; i++) if (i % 6 < 2) dot(i, y);
    const at = Math.round(y) >> 2;
    if (!names.has(at)) names.set(at, `H(${ell})`);
  });
  points.forEach((curve, k) => {
    for (let i = 0; i < curve.length; i++) {
      const [ax, ay] = [column(curve[i].samples), row(curve[i].loss)];
      const [bx, by] = i + 1 < curve.length ? [column(curve[i + 1].samples), row(curve[i + 1].loss)] : [ax, ay];
      const steps = Math.max(1, Math.ceil(Math.max(Math.abs(bx - ax), Math.abs(by - ay))));
      for (let s = 0; s <= steps; s++) dot(ax + ((bx - ax) * s) / steps, ay + ((by - ay) * s) / steps);
    }
    if (curves.length < 2) return;
    // Letters at several places of a curve, at different ones for each curve, so that none hides the others.
    for (let part = (k + 1) / (curves.length + 1); part <= 4; part++) {
      const p = curve[Math.min(curve.length - 1, Math.floor((part / 4) * curve.length))];
      if (p) marks[Math.round(row(p.loss)) >> 2][Math.round(column(p.samples)) >> 1] = letterOf(k);
    }
  });
  const lines = dots.map((cells, j) => {
    const ends: Record<number, string> = { 0: showNumber(y1), [height - 1]: showNumber(y0) };
    const middle = Math.floor(height / 2);
    ends[middle] ??= showNumber(y1 * (y0 / y1) ** ((middle + 0.5) / height));
    const text = Array.from(cells, (bits, i) => marks[j][i] || (bits ? String.fromCharCode(BRAILLE + bits) : ' ')).join(
      '',
    );
    return `${(ends[j] ?? '').padStart(LEFT - 2)} │${text}${names.has(j) ? ` ${names.get(j)}` : ''}`.trimEnd();
  });
  const indent = ' '.repeat(LEFT - 1);
  const [left, right] = [showNumber(x0), showNumber(x1)];
  const title = 'training sentences; test loss in nats; log axes';
  const space = Math.max(2, columns - left.length - right.length - title.length);
  const half = Math.floor(space / 2);
  const axis = `${indent} ${left}${' '.repeat(half)}${title}${' '.repeat(space - half)}${right}`;
  const legend = curves.length > 1 ? curves.map(({ label }, k) => `${indent} ${letterOf(k)}  ${label}`) : [];
  return [...lines, `${indent}└${'─'.repeat(columns)}`, axis, ...legend].join('\n');
}

export const letterOf = (k: number): string => String.fromCharCode(97 + (k % 26));

/** Width of the terminal, or of a page of text if there is none. */
export const terminalWidth = (): number => Math.min(process.stdout.columns ?? 100, 140);

function rangeOf(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high / low < 1.1 ? [low / 1.1, high * 1.1] : [low, high];
}
