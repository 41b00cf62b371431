/**
 * Why data scale as they do: the measured correlation of the last token with the statistics that a network uses, against the noise of P
 * samples.
 */
import type { Theme } from '../../analysis/figures/theme.js';
import type { Recording } from '../../analysis/recording.js';
import { noiseFloor } from '../../theory/covariance.js';
import { svg } from '../dom.js';
import type { Axes } from '../figures/curves.js';

export interface CorrelationFigure {
  readonly figure: SVGSVGElement;
  /** Shows the correlations of step ell up to P. */
  light(ell: number, P: number): void;
}

/** axes: of the curves above, which have the same P axis. */
export function drawCorrelation(
  recording: Recording,
  axes: Axes,
  { width, height, theme }: { width: number; height: number; theme: Theme },
): CorrelationFigure {
  const { sentences, signal, measured, grammar } = recording;
  const { L } = grammar;
  const [top, bottom] = [16, height - 6];
  const noise = (P: number) => Math.sqrt(noiseFloor(grammar, P));
  const largest = axes.samplesAt(axes.right);
  const low = 0.6 * Math.min(noise(largest), signal.transformer[L - 1]);
  const high = 1.1 * Math.max(...measured.cnn, ...measured.transformer);
  const y = (c: number) =>
    bottom - ((bottom - top) * Math.log(Math.min(high, Math.max(low, c)) / low)) / Math.log(high / low);
  const figure = svg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    'font-size': 11,
    fill: theme.ink,
    role: 'img',
  });
  const path = (points: readonly (readonly [number, number])[]) =>
    points.map(([P, c], i) => `${i ? 'L' : 'M'}${axes.x(P).toFixed(1)},${y(c).toFixed(1)}`).join('');
  figure.append(
    svg('text', { x: axes.left, y: 10, fill: theme.muted }, 'correlation with the last token'),
    svg('line', { x1: axes.left, x2: axes.right, y1: bottom, y2: bottom, stroke: theme.ink, 'stroke-opacity': 0.5 }),
    svg('path', {
      d: `${path([
        [sentences[0], noise(sentences[0])],
        [largest, noise(largest)],
      ])}L${axes.right},${bottom}L${axes.left},${bottom}Z`,
      fill: theme.ink,
      'fill-opacity': 0.07,
    }),
  );
  const noiseAt = sentences[0] * (largest / sentences[0]) ** 0.03;
  figure.append(svg('text', { x: axes.x(noiseAt), y: bottom - 8, fill: theme.muted }, 'noise of P samples'));
  const clip = svg('rect', { x: 0, y: 0, width: 0, height });
  const id = `past-${Math.random().toString(36).slice(2)}`;
  figure.append(svg('defs', {}, svg('clipPath', { id }, clip)));
  const lines = svg('g', { fill: 'none' });
  const cursor = svg('line', { y1: top - 2, y2: bottom, stroke: theme.ink, 'stroke-opacity': 0.6 });
  figure.append(lines, cursor);

  const families = (ell: number) => {
    const [cnn, transformer] = [signal.cnn[ell - 1], signal.transformer[ell - 1]];
    if (Math.abs(cnn / transformer - 1) < 1e-9)
      return [{ values: measured.cnn, exact: cnn, colour: theme.ink, dash: undefined, text: 'tokens', below: false }];
    return [
      {
        values: measured.cnn,
        exact: cnn,
        colour: theme.palette[0],
        dash: undefined,
        text: 'symbols found below',
        below: false,
      },
      {
        values: measured.transformer,
        exact: transformer,
        colour: theme.palette[1],
        dash: '7 3',
        text: 'raw tokens',
        below: true,
      },
    ];
  };
  let drawn = -1;

  function light(ell: number, P: number): void {
    if (ell !== drawn) {
      drawn = ell;
      lines.replaceChildren(
        ...(ell < 1 ? [] : families(ell)).flatMap(({ values, exact, colour, dash, text, below }) => {
          const points = sentences.map((own, i) => [own, values[i * L + ell - 1]] as const);
          const common = { stroke: colour, 'stroke-width': 2.2, 'stroke-dasharray': dash };
          return [
            svg('line', {
              x1: axes.left,
              x2: axes.right,
              y1: y(exact),
              y2: y(exact),
              stroke: colour,
              'stroke-opacity': 0.35,
            }),
            svg('path', { d: path(points), ...common, 'stroke-opacity': 0.18 }),
            svg('path', { d: path(points), ...common, 'clip-path': `url(#${id})` }),
            svg(
              'text',
              { x: axes.right - 4, y: y(exact) + (below ? 12 : -4), 'text-anchor': 'end', fill: colour },
              text,
            ),
          ];
        }),
      );
    }
    const at = axes.x(P);
    clip.setAttribute('width', String(Math.max(0, at)));
    for (const end of ['x1', 'x2']) cursor.setAttribute(end, String(at));
    const words = (ell < 1 ? [] : families(ell)).map(
      ({ text, exact }) => `${text}: ${exact > noise(P) ? 'above' : 'below'} the noise`,
    );
    figure.setAttribute(
      'aria-label',
      `Correlation with the last token at ${Math.round(P)} sentences. ${words.join('; ')}`,
    );
  }
  return { figure, light };
}
