/** Curves of a few runs over the plateaus of their grammars, a panel per grammar: what `rhm compare` draws. */
import * as Plot from '@observablehq/plot';
import type { Rules } from '../../core/rules.js';
import { type CurvePoint, grammarKey, shapeName } from '../curves.js';
import { groupBy } from '../staircase.js';
import { compose, logAxis, type Panel, plateauMarks } from './canvas.js';
import type { Canvas } from './paper.js';
import { looksFor } from './theme.js';

export interface ComparedRun {
  label: string; // distinguishes it from the others
  rules: Rules;
  plateaus?: readonly number[];
  curve: readonly CurvePoint[];
}

/** undefined: no run has been evaluated. */
export function drawComparison(runs: readonly ComparedRun[], canvas: Canvas): SVGSVGElement | undefined {
  const seen = runs.filter(({ curve }) => curve.some(({ loss }) => loss > 0 && Number.isFinite(loss)));
  if (!seen.length) return undefined;
  const looks = looksFor(
    seen.map(({ label }) => label),
    canvas.theme,
  );
  const grammars = groupBy(seen, ({ rules }) => grammarKey(rules));
  const x = logAxis(
    seen.flatMap(({ curve }) => curve.map(({ samples }) => samples)),
    'training sentences',
  );
  const panels = grammars.map((group, i): Panel => {
    const { rules, plateaus = [] } = group[0];
    const heights = plateaus.filter((h) => h > 1e-9);
    const losses = group
      .flatMap(({ curve }) => curve.map(({ loss }) => loss))
      .filter((y) => y > 0 && Number.isFinite(y));
    const low = Math.min(...losses, ...heights) * 0.92;
    // The loss of an untrained network is far above H(0): that part carries no information.
    const high = heights.length
      ? Math.min(1.6 * heights[0], Math.max(1.05 * heights[0], ...losses))
      : Math.max(...losses);
    return {
      title: `${shapeName(rules)}${grammars.length > 1 ? `, grammar ${i + 1}` : ''}`,
      options: {
        x,
        y: logAxis([low, high], 'test loss (nats)'),
        marginRight: 34,
        marks: [
          ...plateauMarks(heights, canvas.theme),
          ...group.map(({ label, curve }) => {
            const { color, dash } = looks.get(label)!;
            return Plot.line(
              curve
                .filter(({ loss }) => Number.isFinite(loss))
                .map(({ samples, loss }) => ({ samples, y: Math.min(loss, high) })),
              { x: 'samples', y: 'y', stroke: color, strokeWidth: 1.6, strokeDasharray: dash, clip: true },
            );
          }),
        ],
      },
    };
  });
  return compose(canvas, panels, 3, panels.length === 1 ? 300 : 220, [...looks.values()], false, 1);
}
