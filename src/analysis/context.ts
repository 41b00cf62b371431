/**
 * The value of context in training: one curve for each window of s^ell tokens. Each saturates at the exact H(ell); their envelope falls
 * like the power law L(P) - H(L) ~ P^-alpha. Source: arXiv:2406.00048.
 */
import { modelFacts } from '../core/modelFacts.js';
import { sampleComplexity, scalingExponent } from '../theory/index.js';
import { type Curve, exactPlateaus, hasLaw, type ModelKind, shapeName } from './curves.js';
import { groupBy, positionsOf, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Bound, type Estimate, exponential, fitLine, linearStatistic, mean } from './statistics.js';

/** All grammars of one size, with one window. */
export interface ContextRow {
  kind: ModelKind;
  shape: Curve['shape'];
  ell: number;
  tokens: number; // s^ell - 1 tokens that are visible
  floor: number; // H(ell) in nats, mean over grammars
  /** P at which the best loss crosses `stepThreshold` between H(ell-1) and H(ell). */
  P: Estimate;
  law: number | undefined; // P_ell by the law of the model's family, without its prefactor
  /** (H(0) - loss) / (H(0) - H(ell)) at much larger P: 1 if the window is used completely. Absent: there is no run at such P. */
  used: Estimate | undefined;
}

/** The envelope over the windows for grammars of one size. */
export interface EnvelopeRow {
  kind: ModelKind;
  shape: Curve['shape'];
  ells: number[];
  alpha: Estimate; // of the slope through the middles of the steps, each taken by the window that takes it first
  predicted: number | undefined; // many levels
  predictedFinite: number | undefined; // the same slope with the steps at their predicted P_ell
  centre: { x: number; y: number }; // mean of ln P_ell and of ln excess in the middles of the steps
}

const FAR = 4; // times P_ell: beyond this P a curve has saturated

/** ell of the window of a curve. */
export const windowOf = ({ plateaus }: Curve): number => plateaus!.length - 1;

export function contextTable(curves: readonly Curve[]): ContextRow[] {
  return bySizeAndKind(curves).flatMap((size) =>
    groupBy(size, (c) => String(windowOf(c)))
      .sort(([a], [b]) => windowOf(a) - windowOf(b))
      .flatMap((group) => {
        const [{ kind, shape }] = group;
        const ell = windowOf(group[0]);
        const steps = group.flatMap((curve) => stepOf(curve) ?? []);
        if (!steps.length || ell < 1) return [];
        const { family } = modelFacts(kind);
        const used = steps.flatMap((step) => step.used ?? []);
        return [
          {
            kind,
            shape,
            ell,
            tokens: shape.s ** ell - 1,
            floor: mean(groupBy(group, (c) => c.grammar).map(([c]) => c.plateaus![ell])),
            P: exponential(estimate(steps.map(({ place }) => place))),
            law: family && hasLaw(shape) ? sampleComplexity(shape, family, ell) : undefined,
            used: used.length ? estimate(used) : undefined,
          },
        ];
      }),
  );
}

/** The last step of a curve: its position, and how much of the window is used at much larger P. */
function stepOf(curve: Curve): { place: UnitOfGrammar; used?: UnitOfGrammar } | undefined {
  const ell = windowOf(curve);
  const found = positionsOf(curve).find((p) => p.ell === ell);
  if (!found) return undefined;
  const { grammar, plateaus } = curve;
  const place = { grammar, value: found.logSamples, bound: found.bound };
  const last = curve.points[curve.points.length - 1];
  if (found.bound === 'lower' || Math.log(last.samples) < found.logSamples + Math.log(FAR)) return { place };
  const bound: Bound = last.limited ? 'lower' : 'none';
  return { place, used: { grammar, value: 1 - last.excess! / (plateaus![0] - plateaus![ell]), bound } };
}

export function envelopeTable(curves: readonly Curve[]): EnvelopeRow[] {
  return bySizeAndKind(curves).flatMap((size) => {
    const [{ kind, shape }] = size;
    const { family } = modelFacts(kind);
    const known = family && hasLaw(shape);
    const predicted: number[] = [];
    const ells = new Set<number>();
    const all: { x: number; y: number }[] = [];
    const units = groupBy(size, (c) => c.grammar).flatMap((own): UnitOfGrammar[] => {
      const steps = own.flatMap((curve) => {
        const step = stepOf(curve)?.place;
        return step?.bound === 'none' ? [{ ell: windowOf(curve), x: step.value, height: middleOf(curve) }] : [];
      });
      if (steps.length < 2) return [];
      for (const { ell } of steps) ells.add(ell);
      const heights = steps.map((step) => Math.log(step.height));
      all.push(...steps.map(({ x }, i) => ({ x, y: heights[i] })));
      if (known) {
        const places = steps.map(({ ell }) => Math.log(sampleComplexity(shape, family, ell)));
        predicted.push(-fitLine(places, heights).slope);
      }
      const { slope } = fitLine(
        steps.map((step) => step.x),
        heights,
      );
      return [{ grammar: own[0].grammar, value: -slope, bound: 'none' }];
    });
    if (!units.length) return [];
    return [
      {
        kind,
        shape,
        ells: [...ells].sort((a, b) => a - b),
        alpha: estimate(units),
        predicted: known ? scalingExponent(shape, family) : undefined,
        predictedFinite: predicted.length ? mean(predicted) : undefined,
        centre: { x: mean(all.map((p) => p.x)), y: mean(all.map((p) => p.y)) },
      },
    ];
  });
}

const GRID = 24; // points of an envelope

/**
 * The minimum over all windows at each P, as a geometric mean over grammars: height(curve, excess) in nats, interpolated in ln P. Beyond
 * its last point a curve continues at the height of that point.
 */
export function envelopeOf(
  curves: readonly Curve[],
  height: (curve: Curve, excess: number) => number,
): { x: number; y: number }[] {
  const grammars = groupBy(curves, (c) => c.grammar);
  const ends = curves.flatMap((c) => [c.points[0].samples, c.points[c.points.length - 1].samples]);
  const from = Math.log(Math.min(...ends));
  const to = Math.log(Math.max(...ends));
  return Array.from({ length: GRID }, (_, i) => {
    const at = from + ((to - from) * i) / (GRID - 1);
    const least = grammars.map((own) => Math.min(...own.map((c) => heightAt(c, at, height)).filter((y) => y > 0)));
    return { x: Math.exp(at), y: Math.exp(mean(least.map(Math.log))) };
  }).filter(({ y }) => Number.isFinite(y));
}

function heightAt(curve: Curve, at: number, height: (curve: Curve, excess: number) => number): number {
  const { points } = curve;
  const y = points.map((p) => height(curve, p.excess!));
  const next = points.findIndex((p) => Math.log(p.samples) >= at);
  if (next < 0) return y[y.length - 1];
  if (next === 0) return Math.log(points[0].samples) <= at + 1e-9 ? y[0] : Number.NaN;
  const [a, b] = [Math.log(points[next - 1].samples), Math.log(points[next].samples)];
  return y[next - 1] + ((at - a) / (b - a)) * (y[next] - y[next - 1]);
}

/** Excess over H(L), nats, in the middle of the step that a curve's window adds. */
function middleOf({ plateaus, rules }: Curve): number {
  const ell = plateaus!.length - 1;
  return (plateaus![ell - 1] + plateaus![ell]) / 2 - exactPlateaus(rules)[rules.L];
}

const bySizeAndKind = (curves: readonly Curve[]): Curve[][] =>
  groupBy(
    curves.filter((c) => c.plateaus),
    (c) => `${c.kind}|${shapeName(c.shape)}`,
  );

const estimate = (units: readonly UnitOfGrammar[]): Estimate => linearStatistic([unitsOf(units)], [1]);
