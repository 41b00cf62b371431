/** How well a store predicts runs that it has not seen: whole grammars are left out and predicted from the others. */
import { isRefusal } from '../../theory/prediction/factorRegression.js';
import { groupBy } from '../staircase.js';
import { type Interval, Predictor, ReachedCache } from './predictor.js';
import { MIDDLE, type StoredCurve } from './storedCurves.js';

export interface Validity {
  model: string;
  fixed: Readonly<Record<string, unknown>>; // settings of the curves that are compared
  result: string; // `P_2`, or `loss`
  asked: number; // curves that reached the step; runs, for the loss
  predicted: number; // of them not refused
  inside: number; // how many of those are in their 95% interval
  tau: number | null; // Kendall's tau-b of predicted and measured; null: fewer than two values, or all equal
  factor: number | null; // mean |ln(measured / predicted)| as a factor; for losses, of the excess
}

const FOLDS = 20;
const MOST_LOSSES = 400; // runs of a population whose loss is predicted, spread evenly

interface Pair {
  predicted: Interval | undefined;
  measured: number;
  floor: number; // for a loss, the factor refers to its excess over this
}

/** By population and result. Each grammar is left out once; if there are more than 20 grammars, several at a time. */
export function crossValidate(curves: readonly StoredCurve[], known = new ReachedCache()): Validity[] {
  const rows: Validity[] = [];
  for (const own of groupBy(curves, ({ setting }) => setting.population)) {
    const steps = Math.max(...own.map(({ plateaus }) => plateaus.length - 1));
    const every = Math.ceil(own.reduce((sum, { runs }) => sum + runs.length, 0) / MOST_LOSSES);
    let count = 0;
    const pairs = new Map<string, Pair[]>();
    const note = (result: string, pair: Pair) => pairs.set(result, [...(pairs.get(result) ?? []), pair]);
    for (const fold of foldsOf(own)) {
      const predictor = new Predictor(
        own.filter((curve) => !fold.has(curve.grammar)),
        known,
      );
      for (const curve of own.filter(({ grammar }) => fold.has(grammar))) {
        for (let ell = 1; ell <= steps; ell++) {
          const reached = known.of(curve, { ell, part: MIDDLE });
          if (!reached || reached.low !== reached.high) continue;
          note(`P_${ell}`, {
            measured: Math.exp(reached.low),
            predicted: given(predictor.position(curve, ell)),
            floor: 0,
          });
        }
        const floor = curve.plateaus[curve.plateaus.length - 1];
        for (const { sentences, loss, stop } of curve.runs) {
          if (count++ % every) continue;
          const found = given(predictor.loss(curve, sentences));
          const above = (value: number) => Math.max(value, stop); // all that is known of a run that was set to stop there
          const predicted = found && { value: above(found.value), low: above(found.low), high: above(found.high) };
          note('loss', { measured: above(loss), predicted, floor });
        }
      }
    }
    const { model, fixed } = own[0].setting;
    for (const [result, found] of [...pairs].sort(([a], [b]) => order(a) - order(b)))
      rows.push({ model, fixed, result, ...scoreOf(found) });
  }
  return rows;
}

const order = (result: string) => (result === 'loss' ? Infinity : Number(result.slice(2)));

const given = (found: ReturnType<Predictor['position']>): Interval | undefined =>
  isRefusal(found) ? undefined : found;

function scoreOf(pairs: readonly Pair[]) {
  const both = pairs.flatMap(({ predicted, ...pair }) => (predicted ? [{ ...predicted, ...pair }] : []));
  const logs = both
    .map(({ value, measured, floor }) => Math.abs(Math.log((measured - floor) / (value - floor))))
    .filter((value) => Number.isFinite(value));
  return {
    asked: pairs.length,
    predicted: both.length,
    inside: both.filter(({ low, high, measured }) => low <= measured && measured <= high).length,
    tau: kendallTau(
      both.map(({ value }) => value),
      both.map(({ measured }) => measured),
    ),
    factor: logs.length ? Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length) : null,
  };
}

/** Sets of grammars that are left out together. */
function foldsOf(curves: readonly StoredCurve[]): Set<string>[] {
  const grammars = [...new Set(curves.map(({ grammar }) => grammar))];
  const folds = Array.from({ length: Math.min(FOLDS, grammars.length) }, () => new Set<string>());
  grammars.forEach((grammar, i) => {
    folds[i % folds.length].add(grammar);
  });
  return folds;
}

/**
 * Kendall's tau-b, from -1 to 1: pairs in the same order minus those in the opposite order, corrected for ties. null: no pair differs.
 */
export function kendallTau(x: readonly number[], y: readonly number[]): number | null {
  let agree = 0;
  let differX = 0;
  let differY = 0;
  for (let i = 0; i < x.length; i++)
    for (let j = 0; j < i; j++) {
      const a = Math.sign(x[i] - x[j]);
      const b = Math.sign(y[i] - y[j]);
      agree += a * b;
      differX += a * a;
      differY += b * b;
    }
  return differX && differY ? agree / Math.sqrt(differX * differY) : null;
}
