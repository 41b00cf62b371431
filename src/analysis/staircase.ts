import { crossingOf } from '../theory/crossing.js';
import { logExcess, stepExcess } from '../theory/steps.js';
import { type Curve, type CurvePoint, shapeName } from './curves.js';
import { type Bound, type Estimate, exponential, joinBounds, linearStatistic, mean, type Unit } from './statistics.js';

/** P_ell of one curve: the samples at which its loss crosses `stepThreshold` between H(ell-1) and H(ell). */
export interface Position {
  ell: number;
  logSamples: number; // ln P_ell; for a bound, the ln P above which (lower) or below which (upper) it is
  bound: Bound;
  /** Curves in data: 95% interval of ln P_ell; that of a bound is open. */
  low?: number;
  high?: number;
}

/** P_ell over the curves of one series and grammar size. */
export interface PositionRow {
  series: string;
  online: boolean; // one pass; false: in data
  shape: Curve['shape'];
  ell: number;
  estimate: Estimate; // of P_ell in samples; geometric mean over grammars
  reached: number; // curves that crossed
  curves: number;
  units: UnitOfGrammar[]; // ln P_ell
  /** One pass: P_ell is more than a tenth of the language, so sampling noise is no longer the limit. */
  beyond: boolean;
}

/** Fraction of a language: beyond it hardly any sampling noise is left. */
export const LARGE_PART = 1 / 10;

/** What that means for curves of one pass. */
export const LITTLE_NOISE =
  'beyond a tenth of it hardly any sampling noise is left, and P_ell is not a sample complexity';

export interface UnitOfGrammar extends Unit {
  grammar: string;
}

/**
 * The loss in the middle of step ell: the geometric mean of the excess at H(ell-1) and H(ell) over the floor; at the last
 * step, where the latter is 0, half the gap. plateaus: H(0) .. H(reach), ell from 1 to reach.
 */
export function stepThreshold(plateaus: readonly number[], ell: number): number {
  return plateaus[plateaus.length - 1] + stepExcess(plateaus, ell);
}

/**
 * ln P at which the loss first falls to a threshold, linear in ln P between evaluations. A curve that never reaches it gives a lower
 * bound, one that starts below it an upper bound; undefined: it diverged before, which says nothing about P.
 */
export function crossing(points: readonly CurvePoint[], threshold: number): Omit<Position, 'ell'> | undefined {
  for (let i = 0; i < points.length; i++) {
    const { samples, loss } = points[i];
    if (!Number.isFinite(loss)) return undefined;
    if (loss > threshold) continue;
    if (i === 0) return { logSamples: Math.log(samples), bound: 'upper' };
    const before = points[i - 1];
    const part = (before.loss - threshold) / (before.loss - loss);
    const from = Math.log(before.samples);
    return { logSamples: from + part * (Math.log(samples) - from), bound: 'none' };
  }
  return points.length ? { logSamples: Math.log(points[points.length - 1].samples), bound: 'lower' } : undefined;
}

/** Steps whose middle is at least this many standard errors of the test loss from both plateaus are measured. */
const VISIBLE = 2;

export function isVisible({ plateaus, noise }: Curve, ell: number): boolean {
  if (!plateaus) return false;
  const middle = stepThreshold(plateaus, ell);
  return Math.min(plateaus[ell - 1] - middle, middle - plateaus[ell]) >= VISIBLE * noise;
}

/** ln P at which a curve with plateaus reaches a loss: in one pass the first time, in data by the estimate that a search uses. */
export function crossingBy({ online, points, plateaus }: Curve, loss: number): Omit<Position, 'ell'> | undefined {
  if (online || !plateaus) return crossing(points, loss);
  return dataCrossing(points, plateaus, loss - plateaus[plateaus.length - 1]);
}

const WIDEST = Math.log(2); // of the 68% interval: a crossing known less well, such as one that was not searched for, is left out

/** ln P at which the best loss crosses an excess: points limited by the number of steps are bounds, never values. */
function dataCrossing(
  points: readonly CurvePoint[],
  plateaus: readonly number[],
  excess: number,
): Omit<Position, 'ell'> | undefined {
  const { bound, value, low, high, spread } = crossingOf(
    points.map((p) => ({ x: Math.log(p.samples), y: logExcess(p.excess!, plateaus, p.stop), limited: p.limited })),
    Math.log(excess),
  );
  if (bound === 'unknown' || (bound === 'none' && spread > WIDEST)) return undefined;
  return { logSamples: value, bound, low, high };
}

/** P_1 .. of one curve; steps hidden in the noise of the test loss are left out. */
export function positionsOf(curve: Curve): Position[] {
  const { plateaus } = curve;
  if (!plateaus) return [];
  const positions: Position[] = [];
  for (let ell = 1; ell < plateaus.length; ell++) {
    if (!isVisible(curve, ell)) continue;
    const found = crossingBy(curve, stepThreshold(plateaus, ell));
    if (found) positions.push({ ell, ...found });
  }
  return positions;
}

/** P_ell per series, grammar size and ell, with intervals over grammars (over replicas if there is one grammar). */
export function positionTable(curves: readonly Curve[]): PositionRow[] {
  const rows: PositionRow[] = [];
  for (const group of groupBy(curves, (c) => `${c.series}|${shapeName(c.shape)}`)) {
    const found = group.map((curve) => ({ curve, positions: positionsOf(curve) }));
    const steps = Math.max(0, ...group.map((c) => (c.plateaus?.length ?? 1) - 1));
    for (let ell = 1; ell <= steps; ell++) {
      const all = found.flatMap(({ curve, positions }) =>
        positions
          .filter((p) => p.ell === ell)
          .map((p) => ({ grammar: curve.grammar, value: p.logSamples, bound: p.bound, status: curve.status })),
      );
      // A run that was stopped before any other reached the step carries no information yet: it would only turn the mean into a bound.
      const first = Math.min(...all.filter((p) => p.bound === 'none').map((p) => p.value));
      const here = all.filter(
        (p) =>
          !(p.bound === 'lower' && (p.status === 'unfinished' || p.status === 'interrupted') && p.value < first) ||
          first === Infinity,
      );
      if (!here.length) continue;
      const units = unitsOf(here);
      const estimate = exponential(linearStatistic([units], [1]));
      rows.push({
        series: group[0].series,
        online: group[0].online,
        shape: group[0].shape,
        ell,
        estimate,
        reached: here.filter((p) => p.bound !== 'lower').length,
        curves: here.length,
        units,
        beyond: estimate.value > LARGE_PART * group[0].sentences,
      });
    }
  }
  return rows;
}

/** One unit per grammar (the mean of its replicas), or one per replica if there is a single grammar. */
export function unitsOf(values: readonly UnitOfGrammar[]): UnitOfGrammar[] {
  const groups = groupBy(values, (u) => u.grammar);
  if (groups.length === 1) return [...values];
  return groups.map((group) => ({
    grammar: group[0].grammar,
    value: mean(group.map((u) => u.value)),
    bound: group.reduce<Bound>((b, u) => joinBounds(b, u.bound), 'none'),
  }));
}

/** Groups in order of first appearance. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const k = key(item);
    const group = groups.get(k);
    if (group) group.push(item);
    else groups.set(k, [item]);
  }
  return [...groups.values()];
}
