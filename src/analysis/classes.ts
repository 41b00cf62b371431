/** Classification in data: P*, the P at which the test error falls to a tenth, against n m^L. Source: arXiv:2307.02129. */
import { crossingOf } from '../theory/crossing.js';
import { classificationComplexity } from '../theory/index.js';
import { LEARNT_ERROR, logError } from '../theory/steps.js';
import { type Curve, type ModelKind, shapeName } from './curves.js';
import { exponentOf, type PowerPoint } from './exponents.js';
import { groupBy, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, exponential, linearStatistic } from './statistics.js';

/** One network on the grammars of one size. */
export interface ClassRow {
  network: string; // `hcnn`; in standard scaling `hcnn, standard`
  kind: ModelKind;
  shape: Curve['shape'];
  law: number; // n m^L
  P: Estimate; // P*
  factor: Estimate; // over the law
  units: UnitOfGrammar[]; // ln P*
}

/** How P* of a network grows. */
export interface ClassPower {
  network: string;
  kind: ModelKind;
  /** 1 for the network to which the law applies, the CNN in mean-field scaling. */
  predicted: number | undefined;
  power: Estimate; // of n m^L
  sizes: number; // sizes at which it is known as a value, if there are three or more
}

export const networkOf = ({ kind, scaling }: Pick<Curve, 'kind' | 'scaling'>): string =>
  scaling === 'standard' ? `${kind}, standard` : kind;

/** Points of an error curve: ln P and ln error. */
export const errorPointsOf = ({ points, testSize }: Curve) =>
  points.map((p) => ({ x: Math.log(p.samples), y: logError(p.accuracy, testSize!), limited: p.limited }));

export function classTable(curves: readonly Curve[]): ClassRow[] {
  return groupBy(curves, (c) => `${c.series}|${shapeName(c.shape)}`).flatMap((group) => {
    const [first] = group;
    const units = group.flatMap((curve): UnitOfGrammar[] => {
      const { bound, value } = crossingOf(errorPointsOf(curve), Math.log(LEARNT_ERROR));
      return bound === 'unknown' ? [] : [{ grammar: curve.grammar, value, bound }];
    });
    if (!units.length) return [];
    const law = classificationComplexity(first.shape);
    const P = exponential(linearStatistic([unitsOf(units)], [1]));
    const factor = { ...P, value: P.value / law, low: P.low / law, high: P.high / law };
    return [{ network: networkOf(first), kind: first.kind, shape: first.shape, law, P, factor, units: unitsOf(units) }];
  });
}

export function classPowers(rows: readonly ClassRow[]): ClassPower[] {
  return groupBy(rows, (r) => r.network).flatMap((group) => {
    const point = (r: ClassRow): PowerPoint => ({ m: r.law, offset: 0, cells: [{ units: r.units, coefficient: 1 }] });
    const exact = group.filter((r) => r.P.bound === 'none');
    const used = exact.length > 2 ? exact : group; // a bound at one size makes the power a bound
    const power = exponentOf(used.map(point));
    if (!power) return [];
    const { network, kind } = group[0];
    return [{ network, kind, predicted: network === 'hcnn' ? 1 : undefined, power, sizes: used.length }];
  });
}
