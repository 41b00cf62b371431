import * as Plot from '@observablehq/plot';
import { type ErrorPoint, errorPoints, logAxis, type Panel, tickedAxis } from './canvas.js';
import type { Canvas } from './paper.js';
import type { Look } from './theme.js';

export interface PowerPoints {
  look: Look;
  power: number | undefined;
  points: ErrorPoint[];
  open?: boolean; // hollow symbols, no law
}

export function powerPanel(title: string, label: string, series: readonly PowerPoints[], { theme }: Canvas): Panel {
  const all = series.flatMap((s) => s.points);
  // An interval of two grammars may span decades: it is cut off at the edge so that the others stay readable.
  const ends = all.flatMap((p) => [p.y, ...[p.low, p.high].filter((end) => end > p.y / 6 && end < p.y * 6)]);
  const y = logAxis(ends, label, 0.12);
  const x = tickedAxis(
    all.map((p) => p.x),
    'm',
    'log',
  );
  return {
    title,
    options: {
      x,
      y,
      marks: series.flatMap(({ look, power, points, open }) => [
        ...(power === undefined ? [] : [powerLine(points, power, look, x.domain as [number, number])]),
        ...errorPoints(points, look, theme.paper, open),
      ]),
    },
  };
}

/** The predicted power through the middle of the points that are values; through the first bound if there are none. */
function powerLine(
  points: readonly ErrorPoint[],
  power: number,
  look: Look,
  [from, to]: [number, number],
): Plot.Markish {
  const exact = points.filter((p) => p.bound === 'none');
  const used = exact.length ? exact : points.slice(0, 1);
  const height = used.reduce((sum, p) => sum + Math.log(p.y) - power * Math.log(p.x), 0) / used.length;
  const line = [from, to].map((x) => ({ x, y: Math.exp(height + power * Math.log(x)) }));
  return Plot.line(line, {
    x: 'x',
    y: 'y',
    stroke: look.color,
    strokeDasharray: look.dash ?? '5 4',
    strokeOpacity: 0.7,
    clip: true,
  });
}
