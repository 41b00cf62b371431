/**
 * Power-law rules at the last level: how the classification error falls, and what happens to the steps of the loss. Source:
 * arXiv:2505.07067.
 */
import { canonicalJson } from '../core/canonical.js';
import { sentenceLength } from '../core/rules.js';
import { zipfExponent, zipfPlace } from '../theory/index.js';
import { errorPointsOf } from './classes.js';
import { type Curve, type ModelKind, shapeName, zipfOf } from './curves.js';
import { groupBy, positionsOf, type UnitOfGrammar, unitsOf } from './staircase.js';
import {
  type Bound,
  type Estimate,
  exponential,
  fitLine,
  flip,
  joinBounds,
  linearStatistic,
  mean,
} from './statistics.js';

/** Classification on the grammars of one size, with one a. */
export interface ErrorRow {
  kind: ModelKind;
  shape: Curve['shape'];
  a: number;
  law: number; // a / (1 + a), for many rules
  finite: number | undefined; // the same slope with m rules, at the measured errors
  exponent: Estimate; // -slope of ln error against ln P
}

/** The steps of the last token's loss with one a, compared with those of uniform rules on the same grammars. */
export interface StepRow {
  kind: ModelKind;
  shape: Curve['shape'];
  a: number;
  ell: number;
  /** P_ell / P_(ell-1), over that of uniform rules: 1 where the exponent does not change. */
  ratio: Estimate;
}

const SMALLEST = 0.03; // error: below this, too few test sentences are wrong
const LARGEST_PART = 0.65; // of the error of chance: above this, only the most frequent rules are learnt

/** Points between these errors, without those that the number of steps may have limited. */
export function lawPoints(curve: Curve): { x: number; y: number }[] {
  const chance = 1 - 1 / curve.shape.n;
  return errorPointsOf(curve).filter(
    ({ y, limited }) => !limited && Math.exp(y) >= SMALLEST && Math.exp(y) <= LARGEST_PART * chance,
  );
}

export function errorTable(curves: readonly Curve[]): ErrorRow[] {
  const own = curves.filter((c) => c.task === 'class' && zipfOf(c.rules) !== undefined);
  return groupBy(own, (c) => `${c.kind}|${shapeName(c.shape)}|${zipfOf(c.rules)}`)
    .flatMap((group): ErrorRow[] => {
      const [{ kind, shape, rules }] = group;
      const a = zipfOf(rules)!;
      const finite: number[] = [];
      const units = group.flatMap((curve): UnitOfGrammar[] => {
        const points = lawPoints(curve);
        if (points.length < 3) return [];
        const y = points.map((p) => p.y);
        const expected = y.map((error) => placeOf(curve, error));
        if (expected.every((x) => x !== undefined)) finite.push(-fitLine(expected, y).slope);
        const { slope } = fitLine(
          points.map((p) => p.x),
          y,
        );
        return [{ grammar: curve.grammar, value: -slope, bound: 'none' }];
      });
      if (!units.length) return [];
      const exponent = linearStatistic([unitsOf(units)], [1]);
      return [{ kind, shape, a, law: zipfExponent(a), finite: finite.length ? mean(finite) : undefined, exponent }];
    })
    .sort((x, y) => x.a - y.a);
}

/** ln P / scale at which m rules leave this error (given as its logarithm). */
export const placeOf = ({ shape, rules }: Curve, error: number): number | undefined =>
  zipfPlace(rules.ruleProbabilities![shape.L - 1]!, sentenceLength(shape) / shape.s, shape.n, Math.exp(error));

/** all: including the curves of uniform rules. */
export function stepTable(curves: readonly Curve[], all: readonly Curve[]): StepRow[] {
  const steps = curves
    .filter((c) => c.plateaus && zipfOf(c.rules) !== undefined)
    .flatMap((curve) => {
      const uniform = all.find(
        (c) =>
          c.plateaus && !c.online && c.kind === curve.kind && zipfOf(c.rules) === undefined && sameTuples(c, curve),
      );
      return uniform ? growthOf(curve, uniform) : [];
    });
  return groupBy(steps, (s) => `${s.kind}|${shapeName(s.shape)}|${s.a}|${s.ell}`)
    .map((group): StepRow => {
      const [{ kind, shape, a, ell }] = group;
      return { kind, shape, a, ell, ratio: exponential(linearStatistic([unitsOf(group)], [1])) };
    })
    .filter(({ ratio }) => ratio.bound !== 'unknown') // steps that were not searched for
    .sort((x, y) => x.a - y.a || x.ell - y.ell);
}

/** ln of P_ell / P_(ell-1), minus that of uniform rules, for each ell that both have. */
function growthOf(curve: Curve, uniform: Curve) {
  const places = [curve, uniform].map((c) => positionsOf(c));
  return places[0].flatMap(({ ell }) => {
    const four = places.flatMap((own) => [own.find((p) => p.ell === ell), own.find((p) => p.ell === ell - 1)]);
    if (!four.every((p) => p !== undefined && p.bound !== 'unknown') || ell < 3) return [];
    const signs = [1, -1, -1, 1];
    const value = four.reduce((sum, p, i) => sum + signs[i] * p!.logSamples, 0);
    const bound = four.reduce<Bound>((b, p, i) => joinBounds(b, signs[i] < 0 ? flip(p!.bound) : p!.bound), 'none');
    const { kind, shape, rules, grammar } = curve;
    return [{ kind, shape, a: zipfOf(rules)!, ell, grammar, value, bound }];
  });
}

const sameTuples = (a: Curve, b: Curve): boolean =>
  shapeName(a.shape) === shapeName(b.shape) && canonicalJson(a.rules.rules) === canonicalJson(b.rules.rules);
