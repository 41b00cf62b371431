/**
 * Where a search begins, given what its other curves have found: first the curves that are most informative about all of them,
 * then the others near the P_ell predicted from those. Like the search, a function of the results alone.
 */

import { canonicalJson } from '../core/canonical.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { chooseRows } from '../theory/prediction/design.js';
import { FactorRegression, type FactorRow, isRefusal } from '../theory/prediction/factorRegression.js';
import { logLaw, type Setting, settingOf } from '../theory/prediction/setting.js';
import type { Beginning, Found, Guide, Search } from './search.js';

interface Curve {
  search: Search;
  setting: Setting;
  grammar: string;
}

const BEYOND = 4; // number of curves that begin, beyond one and one for each factor that varies
const ENDS = [0.1, 0.9]; // quantiles of a predicted P_ell that are tried first

export function guideFor(searches: readonly Search[]): Guide {
  const curves = searches.map((search): Curve => {
    const experiment = parseExperiment(search.at(search.from));
    return { search, setting: settingOf(experiment), grammar: grammarOf(experiment) };
  });
  const populations = new Map<string, number[]>();
  curves.forEach(({ setting }, i) => {
    populations.set(setting.population, [...(populations.get(setting.population) ?? []), i]);
  });
  const first = new Set([...populations.values()].flatMap((own) => firstOf(own, curves)));
  return (found, busy) =>
    curves.map(({ setting }, i): Beginning => {
      if (first.has(i)) return 'look';
      const begun = populations.get(setting.population)!.filter((k) => first.has(k));
      if (begun.some((k) => busy[k])) return 'wait';
      const x = predicted(
        curves[i],
        begun.map((k) => ({ curve: curves[k], found: found[k] })),
      );
      return x.length ? x : 'look';
    });
}

const grammarOf = ({ grammar, seed }: Experiment) => canonicalJson([grammar, grammar.seed ?? seed]);

/** The curves that begin: all of them if there are few. */
function firstOf(own: readonly number[], curves: readonly Curve[]): number[] {
  const rows = own.map((i) => ({ values: curves[i].setting.values, group: curves[i].grammar, weight: 1 }));
  const { factors } = curves[own[0]].setting;
  const varied = factors.filter((_, k) => new Set(rows.map(({ values }) => values[k])).size > 1).length;
  const count = 1 + varied + BEYOND;
  if (count + 1 >= own.length) return [...own];
  // They include the extreme values of each factor, so that all others are inside.
  return chooseRows({ factors, known: [], candidates: rows, wanted: rows, ratio: 1, count }).map(
    ({ index }) => own[index],
  );
}

/** ln P on both sides of each step, predicted from the curves that have begun. */
function predicted({ search, setting, grammar }: Curve, begun: readonly { curve: Curve; found: Found }[]): number[] {
  const least = Math.log(search.within);
  return search.steps.flatMap((ell) => {
    const law = logLaw(setting, ell);
    const rows = begun.flatMap(({ curve, found }): FactorRow[] => {
      const offset = logLaw(curve.setting, ell);
      const crossing = found.crossings.get(ell);
      if (offset === undefined || !crossing || crossing.bound === 'unknown') return [];
      const { bound, value, low, high } = crossing;
      const ends = bound === 'none' ? { low: value, high: value } : { low, high };
      return [
        {
          values: curve.setting.values,
          group: curve.grammar,
          low: ends.low - offset,
          high: ends.high - offset,
        },
      ];
    });
    if (law === undefined || !rows.length) return [];
    const fit = FactorRegression.of(setting.factors, rows);
    const prediction = isRefusal(fit) ? fit : fit.predict(setting.values, grammar);
    if (isRefusal(prediction)) return [];
    const middle = prediction.quantile(0.5);
    const [low, high] = ENDS.map((p) => prediction.quantile(p));
    return [law + Math.min(low, middle - least), law + Math.max(high, middle + least)];
  });
}
