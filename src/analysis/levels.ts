/**
 * The comparison in the paper: one pass at fixed m, level against level. P_(ell+1) / P_ell of one grammar as a power of m, from the steps
 * of the loss and from the invariance of hidden layers. Sizes of m are not compared, so a factor common to all levels, such as the batch
 * size, cancels.
 */
import { type Curve, hasLaw, shapeName } from './curves.js';
import { predictedPower } from './exponents.js';
import { type InvarianceCurve, invarianceCrossing, layerShown } from './invariance.js';
import { groupBy, positionsOf, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, linearStatistic } from './statistics.js';

export interface LevelRow {
  series: string;
  kind: Curve['kind'];
  shape: Curve['shape'];
  from: 'loss' | 'invariance';
  ell: number; // of P_(ell+1) / P_ell
  predicted: number | undefined; // power of m
  estimate: Estimate; // power of m, over grammars
}

/** P_ell of one replica: ln P, or a bound of it. */
interface Found {
  ell: number;
  logSamples: number;
  bound: UnitOfGrammar['bound'];
}

export function levelTable(curves: readonly Curve[], invariances: readonly InvarianceCurve[]): LevelRow[] {
  const rows: LevelRow[] = [];
  const online = curves.filter((c) => c.online && c.plateaus && hasLaw(c.shape));
  for (const group of groupBy(online, (c) => `${c.series}|${shapeName(c.shape)}`)) {
    const { series, kind, shape } = group[0];
    const of = (from: LevelRow['from'], replicas: readonly { grammar: string; found: readonly Found[] }[]) => {
      for (let ell = 1; ell < shape.L; ell++) {
        const units = replicas.flatMap(({ grammar, found }) => {
          const [low, high] = [ell, ell + 1].map((l) => found.find((f) => f.ell === l));
          // A ratio with one unknown end says little; the other levels of that grammar still count.
          if (low?.bound !== 'none' || !high || high.bound === 'upper') return [];
          return [{ grammar, value: (high.logSamples - low.logSamples) / Math.log(shape.m), bound: high.bound }];
        });
        if (!units.length) continue;
        const powers = [ell, ell + 1].map((l) => predictedPower(kind, l));
        const predicted = powers[0] === undefined || powers[1] === undefined ? undefined : powers[1] - powers[0];
        const estimate = linearStatistic([unitsOf(units)], [1]);
        rows.push({ series, kind, shape, from, ell, predicted, estimate });
      }
    };
    of(
      'loss',
      group.map((curve) => ({ grammar: curve.grammar, found: positionsOf(curve) })),
    );
    const own = invariances.filter((c) => c.series === series && shapeName(c.shape) === shapeName(shape));
    of(
      'invariance',
      groupBy(own, (c) => c.replica).map((replica) => ({
        grammar: replica[0].grammar,
        found: replica.flatMap((curve) => {
          const layers = replica.filter((c) => c.level === curve.level).map((c) => c.layer);
          const at = curve.layer === layerShown(kind, curve.level, layers) ? invarianceCrossing(curve) : undefined;
          // A level's symbols are found with the step after it.
          return at ? [{ ell: curve.level + 1, ...at }] : [];
        }),
      })),
    );
  }
  return rows;
}
