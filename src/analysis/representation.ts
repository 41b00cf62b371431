/** Four measures of one layer: when each of them detects that the symbols of a level have been found. */
import { type Curve, shapeName } from './curves.js';
import { invarianceCurves } from './invariance.js';
import { crossing, groupBy, positionsOf, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, exponential, linearStatistic, mean } from './statistics.js';

/** The measures that are drawn, all of them larger if a layer knows more: names in figures and tables. */
export const views = {
  invariance: 'invariance, 1 - ratio',
  readout: 'linear read-out, accuracy',
  separation: 'separation, -GDV',
  alignment: 'alignment with contexts',
} as const;
export type View = keyof typeof views;

/** One measure of one replica, layer and level against P. */
export interface RepresentationCurve {
  series: string;
  kind: Curve['kind'];
  shape: Curve['shape'];
  grammar: string;
  replica: string; // folder and replica
  layer: number; // hidden layers counted from 1 at the input
  level: number; // counted from the leaves
  view: View;
  step: number | undefined; // P_(level+1) of the loss of this replica, where it was reached
  points: { samples: number; value: number }[];
}

/** P at which a measure of a layer is half way between its first and last value. */
export interface RepresentationRow {
  series: string;
  kind: Curve['kind'];
  shape: Curve['shape'];
  layer: number;
  level: number;
  view: View;
  first: number; // mean over grammars, at the first evaluation
  last: number;
  /**
   * Over P_(level+1) of the loss, if the measure passes the middle between both values; undefined: it hardly changes, or there is no
   * step.
   */
  half: Estimate | undefined;
}

export const LEAST_RISE = 0.1; // of a measure: the least change for which its middle is computed; two standard errors of a read-out

export function representationCurves(curves: readonly Curve[]): RepresentationCurve[] {
  return curves
    .filter((c) => c.online && c.measures.some((m) => m.name === 'alignment'))
    .flatMap((curve) => {
      const { series, kind, shape, grammar, replica, measures } = curve;
      const steps = new Map(
        positionsOf(curve).map((p) => [p.ell, p.bound === 'none' ? Math.exp(p.logSamples) : undefined]),
      );
      const common = { series, kind, shape, grammar, replica };
      const of = (view: View, name: string, sign: number) =>
        groupBy(
          measures.filter((m) => m.name === name && m.samples > 0 && m.level! > 0 && m.level! < shape.L),
          (m) => `${m.layer},${m.level}`,
        ).map((group): RepresentationCurve => {
          const { layer, level } = group[0];
          const points = group.map((m) => ({ samples: m.samples, value: sign * m.value }));
          return { ...common, layer: layer!, level: level!, view, step: steps.get(level! + 1), points };
        });
      const invariant = invarianceCurves([curve]).map(
        ({ layer, level, points }): RepresentationCurve => ({
          ...{ ...common, layer, level, view: 'invariance', step: steps.get(level + 1) },
          points: points.map(({ samples, ratio }) => ({ samples, value: 1 - ratio })),
        }),
      );
      return [
        ...invariant,
        ...of('readout', 'readout', 1),
        ...of('separation', 'gdv', -1),
        ...of('alignment', 'alignment', 1),
      ]
        .map((c) => ({ ...c, points: c.points.filter((p) => Number.isFinite(p.value)) }))
        .filter((c) => c.points.length > 2 && c.level < shape.L);
    });
}

/** ln P where a measure passes the middle between its first value and its last; undefined where it hardly rises. */
function halfWay({ points }: Pick<RepresentationCurve, 'points'>): number | undefined {
  const [from, to] = [points[0].value, points[points.length - 1].value];
  if (!(to - from >= LEAST_RISE)) return undefined;
  const rising = points.map(({ samples, value }) => ({ samples, loss: -value, accuracy: Number.NaN }));
  const at = crossing(rising, -(from + to) / 2);
  return at?.bound === 'none' ? at.logSamples : undefined;
}

export function representationTable(curves: readonly RepresentationCurve[]): RepresentationRow[] {
  return groupBy(curves, (c) => [c.series, shapeName(c.shape), c.layer, c.level, c.view].join('|')).map((group) => {
    const { series, kind, shape, layer, level, view } = group[0];
    const units = group.flatMap((curve): UnitOfGrammar[] => {
      const at = halfWay(curve);
      if (at === undefined || curve.step === undefined) return [];
      return [{ grammar: curve.grammar, value: at - Math.log(curve.step), bound: 'none' }];
    });
    return {
      ...{ series, kind, shape, layer, level, view },
      first: mean(group.map((c) => c.points[0].value)),
      last: mean(group.map((c) => c.points[c.points.length - 1].value)),
      half: units.length ? exponential(linearStatistic([unitsOf(units)], [1])) : undefined,
    };
  });
}
