/** Learning curves on logarithmic axes over the exact staircase H(ell), with the predicted sample complexities above. */

import type { Look, Theme } from '../../analysis/figures/theme.js';
import { logTicks } from '../../analysis/figures/ticks.js';
import { showNumber } from '../../analysis/format.js';
import { stepThreshold } from '../../analysis/staircase.js';
import type { Family } from '../../theory/index.js';
import { svg } from '../dom.js';

export interface CurvePoint {
  samples: number; // training sentences seen
  loss: number; // test loss, nats
}

export interface LiveCurve {
  look: Look;
  short: string; // shorter name for small spaces
  family?: Family; // family whose law it follows
  replicas: CurvePoint[][];
  seed: number; // seed of the first replica; the following ones count up from it
  chosen?: number; // highlighted replica; absent: the mean over all
}

export interface CurvesData {
  curves: LiveCurve[];
  H: readonly number[]; // exact plateaus, nats; empty if unknown
  P?: Readonly<Record<Family, readonly number[]>>; // up to a prefactor
  samples: readonly [number, number]; // range of the axis
  axis?: string; // what the axis counts; default: training sentences
  /** Step at which the constant left open by the theory is read off each curve; default 1. */
  anchor?: number;
}

export interface Frame {
  width: number; // pixels
  height: number;
  theme: Theme;
}

/** Positions of the axes of a drawn figure, for overlays. */
export interface Axes {
  x(samples: number): number;
  y(loss: number): number;
  samplesAt(x: number): number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const FONT = 'system-ui, "DejaVu Sans", sans-serif';
const ROW = 19; // height of a row of marks in pixels
/** Prefactor for which marks are drawn before any step has been seen; trained networks have prefactors from 10^2 to 10^3. */
export const usualPrefactor = 100;

/** Draws the whole figure; it includes its colours and fonts, so that it can also be downloaded as a file. */
export function drawCurves(data: CurvesData, { width, height, theme }: Frame): { figure: SVGSVGElement; axes: Axes } {
  const lawful = data.P ? data.curves.filter((curve) => curve.family) : [];
  const losses = data.curves.flatMap((c) => c.replicas.flatMap((r) => r.map((p) => p.loss))).filter((y) => y > 0);
  const [lossLow, lossHigh] = lossRange(data.H, losses);
  const longest = Math.max(...logTicks([lossLow, lossHigh]).map((tick) => showNumber(tick).length));
  const margin = {
    left: 46 + 6 * Math.max(0, longest - 4),
    right: width < 480 ? 38 : 46,
    top: 12 + ROW * lawful.length,
    bottom: 40,
  };
  const [low, high] = data.samples;
  const axes = makeAxes(width, height, margin, [low, high], [lossLow, lossHigh]);
  const figure = svg('svg', {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    'font-family': FONT,
    'font-size': 11,
    fill: theme.ink,
  });
  figure.append(grid(axes, theme, [low, high], [lossLow, lossHigh], height, data.axis));
  figure.append(staircase(data.H, axes, theme));
  lawful.forEach((curve, row) => {
    figure.append(marks(data, curve, axes, theme, 10 + ROW * row, width));
  });
  for (const curve of data.curves) figure.append(lines(curve, axes));
  return { figure, axes };
}

/** The highlighted curve of a network, from which values are read: the chosen seed, or the mean over all. */
export const shownCurve = ({ replicas, chosen }: LiveCurve): CurvePoint[] =>
  chosen === undefined ? meanCurve(replicas) : [...(replicas[chosen] ?? [])];

/** The last finite loss; diverged: later ones are not numbers. */
export function lastOf(curve: LiveCurve): Partial<CurvePoint> & { diverged: boolean } {
  const points = shownCurve(curve);
  const numbers = finite(points);
  return { ...numbers.at(-1), diverged: numbers.length < points.length };
}

export const finite = (points: readonly CurvePoint[]) => points.filter((p) => Number.isFinite(p.loss));

/** The network's name, and the seed meant if it has several. */
export function shownName({ look, replicas, seed, chosen }: LiveCurve): string {
  if (replicas.length === 1) return look.label;
  return `${look.label}, ${chosen === undefined ? `mean of ${replicas.length} seeds` : `seed ${seed + chosen}`}`;
}

/** The figure with its legend as the text of an SVG file. */
export function curvesFile(data: CurvesData, frame: Frame): string {
  const { width, height, theme } = frame;
  const { figure } = drawCurves(data, { ...frame, height: height - 24 });
  figure.setAttribute('height', String(height));
  figure.setAttribute('viewBox', `0 0 ${width} ${height}`);
  figure.insertBefore(svg('rect', { width, height, fill: theme.paper }), figure.firstChild);
  const step = Math.min(260, (width - 60) / data.curves.length);
  data.curves.forEach((curve, i) => {
    const { look } = curve;
    const x = 46 + step * i;
    const y = height - 12;
    const stroke = { stroke: look.color, 'stroke-width': 2.4, 'stroke-dasharray': look.dash };
    figure.append(
      svg('line', { x1: x, x2: x + 24, y1: y - 4, y2: y - 4, ...stroke }),
      svg('text', { x: x + 30, y }, shownName(curve)),
    );
  });
  return new XMLSerializer().serializeToString(figure);
}

/** Mean loss over the replicas at points where all have been evaluated: geometric, like the axis. */
export function meanCurve(replicas: readonly (readonly CurvePoint[])[]): CurvePoint[] {
  if (replicas.length === 1) return [...replicas[0]];
  const rest = replicas.slice(1).map((r) => new Map(r.map((p) => [p.samples, p.loss])));
  return (replicas[0] ?? []).flatMap(({ samples, loss }) => {
    const all = [loss, ...rest.map((r) => r.get(samples))];
    if (all.some((x) => x === undefined)) return [];
    return [{ samples, loss: Math.exp(all.reduce<number>((sum, x) => sum + Math.log(x!), 0) / all.length) }];
  });
}

/** The measured P_ell of one step divided by the predicted one: theory gives P up to a factor that is the same for all steps. */
export function prefactor(curve: LiveCurve, H: readonly number[], P: readonly number[], ell = 1): number | undefined {
  if (H.length <= ell || !Number.isFinite(P[ell - 1])) return undefined;
  const threshold = stepThreshold(H, ell);
  const points = finite(shownCurve(curve));
  const at = points.findIndex((p) => p.loss <= threshold);
  if (at < 1) return undefined;
  const [a, b] = [points[at - 1], points[at]];
  const part = (a.loss - threshold) / (a.loss - b.loss);
  return (a.samples * (b.samples / a.samples) ** part) / P[ell - 1];
}

type Range = readonly [number, number];

const LEAST_LOSS = 1e-9; // nats; a floor below it is zero up to rounding

/** The range of losses shown: the staircase and the curves, but never zero, which a logarithmic axis cannot show. */
export function lossRange(H: readonly number[], losses: readonly number[]): Range {
  const known = [...H, ...losses].filter((x) => x > LEAST_LOSS && x < Number.POSITIVE_INFINITY);
  if (!known.length) return [0.086, 1.12];
  const toZero = H.some((x) => !(x > LEAST_LOSS));
  const low = (toZero ? 0.5 : 0.86) * Math.min(...(H.length ? [] : [0.1]), ...known);
  const chance = H[0] > LEAST_LOSS ? H[0] : undefined;
  const high = 1.12 * Math.min(Math.max(chance ?? 1, ...losses), 3 * (chance ?? 100));
  return [low, Math.max(high, 1.5 * low)];
}

function makeAxes(
  width: number,
  height: number,
  margin: { left: number; right: number; top: number; bottom: number },
  [x0, x1]: Range,
  [y0, y1]: Range,
): Axes {
  const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, height - margin.bottom];
  const spanX = Math.log(x1 / x0);
  const spanY = Math.log(y1 / y0);
  return {
    left,
    right,
    top,
    bottom,
    x: (samples) => left + ((right - left) * Math.log(samples / x0)) / spanX,
    y: (loss) => bottom - ((bottom - top) * Math.log(Math.min(Math.max(loss, y0), y1) / y0)) / spanY,
    samplesAt: (x) => x0 * Math.exp((spanX * (x - left)) / (right - left)),
  };
}

function grid(
  axes: Axes,
  theme: Theme,
  xRange: Range,
  yRange: Range,
  height: number,
  counts = 'training sentences P',
): SVGGElement {
  const { left, right, top, bottom, x, y } = axes;
  const group = svg('g');
  const faint = { stroke: theme.ink, 'stroke-opacity': 0.09, 'shape-rendering': 'crispEdges' };
  for (const tick of logTicks(xRange))
    group.append(
      svg('line', { x1: x(tick), x2: x(tick), y1: top, y2: bottom, ...faint }),
      svg('text', { x: x(tick), y: bottom + 16, 'text-anchor': 'middle', fill: theme.muted }, showNumber(tick)),
    );
  for (const tick of logTicks(yRange))
    group.append(
      svg('line', { x1: left, x2: right, y1: y(tick), y2: y(tick), ...faint }),
      svg('text', { x: left - 7, y: y(tick) + 3.5, 'text-anchor': 'end', fill: theme.muted }, showNumber(tick)),
    );
  const middle = (left + right) / 2;
  group.append(
    svg('line', { x1: left, x2: right, y1: bottom, y2: bottom, stroke: theme.ink, 'stroke-opacity': 0.5 }),
    svg('text', { x: middle, y: height - 6, 'text-anchor': 'middle' }, counts),
    svg(
      'text',
      { transform: `translate(11,${(top + bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle' },
      'test loss (nats)',
    ),
  );
  return group;
}

function staircase(H: readonly number[], axes: Axes, theme: Theme): SVGGElement {
  const group = svg('g');
  const labels = spread(
    H.map((value) => axes.y(value)),
    13,
    axes.bottom,
  );
  H.forEach((value, ell) => {
    const at = axes.y(value);
    group.append(
      svg('line', { x1: axes.left, x2: axes.right, y1: at, y2: at, stroke: theme.muted, 'stroke-dasharray': '5 4' }),
      svg('path', {
        d: `M${axes.right},${at}l3,0L${axes.right + 7},${labels[ell]}`,
        fill: 'none',
        stroke: theme.muted,
        'stroke-width': 0.8,
      }),
      svg('text', { x: axes.right + 9, y: labels[ell] + 3.5, fill: theme.ink }, `H(${ell})`),
    );
  });
  return group;
}

/** Positions (downward, ascending) moved apart to at least `gap`, none below `bottom`. */
function spread(wanted: readonly number[], gap: number, bottom: number): number[] {
  const placed = [...wanted];
  for (let i = 1; i < placed.length; i++) placed[i] = Math.max(placed[i], placed[i - 1] + gap);
  for (let i = placed.length - 1, limit = bottom; i >= 0; i--, limit -= gap) placed[i] = Math.min(placed[i], limit);
  return placed;
}

function marks(data: CurvesData, curve: LiveCurve, axes: Axes, theme: Theme, y: number, width: number): SVGGElement {
  const group = svg('g', { fill: curve.look.color, stroke: curve.look.color });
  const P = data.P![curve.family!];
  const measured = prefactor(curve, data.H, P, data.anchor);
  const factor = measured ?? usualPrefactor;
  group.append(
    svg('line', { x1: axes.left, x2: axes.right, y1: y + 5, y2: y + 5, 'stroke-opacity': 0.25 }),
    svg('text', { x: axes.left - 7, y: y + 5, 'text-anchor': 'end', stroke: 'none', 'font-size': 10 }, curve.short),
  );
  P.forEach((complexity, i) => {
    const at = axes.x(factor * complexity);
    if (!(at >= axes.left && at <= axes.right)) return;
    const mark = svg('g', { 'data-ell': i + 1 });
    group.append(mark);
    mark.append(
      svg('line', {
        x1: at,
        x2: at,
        y1: y + 8,
        y2: axes.bottom,
        'stroke-opacity': 0.45,
        'stroke-dasharray': curve.look.dash ?? '1 3',
      }),
      svg('path', {
        d: `M${at - 4},${y + 1}h8l-4,8z`,
        'stroke-width': 1.4,
        fill: measured === undefined ? theme.paper : curve.look.color,
      }),
      at + 30 < width
        ? svg(
            'text',
            { x: at + 7, y: y + 2, stroke: 'none', 'font-size': 10, 'font-weight': 600 },
            `P${subscript(i + 1)}`,
          )
        : '',
    );
  });
  return group;
}

const subscript = (n: number) => [...String(n)].map((digit) => '₀₁₂₃₄₅₆₇₈₉'[Number(digit)]).join('');

function lines(curve: LiveCurve, axes: Axes): SVGGElement {
  const { look, replicas, chosen } = curve;
  const group = svg('g', {
    class: 'line',
    fill: 'none',
    stroke: look.color,
    'stroke-linejoin': 'round',
    'stroke-linecap': 'round',
  });
  const line = (points: readonly CurvePoint[], attributes: Record<string, string | number | undefined>) =>
    svg('path', { d: pathOf(points, axes), 'stroke-dasharray': look.dash, ...attributes });
  if (replicas.length > 1)
    for (const [replica, points] of replicas.entries())
      if (replica !== chosen) group.append(line(points, { 'stroke-width': 1.2, 'stroke-opacity': 0.4 }));
  const shown = shownCurve(curve);
  group.append(line(shown, { 'stroke-width': 2.4 }));
  const last = finite(shown).at(-1);
  if (last)
    group.append(
      svg('circle', {
        class: 'last',
        cx: axes.x(last.samples),
        cy: axes.y(last.loss),
        r: 3.6,
        fill: look.color,
        stroke: 'none',
      }),
    );
  return group;
}

function pathOf(points: readonly CurvePoint[], axes: Axes): string {
  return finite(points)
    .map((p, i) => `${i ? 'L' : 'M'}${axes.x(p.samples).toFixed(1)},${axes.y(p.loss).toFixed(1)}`)
    .join('');
}
