/** Networks that predict masked tokens, and the exact losses of inference on the tree. */
import { modelFacts } from '../core/modelFacts.js';
import { sampleComplexity } from '../theory/index.js';
import { type Curve, hasLaw, shapeName } from './curves.js';
import { groupBy, type PositionRow, positionTable, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, linearStatistic } from './statistics.js';

/** P_ell of masked tokens: the P at which the loss crosses `stepThreshold` between H(ell-1) and H(ell). */
export type MaskedRow = PositionRow & { predicted: number | undefined }; // by the law of the model, without its prefactor

/** The excess of a series' last loss over the exact one. */
export interface MaskedExcess {
  series: string;
  shape: Curve['shape'];
  excess: Estimate; // nats per masked token, over grammars
  floor: number; // nats, mean of H(L) over the curves
  start: number; // nats, mean of H(0)
}

/** The curves of masked tokens, with their exact losses in place of those of the last token. */
export const maskedCurves = (curves: readonly Curve[]): Curve[] =>
  curves.flatMap((curve) => (curve.masked ? [{ ...curve, plateaus: curve.masked }] : []));

export function maskedTable(curves: readonly Curve[]): MaskedRow[] {
  return positionTable(maskedCurves(curves)).map((row) => {
    const { kind } = curves.find((c) => c.series === row.series)!;
    const { family } = modelFacts(kind);
    return {
      ...row,
      predicted: family && hasLaw(row.shape) ? sampleComplexity(row.shape, family, row.ell) : undefined,
    };
  });
}

export function maskedExcesses(curves: readonly Curve[]): MaskedExcess[] {
  return groupBy(maskedCurves(curves), (c) => `${c.series}|${shapeName(c.shape)}`).map((group) => {
    const { series, shape } = group[0];
    const units = group.map((c): UnitOfGrammar => {
      const { loss, excess } = c.points[c.points.length - 1];
      return { grammar: c.grammar, value: excess ?? loss - c.plateaus!.at(-1)!, bound: 'none' };
    });
    const mean = (of: (plateaus: readonly number[]) => number) =>
      group.reduce((sum, c) => sum + of(c.plateaus!) / group.length, 0);
    return {
      ...{ series, shape },
      excess: linearStatistic([unitsOf(units)], [1]),
      floor: mean((H) => H[H.length - 1]),
      start: mean((H) => H[0]),
    };
  });
}
