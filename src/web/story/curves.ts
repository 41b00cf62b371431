/** Best loss against P over the exact plateaus: points beyond the current P are not drawn yet. */

import type { ModelKind } from '../../analysis/curves.js';
import { modelLook, pageTheme } from '../../analysis/figures/theme.js';
import type { Recording } from '../../analysis/recording.js';
import { modelFacts } from '../../core/modelFacts.js';
import { modelName } from '../curveData.js';
import { svg } from '../dom.js';
import { type Axes, drawCurves, type LiveCurve } from '../figures/curves.js';
import { lossAt } from './timeline.js';

const BEYOND = 8; // the axis extends to this multiple of the recording, for the predictions of the theory
const ANCHOR = 2; // the first step that needs a hidden symbol: the constant left open by the theory is read off there

export interface StoryCurves {
  readonly figure: SVGSVGElement;
  readonly axes: Axes;
  /** Shows the curves up to P and highlights the band of step ell. */
  light(ell: number, P: number): void;
}

/** Styles of the networks, in their order. */
export const looksOf = ({ networks }: Recording) =>
  networks.map(({ kind }) => ({ ...modelLook(kind as ModelKind, pageTheme), label: modelName(kind) }));

export function drawStoryCurves(recording: Recording, width: number, height: number): StoryCurves {
  const { networks, H, P, sentences } = recording;
  const looks = looksOf(recording);
  const curves = networks.map(
    ({ kind, sentences: own, loss }, i): LiveCurve => ({
      look: looks[i],
      short: modelFacts(kind).short,
      family: modelFacts(kind).family,
      replicas: [own.map((samples, k) => ({ samples, loss: loss[k] }))],
      seed: recording.grammar.seed,
    }),
  );
  const last = sentences[sentences.length - 1];
  const samples = [sentences[0], BEYOND * last] as const;
  const axis = 'distinct training sentences P';
  const { figure, axes } = drawCurves(
    { curves, H, P, samples, axis, anchor: ANCHOR },
    { width, height, theme: pageTheme },
  );
  const band = svg('rect', {
    x: axes.left,
    width: axes.right - axes.left,
    fill: 'var(--rhm-accent)',
    'fill-opacity': 0.16,
  });
  const from = axes.x(last);
  const beyond = svg('rect', {
    ...{ x: from, y: axes.top, width: axes.right - from, height: axes.bottom - axes.top },
    ...{ fill: pageTheme.ink, 'fill-opacity': 0.05 },
  });
  figure.prepend(beyond, band);
  figure.append(
    svg('text', { x: axes.right - 4, y: axes.bottom - 6, 'text-anchor': 'end', fill: pageTheme.muted }, 'not recorded'),
  );
  const id = `past-${Math.random().toString(36).slice(2)}`;
  const clip = svg('rect', { x: 0, y: 0, width: 0, height });
  figure.append(svg('defs', {}, svg('clipPath', { id }, clip)));
  for (const line of figure.querySelectorAll('.line')) {
    line.setAttribute('clip-path', `url(#${id})`);
    line.querySelector('.last')?.remove();
  }
  const cursor = svg('line', { y1: axes.top, y2: axes.bottom, stroke: pageTheme.ink, 'stroke-opacity': 0.6 });
  const dots = looks.map(({ color }) =>
    svg('circle', { r: 4.6, fill: color, stroke: pageTheme.paper, 'stroke-width': 1.4 }),
  );
  figure.append(cursor, ...dots);
  figure.setAttribute('role', 'img');

  const marks = [...figure.querySelectorAll<SVGGElement>('[data-ell]')];
  let lit = -1;

  function light(ell: number, now: number): void {
    if (ell !== lit) {
      lit = ell;
      for (const mark of marks) mark.setAttribute('class', Number(mark.dataset.ell) === ell ? 'mark lit' : 'mark');
    }
    const at = axes.x(now);
    clip.setAttribute('width', String(Math.max(0, at)));
    for (const end of ['x1', 'x2']) cursor.setAttribute(end, String(at));
    for (const [i, dot] of dots.entries()) {
      dot.setAttribute('cx', String(at));
      dot.setAttribute('cy', String(axes.y(lossAt(networks[i], now))));
    }
    const [above, below] = [axes.y(H[Math.max(0, ell - 1)]), axes.y(H[ell])];
    band.setAttribute('y', String(ell ? above : above - 2));
    band.setAttribute('height', String(ell ? below - above : 4));
    const losses = networks.map((network, i) => `${looks[i].label} ${lossAt(network, now).toFixed(2)} nats`);
    figure.setAttribute('aria-label', `Best loss on ${Math.round(now)} distinct sentences: ${losses.join(', ')}`);
  }
  return { figure, axes, light };
}
