import { modelFacts } from '../core/modelFacts.js';
import { complexityScale } from '../theory/index.js';
import { type Curve, density, shapeName } from './curves.js';
import { predictedPower } from './exponents.js';
import { crossing, groupBy, type PositionRow, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, exponential, linearStatistic, slopeCoefficients } from './statistics.js';

/** The ratio (1 - S_rule) / (1 - S_symbol) of one replica, layer and level against P. */
export interface InvarianceCurve {
  series: string;
  shape: Curve['shape'];
  grammar: string;
  replica: string; // folder and replica
  layer: number; // hidden layers counted from 1 at the input
  level: number; // of the changed rule, counted from the leaves
  points: { samples: number; ratio: number }[];
}

/** P at which a layer becomes invariant to the choice of rules at a level: its ratio falls below one half. */
export interface InvarianceRow {
  series: string;
  shape: Curve['shape'];
  layer: number;
  level: number;
  estimate: Estimate; // samples
  /** The same over the measured P_(level+1): of order 1 and the same for all m, if the level is learnt with that step. */
  overStep: Estimate | undefined;
  curves: number;
  reached: number;
  units: UnitOfGrammar[];
}

/** How transitions grow with m; the prediction is that for P_(level+1). */
export interface InvarianceExponent {
  series: string;
  layer: number;
  level: number;
  predicted: number | undefined;
  estimate: Estimate;
}

/** The names under which the measure is recorded: the two similarities, or their ratio. */
const recordNames = { rule: 'S_rule', symbol: 'S_symbol', ratio: 'invariance' } as const;

export function invarianceCurves(curves: readonly Curve[]): InvarianceCurve[] {
  const found: InvarianceCurve[] = [];
  for (const curve of curves) {
    const relevant = curve.measures.filter(
      (m) => m.layer !== undefined && m.level !== undefined && Object.values<string>(recordNames).includes(m.name),
    );
    for (const group of groupBy(relevant, (m) => `${m.layer},${m.level}`)) {
      if (modelFacts(curve.kind).sees === 'block' && group[0].layer! < group[0].level!) continue;
      const byStep = groupBy(group, (m) => String(m.samples));
      const points = byStep.flatMap((records) => {
        const value = (name: string) => records.find((r) => r.name === name)?.value ?? Number.NaN;
        const given = value(recordNames.ratio);
        const ratio = Number.isNaN(given) ? (1 - value(recordNames.rule)) / (1 - value(recordNames.symbol)) : given;
        return Number.isFinite(ratio) && records[0].samples > 0 ? [{ samples: records[0].samples, ratio }] : [];
      });
      const { series, shape, grammar, replica } = curve;
      if (points.length)
        found.push({ series, shape, grammar, replica, layer: group[0].layer!, level: group[0].level!, points });
    }
  }
  return found;
}

/** ln P where the ratio first falls below one half. */
export const invarianceCrossing = ({ points }: Pick<InvarianceCurve, 'points'>) =>
  crossing(
    points.map((p) => ({ samples: p.samples, loss: p.ratio, accuracy: Number.NaN })),
    0.5,
  );

/**
 * The layer that represents a level: the first whose unit sees a whole block of the next level; the last layer if units see everything.
 */
export const layerShown = (kind: Curve['kind'], level: number, layers: readonly number[]): number =>
  modelFacts(kind).sees === 'block' ? Math.min(level + 1, Math.max(...layers)) : Math.max(...layers);

export function invarianceTable(
  curves: readonly InvarianceCurve[],
  positions: readonly PositionRow[],
): InvarianceRow[] {
  return groupBy(curves, (c) => [c.series, shapeName(c.shape), c.layer, c.level].join('|')).flatMap((group) => {
    const { series, shape, layer, level } = group[0];
    const found = group.flatMap(({ grammar, points }) => {
      const at = invarianceCrossing({ points });
      return at ? [{ grammar, value: at.logSamples, bound: at.bound }] : [];
    });
    if (!found.length) return [];
    const units = unitsOf(found);
    const step = positions.find(
      (p) => p.series === series && shapeName(p.shape) === shapeName(shape) && p.ell === level + 1,
    );
    return [
      {
        series,
        shape,
        layer,
        level,
        estimate: exponential(linearStatistic([units], [1])),
        overStep: step && exponential(linearStatistic([units, step.units], [1, -1])),
        curves: found.length,
        reached: found.filter((f) => f.bound !== 'lower').length,
        units,
      },
    ];
  });
}

export function invarianceExponents(
  rows: readonly InvarianceRow[],
  kindOf: (series: string) => Curve['kind'],
): InvarianceExponent[] {
  return groupBy(rows, (r) => `${r.series}|${r.layer}|${r.level}`).flatMap((group) => {
    const usable = group.filter((r) => density(r.shape) < 1 && r.reached > 0);
    if (new Set(usable.map((r) => r.shape.m)).size < 2) return [];
    const { series, layer, level } = group[0];
    const cells = usable.map((r) => {
      const offset = -Math.log(complexityScale(r.shape, level + 1));
      return r.units.map((u) => ({ ...u, value: u.value + offset }));
    });
    const estimate = linearStatistic(cells, slopeCoefficients(usable.map((r) => Math.log(r.shape.m))));
    return [{ series, layer, level, predicted: predictedPower(kindOf(series), level + 1), estimate }];
  });
}
