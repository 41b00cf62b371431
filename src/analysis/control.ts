/** The control of curves in data: P_ell at a different rate, batch or width. A change of P_ell with these is not due to data. */
import type { Experiment } from '../core/experiment.js';
import { type Curve, type ModelKind, shapeName } from './curves.js';
import type { Run } from './runs.js';
import { groupBy, positionsOf, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, exponential, flip, joinBounds, linearStatistic } from './statistics.js';

export interface ControlRow {
  kind: ModelKind;
  shape: Curve['shape'];
  change: string; // the difference, such as `rate 0.5`
  ell: number;
  ratio: Estimate; // P_ell over that of the unchanged network, grammar by grammar
}

const WIDEST = Math.log(1.8); // of an interval of P_ell, end over end

/** base: the curves with which the changed ones are compared, on the same grammars. */
export function controlTable(
  base: readonly Curve[],
  baseRuns: readonly Run[],
  changed: readonly Curve[],
  changedRuns: readonly Run[],
): ControlRow[] {
  const settings = (runs: readonly Run[], curve: Curve) =>
    settingsOf(runs.find((run) => curve.replica.startsWith(`${run.path} #`))!.experiment);
  return groupBy(
    changed.filter((c) => !c.online),
    (c) => `${c.series}|${shapeName(c.shape)}`,
  ).flatMap((group) => {
    const { kind, shape } = group[0];
    const pairs = group.flatMap((curve) => {
      const other = base.find((c) => !c.online && c.kind === kind && c.grammar === curve.grammar);
      return other ? [{ curve, other }] : [];
    });
    if (!pairs.length) return [];
    const from = settings(baseRuns, pairs[0].other);
    const to = settings(changedRuns, pairs[0].curve);
    const change = Object.keys(to)
      .filter((key) => to[key] !== from[key])
      .map((key) => `${key} ${to[key]}`)
      .join(', ');
    const rows: ControlRow[] = [];
    for (let ell = 1; ell <= shape.L; ell++) {
      const units = pairs.flatMap(({ curve, other }): UnitOfGrammar[] => {
        const [a, b] = [curve, other].map((c) => positionsOf(c).find((p) => p.ell === ell));
        // A step that was not searched for has only coarse points.
        if (!a || !b || !(a.high! - a.low! < WIDEST && b.high! - b.low! < WIDEST)) return [];
        const bound = joinBounds(a.bound, flip(b.bound));
        return [{ grammar: curve.grammar, value: a.logSamples - b.logSamples, bound }];
      });
      const known = units.filter((u) => u.bound === 'none');
      if (known.length)
        rows.push({ kind, shape, change, ell, ratio: exponential(linearStatistic([unitsOf(known)], [1])) });
    }
    return rows;
  });
}

function settingsOf({ model, optimiser, budget }: Experiment): Record<string, number> {
  const width = 'width' in model ? model.width : model.channels;
  return { rate: optimiser.rate, batch: budget.batch * budget.accumulate, width };
}
