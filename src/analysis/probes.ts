/** Linear read-outs of hidden symbols, position by position, as recorded by the measure `probes`. */
import { modelFacts } from '../core/modelFacts.js';
import { sampleComplexity } from '../theory/index.js';
import { type Curve, hasLaw, shapeName } from './curves.js';
import { crossing, groupBy, type PositionRow, type UnitOfGrammar } from './staircase.js';
import { type Bound, type Estimate, exponential, joinBounds, linearStatistic, mean } from './statistics.js';

/** Accuracies of the symbols of one level, read from one layer of one replica, against P. */
export interface ProbeCurve {
  series: string;
  kind: Curve['kind'];
  shape: Curve['shape'];
  grammar: string;
  replica: string; // folder and replica
  layer: number; // hidden layers counted from 1 at the input
  level: number; // counted from the leaves
  points: { samples: number; map: readonly (readonly number[])[] }[]; // [positions, symbols of the level]
}

/** P at which a layer can be read: the accuracy for a symbol of the level passes one half. */
export interface ProbeRow {
  series: string;
  shape: Curve['shape'];
  layer: number;
  level: number;
  /** For the symbol best read from each position: geometric mean over positions, then over grammars; in samples. */
  half: Estimate;
  positions: number;
  reached: number; // positions of all grammars from which some symbol passes one half
  curves: number; // positions of all grammars
  /** The same over P_(level+1) by the law of the model, without its prefactor. */
  overLaw: Estimate | undefined;
  /** The same over P_(level+1) of the loss, measured on the same grammars. */
  overStep: Estimate | undefined;
  last: number; // mean accuracy of all positions at the end
}

export function probeCurves(curves: readonly Curve[]): ProbeCurve[] {
  return curves.flatMap(({ series, kind, shape, grammar, replica, measures }) => {
    const relevant = measures.filter((m) => m.name === 'probes' && m.map && m.samples > 0);
    return groupBy(relevant, (m) => `${m.layer},${m.level}`).map((group): ProbeCurve => {
      const points = group.map(({ samples, map }) => ({ samples, map: map! }));
      const { layer, level } = group[0];
      return { ...{ series, kind, shape, grammar, replica }, layer: layer!, level: level!, points };
    });
  });
}

/** The best read-out of a position, against P. */
export const positionCurve = ({ points }: Pick<ProbeCurve, 'points'>, position: number) =>
  points.map(({ samples, map }) => ({ samples, accuracy: Math.max(...map[position]) }));

const ERROR = 0.044; // largest standard error of an accuracy measured on 128 sentences

/**
 * ln P at which the read-out of a position passes one half; an upper bound if it is above one half from the start, or within its noise of
 * it.
 */
export function halfOf(curve: Pick<ProbeCurve, 'points'>, position: number): ReturnType<typeof crossing> {
  const points = positionCurve(curve, position);
  const [{ samples, accuracy }] = points;
  if (accuracy > 0.5 - 2 * ERROR) return { logSamples: Math.log(samples), bound: 'upper' };
  return crossing(
    points.map((point) => ({ ...point, loss: 1 - point.accuracy })),
    0.5,
  );
}

export const positionsIn = ({ points }: Pick<ProbeCurve, 'points'>): number => points[0].map.length;

export function probeTable(curves: readonly ProbeCurve[], steps: readonly PositionRow[]): ProbeRow[] {
  return groupBy(curves, (c) => [c.series, shapeName(c.shape), c.layer, c.level].join('|')).flatMap((group) => {
    const { series, kind, shape, layer, level } = group[0];
    const found = group.flatMap((curve) =>
      Array.from({ length: positionsIn(curve) }, (_, p) => halfOf(curve, p)).flatMap((at) =>
        at ? [{ grammar: curve.grammar, value: at.logSamples, bound: at.bound } satisfies UnitOfGrammar] : [],
      ),
    );
    if (!found.length) return [];
    // Positions of one grammar are not independent units: their mean is one unit.
    const units = groupBy(found, (u) => u.grammar).map(
      (own): UnitOfGrammar => ({
        grammar: own[0].grammar,
        value: mean(own.map((u) => u.value)),
        bound: own.reduce<Bound>((bound, u) => joinBounds(bound, u.bound), 'none'),
      }),
    );
    const { family } = modelFacts(kind);
    const law = family && hasLaw(shape) && level < shape.L ? sampleComplexity(shape, family, level + 1) : undefined;
    const step = steps.find(
      (p) => p.series === series && shapeName(p.shape) === shapeName(shape) && p.ell === level + 1,
    );
    const half = linearStatistic([units], [1]);
    const shifted = law ? units.map((u) => ({ ...u, value: u.value - Math.log(law) })) : undefined;
    const ends = group.flatMap((curve) =>
      Array.from({ length: positionsIn(curve) }, (_, p) => positionCurve(curve, p).at(-1)!.accuracy),
    );
    return [
      {
        ...{ series, shape, layer, level },
        half: exponential(half),
        positions: positionsIn(group[0]),
        reached: found.filter((u) => u.bound !== 'lower').length,
        curves: found.length,
        overLaw: shifted && exponential(linearStatistic([shifted], [1])),
        overStep: step && exponential(linearStatistic([units, step.units], [1, -1])),
        last: ends.reduce((sum, x) => sum + x / ends.length, 0),
      },
    ];
  });
}
