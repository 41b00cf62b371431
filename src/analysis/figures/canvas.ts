import * as Plot from '@observablehq/plot';
import { showNumber } from '../format.js';
import type { Canvas } from './paper.js';
import type { Look, Theme } from './theme.js';
import { logTicks } from './ticks.js';

export { logTicks };

export interface Panel {
  title: string;
  subtitle?: string;
  options: Plot.PlotOptions;
}

export const isNarrow = (canvas: Canvas) => canvas.width < 560;

const NS = 'http://www.w3.org/2000/svg';
const FONT = 'system-ui, "DejaVu Sans", sans-serif';

/**
 * Panels in a grid below a legend, as one SVG. columns: on wide paper; narrow paper has one, or two for panels with few labels. marked:
 * legend with symbols.
 */
export function compose(
  canvas: Canvas,
  given: readonly Panel[],
  columns: number,
  panelHeight: number,
  legend: readonly Look[],
  marked = false,
  narrowColumns: 1 | 2 = 1,
): SVGSVGElement {
  const { document, theme, width } = canvas;
  const across = isNarrow(canvas)
    ? Math.min(narrowColumns, given.length)
    : Math.max(1, Math.min(columns, given.length));
  const gap = 14;
  const panelWidth = Math.min((width - gap * (across - 1)) / across, 460);
  const inset = (width - across * panelWidth - gap * (across - 1)) / 2;
  const panels = given.map((panel) => fitTitle(panel, panelWidth));
  const titleHeight = panels.some((p) => p.subtitle) ? 32 : 18;
  const svg = element(document, 'svg', {
    xmlns: NS,
    'font-family': FONT,
    'font-size': 11,
    fill: 'currentColor',
    style: `color:${theme.ink}`,
    role: 'img',
  }) as unknown as SVGSVGElement;
  const legendHeight = drawLegend(canvas, svg, legend, marked);
  panels.forEach((panel, i) => {
    const x = inset + (i % across) * (panelWidth + gap);
    const y = legendHeight + Math.floor(i / across) * (panelHeight + titleHeight + 10);
    svg.append(text(document, panel.title, x + 6, y + 12, { 'font-weight': 600 }));
    if (panel.subtitle)
      svg.append(text(document, panel.subtitle, x + 6, y + 26, { fill: theme.muted, 'font-size': 10 }));
    const plot = Plot.plot({
      document,
      width: panelWidth,
      height: panelHeight,
      marginLeft: 48,
      marginRight: 14,
      marginTop: 22,
      marginBottom: 34,
      style: { fontSize: '10.5px', fontFamily: FONT, background: 'transparent' },
      ...panel.options,
      ...(panelWidth < SMALL && { x: thinned(panel.options.x) }),
    }) as SVGSVGElement;
    plot.setAttribute('x', String(x));
    plot.setAttribute('y', String(y + titleHeight));
    plot.setAttribute('style', 'overflow:visible');
    for (const node of plot.querySelectorAll('text'))
      if (!node.children.length) node.textContent = unicodeFormula(node.textContent ?? '');
    svg.append(plot);
  });
  const rows = Math.ceil(panels.length / across);
  const height = legendHeight + rows * (panelHeight + titleHeight + 10);
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
    svg.setAttribute(name, String(value));
  return svg;
}

/** A title wider than its panel continues on a second line, after its last comma. */
function fitTitle(panel: Panel, panelWidth: number): Panel {
  const comma = panel.title.lastIndexOf(', ');
  const fits = BOLD * textWidth(panel.title) <= panelWidth - 6;
  if (fits || comma < 0 || panel.subtitle) return panel;
  return { ...panel, title: panel.title.slice(0, comma), subtitle: panel.title.slice(comma + 2) };
}

const BOLD = 1.1; // times as wide as plain text

const SMALL = 220; // pixels: a panel that has room for few labels

/** A logarithmic axis of a small panel: every second tick if there are more than three. */
function thinned(axis: Plot.ScaleOptions | undefined): Plot.ScaleOptions | undefined {
  const ticks = axis?.ticks;
  if (axis?.type !== 'log' || !Array.isArray(ticks) || ticks.length < 4) return axis;
  return { ...axis, ticks: ticks.filter((_, i) => i % 2 === 0) };
}

/** The formulas of a label with Unicode characters: P_3 becomes P₃, alpha α. */
export const unicodeFormula = (label: string): string =>
  label
    .replace(/\b([A-Z])_(\d+)/g, (_, base, index) => base + [...index].map((i) => '₀₁₂₃₄₅₆₇₈₉'[Number(i)]).join(''))
    .replace(/\balpha\b/g, 'α')
    .replace(/\bell\b/g, 'ℓ');

/** Entries from left to right, wrapped; returns the height used. */
function drawLegend(
  { document, theme, width }: Canvas,
  svg: SVGSVGElement,
  legend: readonly Look[],
  marked: boolean,
): number {
  if (!legend.length) return 0;
  let x = 6;
  let y = 12;
  for (const look of legend) {
    const space = 34 + textWidth(look.label) + 18;
    if (x > 6 && x + space > width) {
      x = 6;
      y += 18;
    }
    const stroke = { stroke: look.color, 'stroke-width': 2, 'stroke-dasharray': look.dash };
    svg.append(element(document, 'line', { x1: x, x2: x + 26, y1: y - 4, y2: y - 4, ...stroke }));
    if (marked) {
      const transform = `translate(${x + 13},${y - 4})`;
      svg.append(element(document, 'path', { d: symbolPaths[look.symbol], transform, fill: look.color }));
    }
    svg.append(text(document, look.label, x + 32, y, { fill: theme.ink }));
    x += space;
  }
  return y + 12;
}

/** The plotting library's symbols, at the size of a legend. */
const symbolPaths: Record<Look['symbol'], string> = {
  circle: 'M4,0A4,4 0 1 1 -4,0A4,4 0 1 1 4,0Z',
  square: 'M-3.6,-3.6H3.6V3.6H-3.6Z',
  triangle: 'M0,-5L4.6,3.2H-4.6Z',
  diamond: 'M0,-5L3.4,0L0,5L-3.4,0Z',
  star: 'M0,-5L1.2,-1.6L4.8,-1.6L1.9,0.6L3,4L0,1.9L-3,4L-1.9,0.6L-4.8,-1.6L-1.2,-1.6Z',
  times: 'M-4,-3L-3,-4L0,-1L3,-4L4,-3L1,0L4,3L3,4L0,1L-3,4L-4,3L-1,0Z',
};

/** Width of 11-pixel text, an upper estimate: no font is measured. */
const textWidth = (label: string) => label.length * 6.6;

function text(document: Document, content: string, x: number, y: number, attributes: Attributes = {}): SVGElement {
  const node = element(document, 'text', { x, y, ...attributes });
  node.textContent = content;
  return node;
}

type Attributes = Record<string, string | number | undefined>;

function element(document: Document, name: string, attributes: Attributes): SVGElement {
  const node = document.createElementNS(NS, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, String(value));
  return node;
}

/** A logarithmic axis: decades, with 2 and 5 between them when they are few. */
export function logAxis(
  values: readonly number[],
  label: string,
  pad = 0,
): Plot.ScaleOptions & { domain: [number, number] } {
  const known = values.filter((x) => Number.isFinite(x) && x > 0);
  let low = Math.min(...known);
  let high = Math.max(...known);
  if (!known.length) [low, high] = [1, 10];
  if (high / low < 1.5) [low, high] = [low / 1.5, high * 1.5];
  const margin = (high / low) ** pad;
  const domain: [number, number] = [low / margin, high * margin];
  return {
    type: 'log',
    domain,
    label,
    labelArrow: 'none',
    grid: true,
    ticks: logTicks(domain),
    tickFormat: showNumber,
  };
}

/** An axis with ticks at given whole numbers, such as the values of m. */
export function tickedAxis(values: readonly number[], label: string, type: 'log' | 'linear'): Plot.ScaleOptions {
  const ticks = [...new Set(values)].sort((a, b) => a - b);
  const [low, high] = [ticks[0], ticks[ticks.length - 1]];
  const domain = type === 'log' ? [low / 1.15, high * 1.15] : [low - 0.4, high + 0.4];
  // With base 10 a logarithmic scale omits some labels, such as 8, in any format.
  const base = type === 'log' ? { base: 2 } : {};
  return { type, ...base, domain, ticks, tickFormat: (x: number) => String(x), label, labelArrow: 'none', grid: true };
}

/**
 * Dashed lines at the plateaus H(0), H(1), ... with their names to the right of the frame; heights in units of y. apart: names closer
 * than this to the one above are omitted, for axes on which steps may be small.
 */
export const plateauMarks = (heights: readonly number[], theme: Theme, clip?: boolean, apart = 0): Plot.Markish[] => [
  Plot.ruleY(heights, { stroke: theme.muted, strokeDasharray: '3 3', strokeWidth: 1 }),
  Plot.text(namesApart(heights, apart), {
    y: 'height',
    text: 'name',
    frameAnchor: 'right',
    dx: 4,
    textAnchor: 'start',
    fill: theme.muted,
    fontSize: 9.5,
    clip,
  }),
];

function namesApart(heights: readonly number[], apart: number): { height: number; name: string }[] {
  const names: { height: number; name: string }[] = [];
  for (const [ell, height] of heights.entries())
    if (names.every((n) => Math.abs(n.height - height) >= apart)) names.push({ height, name: `H(${ell})` });
  return names;
}

/** Points with error bars; bounds are drawn as arrows in the open direction. */
export interface ErrorPoint {
  x: number;
  y: number;
  low: number;
  high: number;
  bound: 'none' | 'lower' | 'upper' | 'unknown';
}

export function errorPoints(points: readonly ErrorPoint[], look: Look, paper: string, open = false): Plot.Markish[] {
  const exact = points.filter((p) => p.bound === 'none');
  const { color } = look;
  return [
    Plot.ruleX(
      exact.filter((p) => Number.isFinite(p.low) && Number.isFinite(p.high)),
      { x: 'x', y1: 'low', y2: 'high', stroke: color, strokeWidth: 1.5, clip: true },
    ),
    Plot.dot(exact, {
      x: 'x',
      y: 'y',
      symbol: look.symbol,
      r: 4,
      fill: open ? paper : color,
      stroke: color,
      strokeWidth: 1.5,
    }),
    ...(['lower', 'upper'] as const).flatMap((bound) => {
      const open = points.filter((p) => p.bound === bound);
      return [
        Plot.vector(open, {
          x: 'x',
          y: 'y',
          length: 22,
          anchor: 'start',
          rotate: bound === 'lower' ? 0 : 180,
          stroke: color,
          strokeWidth: 1.5,
        }),
        Plot.dot(open, { x: 'x', y: 'y', symbol: look.symbol, r: 4, fill: paper, stroke: color, strokeWidth: 1.5 }),
      ];
    }),
  ];
}
