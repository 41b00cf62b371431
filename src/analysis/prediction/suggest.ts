/** Which of the requested runs of a grid would narrow a result most. */
import { BOUND_WEIGHT, chooseRows, type DesignRow } from '../../theory/prediction/design.js';
import { isRefusal } from '../../theory/prediction/factorRegression.js';
import { logLaw } from '../../theory/prediction/setting.js';
import { groupBy } from '../staircase.js';
import type { Asked, Predictor } from './predictor.js';
import { MIDDLE, type StoredCurve } from './storedCurves.js';

/** P_ell of all curves of the grid, or the power of m in it. */
export interface Result {
  kind: 'P' | 'power';
  ell: number;
}

export interface Candidate extends Asked {
  family: string; // equal for runs of one curve
  online: boolean;
  /** P that may be trained, in data; absent: any whole number in the range. */
  sentences?: readonly number[];
  from: number;
  to: number;
}

export interface Suggestion {
  candidate: number; // its place
  sentences: number | undefined; // P; absent: a run of one pass, which passes through all
  /** Mean standard deviation of the result (ln P or the power), before and after; undefined: it is not yet known. */
  before: number | undefined;
  after: number | undefined;
  predicted: boolean; // the store predicts P_ell, and this is the P; else it is a multiple of the law
}

const USUAL_RATIO = 1; // of the scatter between grammars and within one, if nothing is known
const USUAL_FACTOR = 4; // of P_ell over its law, in data
const MOST = 300; // curves that are examined, spread evenly over those of a population

export function suggest(
  predictor: Predictor,
  candidates: readonly Candidate[],
  result: Result,
  count: number,
): Suggestion[] {
  const { ell } = result;
  const numbered = candidates.map((candidate, index) => ({ ...candidate, index }));
  const open = numbered.filter(({ setting, plateaus }) => ell < plateaus.length && logLaw(setting, ell) !== undefined);
  const queues = groupBy(open, ({ setting }) => setting.population).map((own) => {
    const alike = predictor.alike(own[0].setting).filter((curve) => isKnown(predictor, curve, ell));
    const known = new Set(alike.map(({ family }) => family));
    const wanted = spread(firstOfEach(own, ({ family }) => family));
    const left = wanted.filter(({ family }) => !known.has(family));
    const fit = predictor.fits().find((one) => one.population === own[0].setting.population && one.ell === ell);
    const { factors } = own[0].setting;
    const row = ({ setting, grammar }: Asked): DesignRow => ({ values: setting.values, group: grammar });
    const chosen = chooseRows({
      factors,
      known: alike.map(row),
      candidates: left.map((one) => ({ ...row(one), weight: one.online ? 1 : BOUND_WEIGHT })),
      wanted: result.kind === 'P' ? wanted.map(row) : { power: factors.findIndex(({ name }) => name === 'grammar.m') },
      ratio: fit?.regression.ratio ?? USUAL_RATIO,
      count,
    });
    const variance = fit?.regression.variance;
    const share = result.kind === 'P' ? wanted.length : 1; // weight of the population in the total
    return chosen.map(({ index, before, after }) => ({
      gain: (before - after) * share * (variance ?? 1),
      candidate: left[index],
      before: variance === undefined ? undefined : Math.sqrt(before * variance),
      after: variance === undefined ? undefined : Math.sqrt(after * variance),
      level: fit?.regression.level.value,
    }));
  });
  const suggestions: Suggestion[] = [];
  while (suggestions.length < count) {
    const best = queues.filter((queue) => queue.length).sort((a, b) => b[0].gain - a[0].gain)[0];
    if (!best) break;
    const { candidate, before, after, level } = best.shift()!;
    suggestions.push({ ...runOf(predictor, candidate, ell, level), before, after });
  }
  return suggestions;
}

const isKnown = (predictor: Predictor, curve: StoredCurve, ell: number): boolean => {
  const reached = predictor.known.of(curve, { ell, part: MIDDLE });
  return reached !== undefined && reached.low === reached.high;
};

/** The run of a curve at the P at which the step is expected. */
function runOf(
  predictor: Predictor,
  candidate: Candidate & { index: number },
  ell: number,
  level: number | undefined,
): Pick<Suggestion, 'candidate' | 'sentences' | 'predicted'> {
  if (candidate.online) return { candidate: candidate.index, sentences: undefined, predicted: true };
  const found = predictor.position(candidate, ell);
  const factor = level === undefined ? USUAL_FACTOR : Math.exp(level);
  const P = isRefusal(found) ? factor * Math.exp(logLaw(candidate.setting, ell)!) : found.value;
  const distance = (x: number) => Math.abs(Math.log(x / P));
  const sentences = candidate.sentences
    ? candidate.sentences.reduce((a, b) => (distance(b) < distance(a) ? b : a))
    : Math.round(Math.min(candidate.to, Math.max(candidate.from, P)));
  return { candidate: candidate.index, sentences, predicted: !isRefusal(found) };
}

function firstOfEach<T>(items: readonly T[], key: (item: T) => string): T[] {
  return groupBy(items, key).map(([first]) => first);
}

function spread<T>(items: readonly T[]): T[] {
  if (items.length <= MOST) return [...items];
  return Array.from({ length: MOST }, (_, i) => items[Math.floor((i * items.length) / MOST)]);
}
