/**
 * P_ell and the best loss of runs that have not been trained, from stored curves. ln P_ell is the law of the model's family plus a
 * regression on the factors that vary in the store; there is one regression per step, and per part of a step for the loss, since a run
 * with P sentences has reached a loss exactly if that loss takes at most P.
 */
import { FactorRegression, type FactorRow, isRefusal, type Refusal } from '../../theory/prediction/factorRegression.js';
import type { Prediction } from '../../theory/prediction/mixedRegression.js';
import { differences, logLaw, type Setting } from '../../theory/prediction/setting.js';
import { excessAt, type Level, MIDDLE, reachedAt, type StoredCurve } from './storedCurves.js';

/** A run, or a curve of runs, that is not yet trained. */
export interface Asked {
  setting: Setting;
  grammar: string; // equal for equal rules
  plateaus: readonly number[]; // H(0) .. H(reach), nats
  noise: number; // standard error of its measured loss, nats
}

export interface Interval {
  value: number; // median
  low: number; // 95% interval
  high: number;
}

const PARTS = [0.1, 0.3, MIDDLE, 0.7, 0.9]; // of a step, for losses
const ENDS = { low: 0.025, high: 0.975 };
const NORMAL = 1.96; // standard deviations of a 95% interval

export interface StepFit {
  population: string;
  setting: Setting; // of one of its curves
  ell: number;
  regression: FactorRegression;
}

export class Predictor {
  readonly #rows = new Map<string, readonly FactorRow[]>();
  readonly #fits = new Map<string, FactorRegression | Refusal>();
  readonly #populations = new Map<string, StoredCurve[]>();

  /** known: rows of the same curves that have already been computed. */
  constructor(
    readonly curves: readonly StoredCurve[],
    readonly known: ReachedCache = new ReachedCache(),
  ) {
    for (const curve of curves) {
      const { population } = curve.setting;
      this.#populations.set(population, [...(this.#populations.get(population) ?? []), curve]);
    }
  }

  /** P_ell in sentences. */
  position(asked: Asked, ell: number): Interval | Refusal {
    const found = this.reach(asked, { ell, part: MIDDLE });
    if (isRefusal(found)) return found;
    const at = (p: number) => Math.exp(found.prediction.quantile(p) + found.law);
    return { value: at(0.5), low: at(ENDS.low), high: at(ENDS.high) };
  }

  /** Distribution of ln P at a level, relative to the logarithm of the law. */
  reach(asked: Asked, level: Level): { prediction: Prediction; law: number } | Refusal {
    const fit = this.#fit(asked, level);
    if (isRefusal(fit)) return fit;
    const law = logLaw(asked.setting, level.ell)!;
    const prediction = fit.predict(asked.setting.values, asked.grammar);
    return isRefusal(prediction) ? prediction : { prediction, law };
  }

  /**
   * Best measured loss with P sentences, nats, of a run that is not set to stop above it. Between the fitted parts of a step, all losses
   * are equally likely.
   */
  loss(asked: Asked, sentences: number): Interval | Refusal {
    const { plateaus } = asked;
    const floor = plateaus[plateaus.length - 1];
    const last = plateaus.length - 1;
    const points = [{ at: 0, done: 1 }]; // at: steps taken, fractions included; done: probability that as much is done
    let refused: Refusal | undefined;
    for (let ell = 1; ell <= last; ell++)
      for (const part of PARTS) {
        if (!(excessAt(plateaus, { ell, part }) > 0)) continue;
        const found = this.reach(asked, { ell, part });
        if (isRefusal(found)) {
          refused ??= found;
          continue;
        }
        const done = found.prediction.below(Math.log(sentences) - found.law);
        points.push({ at: ell - 1 + part, done: Math.min(done, points[points.length - 1].done) });
      }
    if (points.length === 1) return refused ?? { refused: 'no step of this grammar can be distinguished from noise' };
    const deepest = points[points.length - 1];
    if (deepest.done > 0.5 && deepest.at < last - 1 + PARTS[PARTS.length - 1])
      return { refused: `below the losses of the runs in the store${refused ? `: ${refused.refused}` : ''}` };
    points.push({ at: last, done: 0 });
    const lossOf = (at: number): number => {
      const ell = Math.min(last, Math.floor(at) + 1);
      return floor + excessAt(plateaus, { ell, part: at - ell + 1 });
    };
    const untrained = Math.max(Math.log(asked.setting.shape.v), plateaus[0]);
    const lossAt = (p: number): number => {
      const i = Math.max(
        1,
        points.findIndex((point) => point.done <= p),
      );
      const [a, b] = [points[i - 1], points[i]];
      const part = a.done > b.done ? (a.done - p) / (a.done - b.done) : 1;
      // Above the first level a network may not even know how frequent each last token is.
      if (i === 1) return untrained + part * (lossOf(b.at) - untrained);
      return lossOf(a.at + part * (b.at - a.at));
    };
    const noise = NORMAL * asked.noise;
    return { value: lossAt(0.5), low: lossAt(ENDS.low) - noise, high: lossAt(ENDS.high) + noise };
  }

  /** The regressions for P_ell, of every population that has one. */
  fits(): StepFit[] {
    const found: StepFit[] = [];
    for (const [population, [first]] of this.#populations)
      for (let ell = 1; ell < first.plateaus.length; ell++) {
        const fit = this.#fit(first, { ell, part: MIDDLE });
        if (!isRefusal(fit)) found.push({ population, setting: first.setting, ell, regression: fit });
      }
    return found;
  }

  /** Curves that can be compared with a run. */
  alike(setting: Setting): readonly StoredCurve[] {
    return this.#populations.get(setting.population) ?? [];
  }

  #fit(asked: Asked, level: Level): FactorRegression | Refusal {
    const { setting, plateaus } = asked;
    if (level.ell >= plateaus.length)
      return { refused: `step ${level.ell} is beyond the last, ${plateaus.length - 1}` };
    if (logLaw(setting, level.ell) === undefined)
      return { refused: 'no law: every tuple is in use (m = v^(s-1)), so nothing is correlated' };
    const alike = this.alike(setting);
    if (!alike.length) return { refused: this.#stranger(setting) };
    const isLast = level.ell === plateaus.length - 1;
    const key = `${setting.population}|${level.ell}|${level.part}|${isLast}`;
    const known = this.#fits.get(key);
    if (known) return known;
    const rows = this.#rowsOf(alike, level, isLast, key);
    const fit: FactorRegression | Refusal = rows.length
      ? FactorRegression.of(setting.factors, rows)
      : { refused: `step ${level.ell}: no curve of the store bounds it` };
    const named = isRefusal(fit) ? { refused: `step ${level.ell}: ${fit.refused.replace(/^step \d+: /, '')}` } : fit;
    this.#fits.set(key, named);
    return named;
  }

  #rowsOf(alike: readonly StoredCurve[], level: Level, isLast: boolean, key: string): readonly FactorRow[] {
    const known = this.#rows.get(key);
    if (known) return known;
    const rows = alike.flatMap((curve): FactorRow[] => {
      const law = logLaw(curve.setting, Math.min(level.ell, curve.setting.shape.L));
      if (law === undefined || (level.ell === curve.plateaus.length - 1) !== isLast) return [];
      const reached = this.known.of(curve, level);
      if (!reached) return [];
      const { values } = curve.setting;
      return [{ values, group: curve.grammar, low: reached.low - law, high: reached.high - law }];
    });
    this.#rows.set(key, rows);
    return rows;
  }

  #stranger(setting: Setting): string {
    const kinds = [...new Set(this.curves.map((curve) => curve.setting.model))];
    const same = this.curves.filter((curve) => curve.setting.model === setting.model);
    if (!same.length)
      return `no curves of ${setting.model} in the store${kinds.length ? `, which has ${kinds.join(', ')}` : ''}`;
    return differences(
      setting,
      same.map((curve) => curve.setting),
    );
  }
}

/** The P at which curves reach levels, each computed once. */
export class ReachedCache {
  readonly #found = new Map<StoredCurve, Map<string, ReturnType<typeof reachedAt>>>();

  of(curve: StoredCurve, level: Level): ReturnType<typeof reachedAt> {
    const own = this.#found.get(curve) ?? new Map<string, ReturnType<typeof reachedAt>>();
    this.#found.set(curve, own);
    const key = `${level.ell}|${level.part}`;
    if (!own.has(key)) own.set(key, reachedAt(curve, level));
    return own.get(key);
  }
}
