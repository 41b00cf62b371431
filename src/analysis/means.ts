import { type Curve, shapeName } from './curves.js';
import { lossAt } from './exponents.js';
import { groupBy } from './staircase.js';
import { mean, variance } from './statistics.js';

/** Learning curves averaged over grammars and replicas, at one number of samples. */
export interface MeanPoint {
  samples: number;
  loss: number; // nats, arithmetic mean
  lossSpread: number; // nats, standard deviation; NaN with one curve
  excess: number; // loss minus the floor of each grammar, geometric mean; NaN without a floor or below it
  excessLow: number; // one standard deviation of ln excess in each direction
  excessHigh: number;
  curves: number;
}

export interface MeanCurve {
  series: string;
  online: boolean;
  kind: Curve['kind'];
  shape: Curve['shape'];
  plateaus: number[] | undefined; // excess of H(ell) over the floor, geometric mean over grammars; the last is 0
  points: MeanPoint[];
}

/** Curves that diverged are left out; after some have ended, the others continue. */
export function meanCurves(curves: readonly Curve[]): MeanCurve[] {
  return groupBy(
    curves.filter((c) => c.status !== 'diverged'),
    (c) => `${c.series}|${shapeName(c.shape)}`,
  ).map((group) => {
    const { series, online, kind, shape } = group[0];
    const longest = group.reduce((a, b) => (b.points.length > a.points.length ? b : a));
    const points = longest.points.map(({ samples }): MeanPoint => {
      const here = group.map((c) => ({ loss: lossAt(c, Math.log(samples)), floor: c.plateaus?.at(-1) ?? Number.NaN }));
      const known = here.filter((h) => !Number.isNaN(h.loss));
      const losses = known.map((h) => h.loss);
      const logs = known.map((h) => Math.log(h.loss - h.floor)).filter(Number.isFinite);
      const centre = logs.length ? mean(logs) : Number.NaN;
      const deviation = logs.length > 1 ? Math.sqrt(variance(logs)) : Number.NaN;
      return {
        samples,
        loss: mean(losses),
        lossSpread: losses.length > 1 ? Math.sqrt(variance(losses)) : Number.NaN,
        excess: Math.exp(centre),
        excessLow: Math.exp(centre - deviation),
        excessHigh: Math.exp(centre + deviation),
        curves: known.length,
      };
    });
    return { series, online, kind, shape, plateaus: meanPlateaus(group), points };
  });
}

function meanPlateaus(group: readonly Curve[]): number[] | undefined {
  const distinct = groupBy(group, (c) => c.grammar).map(([c]) => c.plateaus);
  const first = distinct[0];
  if (!first || distinct.includes(undefined)) return undefined;
  return first.map((_, ell) =>
    ell === first.length - 1 ? 0 : Math.exp(mean(distinct.map((p) => Math.log(p![ell] - p![p!.length - 1])))),
  );
}
