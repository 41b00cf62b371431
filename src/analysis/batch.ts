import { complexityScale } from '../theory/index.js';
import { type Curve, density, type ModelKind, shapeName } from './curves.js';
import { exponentOf, predictedPower } from './exponents.js';
import { groupBy, type Position, positionsOf, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Bound, type Estimate, exponential, linearStatistic, mean } from './statistics.js';

/**
 * P_ell against batch size B at one learning rate. Gradient descent needs a certain number of steps even with exact gradients: if that is
 * the limit, P_ell = B x steps, and the slope of ln P_ell against ln B is 1. If data are the limit, the slope is 0. At small B gradient
 * noise is too large for the rate, and the step of the loss is taken late or never. The laws count data: they apply to the least P_ell
 * over B. Source: McCandlish et al., arXiv:1812.06162, section 2.
 */
export interface BatchRow {
  series: string; // without the batch size
  kind: ModelKind;
  shape: Curve['shape'];
  ell: number;
  points: BatchPoint[]; // by batch
  /** ln P_ell against ln B between the largest two batch sizes at which every grammar took the step. */
  slope: Estimate | undefined;
  slopeBetween: [number, number] | undefined; // these batch sizes
  /** The least P_ell; an upper bound if it is that of the smallest batch size tried, including runs that diverged. */
  least: Estimate | undefined;
  leastBatch: number | undefined;
  leastUnits: UnitOfGrammar[]; // ln P_ell there
}

export interface BatchPoint {
  batch: number;
  estimate: Estimate; // P_ell
  units: UnitOfGrammar[]; // ln P_ell
}

/** How P_ell grows with m, with every size at its best batch size. */
export interface BatchExponent {
  series: string;
  ell: number;
  predicted: number | undefined;
  estimate: Estimate;
}

/** One row per series, grammar size and ell with at least two batch sizes. */
export function batchTable(curves: readonly Curve[]): BatchRow[] {
  return groupBy(
    curves.filter((c) => c.online && c.plateaus),
    (c) => `${c.anyBatch}|${shapeName(c.shape)}`,
  ).flatMap((group) => {
    if (new Set(group.map((c) => c.batch)).size < 2) return [];
    const found = group.flatMap((c) => positionsOf(c).map((p) => ({ ...p, grammar: c.grammar, batch: c.batch })));
    const smallest = Math.min(...group.map((c) => c.batch));
    return groupBy(found, (f) => String(f.ell))
      .sort(([a], [b]) => a.ell - b.ell)
      .map((step) => rowOf(group[0], step, smallest));
  });
}

type Taken = Position & { grammar: string; batch: number };

function rowOf({ anyBatch, kind, shape }: Curve, taken: readonly Taken[], smallest: number): BatchRow {
  const points = groupBy(taken, (t) => String(t.batch))
    .map((at): BatchPoint => {
      const units = unitsOf(at.map(({ grammar, logSamples, bound }) => ({ grammar, value: logSamples, bound })));
      return { batch: at[0].batch, units, estimate: exponential(linearStatistic([units], [1])) };
    })
    .sort((a, b) => a.batch - b.batch);
  const reached = points.filter((p) => p.estimate.bound === 'none');
  const row = { series: anyBatch, kind, shape, ell: taken[0].ell, points };
  const [below, above] = reached.slice(-2);
  const slope = above && slopeOf(below, above);
  const slopeBetween: [number, number] | undefined = above && [below.batch, above.batch];
  if (!reached.length) return { ...row, slope, slopeBetween, least: undefined, leastBatch: undefined, leastUnits: [] };
  const centre = (p: BatchPoint) => mean(p.units.map((u) => u.value));
  const best = reached.reduce((a, b) => (centre(b) < centre(a) ? b : a));
  const bound: Bound = best.batch === smallest ? 'upper' : 'none';
  const leastUnits = best.units.map((u) => ({ ...u, bound }));
  const least = exponential(linearStatistic([leastUnits], [1]));
  return { ...row, slope, slopeBetween, least, leastBatch: best.batch, leastUnits };
}

/** Grammar by grammar if both have the same ones; else between the means. */
function slopeOf(below: BatchPoint, above: BatchPoint): Estimate {
  const width = Math.log(above.batch / below.batch);
  const partner = (u: UnitOfGrammar) => below.units.find((b) => b.grammar === u.grammar);
  if (above.units.every(partner) && above.units.length === below.units.length && above.units.length > 1) {
    const units = above.units.map((u) => ({ value: (u.value - partner(u)!.value) / width, bound: u.bound }));
    return linearStatistic([units], [1]);
  }
  return linearStatistic([above.units, below.units], [1 / width, -1 / width]);
}

/** One per series and ell, from the grammar sizes with f < 1; needs two values of m. */
export function batchExponents(rows: readonly BatchRow[]): BatchExponent[] {
  return groupBy(rows, (r) => `${r.series}|${r.ell}`).flatMap((group) => {
    const usable = group.filter((r) => density(r.shape) < 1 && r.leastUnits.length);
    const estimate = exponentOf(
      usable.map((r) => ({
        m: r.shape.m,
        offset: -Math.log(complexityScale(r.shape, r.ell)),
        cells: [{ units: r.leastUnits, coefficient: 1 }],
      })),
    );
    if (!estimate) return [];
    const { series, kind, ell } = group[0];
    return [{ series, ell, predicted: predictedPower(kind, ell), estimate }];
  });
}
