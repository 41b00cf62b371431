/** The curves of a store as rows of a regression: the P at which each reached a loss. */
import { canonicalJson } from '../../core/canonical.js';
import type { Experiment } from '../../core/experiment.js';
import { crossingOf } from '../../theory/crossing.js';
import { type Setting, settingOf } from '../../theory/prediction/setting.js';
import { logExcess } from '../../theory/steps.js';
import { type Curve, grammarKey, orderedCurves } from '../curves.js';
import type { Run } from '../runs.js';
import { crossing, isVisible } from '../staircase.js';

export interface StoredCurve {
  experiment: Experiment; // of one of its runs
  family: string; // of `familyOf`: equal for runs of one curve
  setting: Setting;
  grammar: string; // equal for equal rules
  curve: Curve;
  plateaus: readonly number[];
  noise: number; // of a measured loss, nats
  /** The measurements of its runs: the best loss with P sentences; in one pass, the loss after P. */
  runs: readonly { sentences: number; loss: number; stop: number }[];
}

/** A loss on the staircase of any grammar: the part of step ell that is done, from 0 at H(ell-1) to 1 at H(ell). */
export interface Level {
  ell: number;
  part: number;
}

export const MIDDLE = 1 / 2;

/**
 * Excess over the floor, nats: within a step between plateaus its logarithm is linear in the part done, within the last step the excess
 * itself.
 */
export function excessAt(plateaus: readonly number[], { ell, part }: Level): number {
  const floor = plateaus[plateaus.length - 1];
  const above = plateaus[ell - 1] - floor;
  return ell === plateaus.length - 1 ? above * (1 - part) : above ** (1 - part) * (plateaus[ell] - floor) ** part;
}

/** The curves of runs whose steps are known; if several runs of one pass differ only in length, the longest. */
export function storedCurves(runs: readonly Run[]): StoredCurve[] {
  const families = new Map<string, Run[]>();
  for (const run of runs) {
    if (run.experiment.from) continue; // began from what another run had learnt
    const key = familyOf(run.experiment, grammarKey(run.rules));
    families.set(key, [...(families.get(key) ?? []), run]);
  }
  const curves: StoredCurve[] = [];
  for (const [key, family] of families) {
    const { experiment, rules } = family[0];
    const all = orderedCurves(family).filter((curve) => curve.plateaus && curve.status !== 'diverged');
    const kept = all[0]?.online ? longest(all) : all;
    for (const curve of kept)
      curves.push({
        experiment,
        family: key,
        setting: settingOf(experiment),
        grammar: grammarKey(rules),
        curve,
        plateaus: curve.plateaus!,
        noise: curve.noise,
        runs: runsOf(curve),
      });
  }
  return curves;
}

/** Equal for runs of one curve: everything except P, length and measures. */
export function familyOf(experiment: Experiment, rules: string): string {
  const { grammar, task, model, optimiser, schedule, budget, evaluation, precision, seed } = experiment;
  const { batch, accumulate, sentences } = budget;
  return canonicalJson([
    ...[
      rules,
      grammar.shuffle ?? 0,
      grammar.holdout ?? 0,
      task,
      model,
      optimiser,
      schedule,
      batch,
      accumulate,
      sentences === undefined,
    ],
    ...[evaluation.positions ?? 'all', precision ?? 'f32', seed],
  ]);
}

function longest(curves: readonly Curve[]): Curve[] {
  const last = ({ points }: Curve) => points[points.length - 1].samples;
  const byReplica = new Map<string, Curve>();
  for (const curve of curves) {
    const replica = curve.replica.slice(curve.replica.lastIndexOf('#'));
    const known = byReplica.get(replica);
    if (!known || last(known) < last(curve)) byReplica.set(replica, curve);
  }
  return [...byReplica.values()];
}

function runsOf({ online, points, plateaus, status }: Curve): StoredCurve['runs'] {
  const floor = plateaus![plateaus!.length - 1];
  if (!online)
    return points
      .filter(({ limited }) => !limited)
      .map(({ samples, excess, stop = 0 }) => ({
        sentences: samples,
        loss: floor + excess!,
        stop: stop && floor + stop,
      }));
  if (status !== 'done' || !points.length) return [];
  const { samples, loss } = points[points.length - 1];
  return [{ sentences: samples, loss, stop: 0 }];
}

const WIDEST = Math.log(2); // of the 68% interval: a crossing known less well counts as bounds

/** Bounds of ln P at which a curve reaches a level; equal bounds: a value. undefined: nothing is known. */
export function reachedAt({ curve, plateaus }: StoredCurve, level: Level): { low: number; high: number } | undefined {
  if (level.ell >= plateaus.length || !isVisible(curve, level.ell)) return undefined;
  const excess = excessAt(plateaus, level);
  if (!(excess > 0)) return undefined;
  if (curve.online) {
    const found = crossing(curve.points, plateaus[plateaus.length - 1] + excess);
    if (!found) return undefined;
    const { bound, logSamples } = found;
    return { low: bound === 'upper' ? -Infinity : logSamples, high: bound === 'lower' ? Infinity : logSamples };
  }
  const y = Math.log(excess);
  const points = curve.points.map(({ samples, excess, limited, stop }) => ({
    x: Math.log(samples),
    y: logExcess(excess!, plateaus, stop),
    // A run that was set to stop above the level might have reached it.
    limited: limited || (stop !== undefined && excess! <= stop && y < Math.log(stop)),
  }));
  const { bound, value, low, high, spread } = crossingOf(points, y);
  if (bound === 'unknown') return undefined;
  if (bound === 'none' && spread <= WIDEST) return { low: value, high: value };
  return { low, high };
}
