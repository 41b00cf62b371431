import { modelFacts } from '../core/modelFacts.js';
import type { Family } from '../core/modelTypes.js';
import { complexityScale, sampleComplexity, scalingExponent } from '../theory/index.js';
import { type Curve, density, type ModelKind, shapeName } from './curves.js';
import {
  groupBy,
  isVisible,
  type PositionRow,
  positionsOf,
  stepThreshold,
  type UnitOfGrammar,
  unitsOf,
} from './staircase.js';
import {
  type Estimate,
  exponential,
  fitLine,
  linearStatistic,
  slopeCoefficients,
  slopeFromScatter,
  type Unit,
} from './statistics.js';

/** How P_ell grows with m: slope of ln((1-f) P_ell / v) against ln m. */
export interface ExponentRow {
  series: string; // for ratios: `A / B`
  online: boolean;
  ell: number;
  predicted: number | undefined;
  estimate: Estimate;
  shapes: Curve['shape'][];
  /** Set if runs of some sizes ended before the step, so that all sizes give only a bound: this row leaves those sizes out. */
  reached?: [number, number]; // smallest and largest m of the remaining sizes
}

/** P_ell of one series over that of another on the same grammars. */
export interface RatioRow {
  numerator: string;
  denominator: string;
  online: boolean;
  shape: Curve['shape'];
  ell: number;
  predicted: number | undefined; // up to a factor that does not depend on m
  estimate: Estimate;
  paired: boolean; // grammar by grammar
  cells: { units: Unit[]; coefficient: number }[]; // the statistic, for ln ratio
}

/** The power of m in P_ell that a model is expected to show. */
export function predictedPower(kind: ModelKind, ell: number): number | undefined {
  const { family } = modelFacts(kind);
  return family && powerOfLaw(family, ell);
}

/** The power of m in P_ell: cnn ell + 1 (1 for ell = 1), transformer 2 ell - 1. */
export function powerOfLaw(family: Family, ell: number): number {
  const at = (m: number) => Math.log(sampleComplexity({ v: 64, n: 64, m, s: 3, L: ell }, family, ell) * (1 - m / 4096));
  return Math.round((at(8) - at(2)) / Math.log(4));
}

/** One exponent per series and ell, from the grammar sizes with f < 1; needs two values of m. */
export function positionExponents(rows: readonly PositionRow[], kinds: ReadonlyMap<string, ModelKind>): ExponentRow[] {
  return groupBy(rows, (r) => `${r.series}|${r.ell}`).flatMap((group) => {
    const usable = group.filter((r) => density(r.shape) < 1);
    const { series, ell, online } = group[0];
    const predicted = predictedPower(kinds.get(series)!, ell);
    const point = (r: PositionRow): PowerPoint => ({
      m: r.shape.m,
      offset: -Math.log(complexityScale(r.shape, r.ell)),
      cells: [{ units: r.units, coefficient: 1 }],
    });
    return exponentRows(usable, point, { series, ell, online, predicted });
  });
}

/** One row for all sizes; if that is a bound, another row for the sizes at which all runs took the step. */
function exponentRows<T extends { shape: Curve['shape']; estimate: Estimate }>(
  rows: readonly T[],
  point: (row: T) => PowerPoint,
  what: Pick<ExponentRow, 'series' | 'ell' | 'online' | 'predicted'>,
): ExponentRow[] {
  const estimate = exponentOf(rows.map(point));
  if (!estimate) return [];
  const found: ExponentRow[] = [{ ...what, estimate, shapes: rows.map((r) => r.shape) }];
  const exact = rows.filter((r) => r.estimate.bound === 'none');
  const part = exact.length < rows.length ? exponentOf(exact.map(point)) : undefined;
  if (part) {
    const ms = exact.map((r) => r.shape.m);
    const reached: [number, number] = [Math.min(...ms), Math.max(...ms)];
    found.push({ ...what, estimate: part, shapes: exact.map((r) => r.shape), reached });
  }
  return found;
}

/** The network with which the others are compared. */
const BASE: ModelKind = 'hcnn';

/** Ratios of every series of another model to the first series of BASE under the same protocol, per grammar size and ell. */
export function ratioTable(rows: readonly PositionRow[], kinds: ReadonlyMap<string, ModelKind>): RatioRow[] {
  return [true, false].flatMap((online) => {
    const own = rows.filter((r) => r.online === online);
    const base = own.find((r) => kinds.get(r.series) === BASE)?.series;
    return base === undefined ? [] : ratiosTo(base, own, kinds);
  });
}

function ratiosTo(base: string, rows: readonly PositionRow[], kinds: ReadonlyMap<string, ModelKind>): RatioRow[] {
  return rows
    .filter((r) => kinds.get(r.series) !== BASE)
    .flatMap((above) => {
      const below = rows.find(
        (r) => r.series === base && r.ell === above.ell && shapeName(r.shape) === shapeName(above.shape),
      );
      if (!below) return [];
      const [top, bottom] = [modelFacts(kinds.get(above.series)!).family, modelFacts(kinds.get(base)!).family];
      const { shape, ell } = above;
      const pairs = pairUnits(above.units, below.units);
      const cells = pairs
        ? [{ units: pairs, coefficient: 1 }]
        : [
            { units: above.units, coefficient: 1 },
            { units: below.units, coefficient: -1 },
          ];
      return [
        {
          numerator: above.series,
          denominator: base,
          online: above.online,
          shape,
          ell,
          predicted:
            top && bottom && density(shape) < 1
              ? sampleComplexity(shape, top, ell) / sampleComplexity(shape, bottom, ell)
              : undefined,
          estimate: exponential(
            linearStatistic(
              cells.map((c) => c.units),
              cells.map((c) => c.coefficient),
            ),
          ),
          paired: pairs !== undefined,
          cells,
        },
      ];
    });
}

/** How the ratios grow with m. */
export function ratioExponents(rows: readonly RatioRow[], kinds: ReadonlyMap<string, ModelKind>): ExponentRow[] {
  return groupBy(rows, (r) => `${r.numerator}|${r.ell}`).flatMap((group) => {
    const { numerator, denominator, ell, online } = group[0];
    const [top, bottom] = [predictedPower(kinds.get(numerator)!, ell), predictedPower(kinds.get(denominator)!, ell)];
    const predicted = top === undefined || bottom === undefined ? undefined : top - bottom;
    return exponentRows(group, (r) => ({ m: r.shape.m, offset: 0, cells: r.cells }), {
      series: `${numerator} / ${denominator}`,
      ell,
      online,
      predicted,
    });
  });
}

/** `m = 2 to 4` for an exponent that leaves sizes out, after the given text. */
export const overSizes = ({ reached }: Pick<ExponentRow, 'reached'>, before = ', '): string =>
  reached ? `${before}m = ${reached[0]} to ${reached[1]}` : '';

/** Differences of ln P on the grammars that both have, if there are at least two. */
function pairUnits(above: readonly UnitOfGrammar[], below: readonly UnitOfGrammar[]): Unit[] | undefined {
  const grammars = [...new Set(above.map((u) => u.grammar))].filter((g) => below.some((u) => u.grammar === g));
  if (grammars.length < 2) return undefined;
  return grammars.map((grammar) => {
    const a = above.find((u) => u.grammar === grammar)!;
    const b = below.find((u) => u.grammar === grammar)!;
    const differ = linearStatistic([[a], [b]], [1, -1], 0);
    return { value: differ.value, bound: differ.bound };
  });
}

/** One grammar size. */
export interface PowerPoint {
  m: number;
  offset: number; // added to the statistic
  cells: { units: readonly Unit[]; coefficient: number }[];
}

/** Slope of the points' statistics against ln m; undefined for one value of m. */
export function exponentOf(points: readonly PowerPoint[]): Estimate | undefined {
  if (new Set(points.map((p) => p.m)).size < 2) return undefined;
  const x = points.map((p) => Math.log(p.m));
  const slopes = slopeCoefficients(x);
  const cells: Unit[][] = [];
  const coefficients: number[] = [];
  points.forEach((point, i) => {
    const total = point.cells.reduce((sum, c) => sum + c.coefficient, 0);
    for (const { units, coefficient } of point.cells) {
      const shift = total === 0 ? 0 : point.offset / total;
      cells.push(units.map((u) => ({ value: u.value + shift, bound: u.bound })));
      coefficients.push(slopes[i] * coefficient);
    }
  });
  const estimate = linearStatistic(cells, coefficients);
  if (!Number.isNaN(estimate.low) || estimate.bound !== 'none' || points.length < 3) return estimate;
  const y = points.map(
    (p) =>
      linearStatistic(
        p.cells.map((c) => [...c.units]),
        p.cells.map((c) => c.coefficient),
        0,
      ).value + p.offset,
  );
  return { ...estimate, ...slopeFromScatter(x, y) };
}

/** The exponent alpha of the excess loss, L(P) - H(L) ~ P^-alpha. */
export interface ScalingRow {
  series: string;
  online: boolean;
  shape: Curve['shape'];
  predicted: number | undefined; // many levels, asymptotic
  /** Slope through the middles of the steps of this depth, at the predicted P_ell: the exponent at finite L. */
  predictedFinite: number | undefined;
  /** Least squares on the curve, between P_1 and P_L. */
  curve: Estimate | undefined;
  /** Slope through the middles of the measured steps. */
  steps: Estimate | undefined;
}

export function scalingTable(curves: readonly Curve[]): ScalingRow[] {
  return groupBy(
    curves.filter((c) => c.plateaus && c.plateaus.length > 2),
    (c) => `${c.series}|${shapeName(c.shape)}`,
  ).map((group) => {
    const { series, shape, kind, online } = group[0];
    const family = modelFacts(kind).family;
    const known = family && density(shape) < 1 && shape.m > 1;
    const alongCurve: UnitOfGrammar[] = [];
    const throughSteps: UnitOfGrammar[] = [];
    const finite: number[] = [];
    for (const curve of group) {
      const { grammar } = curve;
      const a = curveSlope(curve);
      if (a !== undefined) alongCurve.push({ grammar, value: a, bound: 'none' });
      const b = stepSlope(curve, new Map(exactPositions(curve)));
      if (b !== undefined) throughSteps.push({ grammar, value: b, bound: 'none' });
      if (known) {
        const c = stepSlope(
          curve,
          new Map(exactPositions(curve).map(([ell]) => [ell, Math.log(sampleComplexity(shape, family, ell))])),
        );
        if (c !== undefined) finite.push(c);
      }
    }
    const estimate = (units: UnitOfGrammar[]) => (units.length ? linearStatistic([unitsOf(units)], [1]) : undefined);
    return {
      series,
      online,
      shape,
      predicted: known ? scalingExponent(shape, family) : undefined,
      predictedFinite: finite.length ? finite.reduce((x, y) => x + y) / finite.length : undefined,
      curve: estimate(alongCurve),
      steps: estimate(throughSteps),
    };
  });
}

const exactPositions = (curve: Curve): [number, number][] =>
  positionsOf(curve)
    .filter((p) => p.bound === 'none')
    .map((p) => [p.ell, p.logSamples]);

/** -slope of ln excess against ln P between P_1 and the last step reached, sampled evenly in ln P. */
export function curveSlope(curve: Curve): number | undefined {
  const positions = exactPositions(curve);
  if (!curve.plateaus || positions.length < 2) return undefined;
  const floor = curve.plateaus[curve.plateaus.length - 1];
  const from = positions[0][1];
  const to = positions[positions.length - 1][1];
  const steps = Math.max(4, Math.round(((to - from) / Math.LN2) * 4));
  const x: number[] = [];
  const y: number[] = [];
  for (let i = 0; i <= steps; i++) {
    const at = from + ((to - from) * i) / steps;
    const excess = lossAt(curve, at) - floor;
    if (!(excess > 0)) continue;
    x.push(at);
    y.push(Math.log(excess));
  }
  return x.length < 3 ? undefined : -fitLine(x, y).slope;
}

/** -slope through (ln P_ell, ln excess in the middle of step ell) for the steps with a position; needs two. */
function stepSlope({ plateaus, ...curve }: Curve, positions: ReadonlyMap<number, number>): number | undefined {
  if (!plateaus || positions.size < 2) return undefined;
  const floor = plateaus[plateaus.length - 1];
  const ells = [...positions.keys()].filter((ell) => isVisible({ plateaus, ...curve }, ell));
  if (ells.length < 2) return undefined;
  return -fitLine(
    ells.map((ell) => positions.get(ell)!),
    ells.map((ell) => Math.log(stepThreshold(plateaus, ell) - floor)),
  ).slope;
}

/** Loss at ln P, linear in ln P between evaluations; NaN outside. */
export function lossAt({ points }: Pick<Curve, 'points'>, logSamples: number): number {
  const first = Math.log(points[0].samples);
  if (logSamples < first - 1e-9) return Number.NaN;
  for (let i = 1; i < points.length; i++) {
    const to = Math.log(points[i].samples);
    if (logSamples > to + 1e-9) continue;
    const from = Math.log(points[i - 1].samples);
    const part = Math.min(1, Math.max(0, (logSamples - from) / (to - from)));
    return points[i - 1].loss + part * (points[i].loss - points[i - 1].loss);
  }
  return Math.abs(logSamples - first) < 1e-9 ? points[0].loss : Number.NaN;
}
