/** Sentences parsed completely right by networks that predict every hidden symbol, against the number P of training sentences. */
import { shapeOf } from '../core/rules.js';
import { type Curve, grammarKey, type ModelKind, shapeName } from './curves.js';
import type { Run } from './runs.js';
import { crossing, groupBy, type UnitOfGrammar, unitsOf } from './staircase.js';
import { type Estimate, exponential, flip, joinBounds, linearStatistic } from './statistics.js';

/** How sentences are parsed. */
export const ways = {
  labels: 'labels alone',
  logic: 'with logic',
  decoded: 'labels, consistent decoding',
  both: 'logic, consistent decoding',
} as const;
export type Way = keyof typeof ways;
/** Parsing by the rules: always right, because each tuple has one parent. */
export const EXACT = 'exact parser';

/** One network on one grammar, by P. */
export interface ParseCurve {
  network: string; // the model's kind
  kind: ModelKind;
  shape: Curve['shape'];
  grammar: string;
  way: Way;
  rate: number; // the best of the learning rates tried: see parseCurves
  points: { sentences: number; right: number }[]; // fraction of test sentences, at the end of training
}

/** P at which a network parses half of the sentences completely right. */
export interface ParseRow {
  network: string;
  kind: ModelKind;
  shape: Curve['shape'];
  way: Way;
  rate: number;
  half: Estimate; // geometric mean over grammars
  /** Over that of the same network trained on labels alone, grammar by grammar; absent for labels alone. */
  ratio: Estimate | undefined;
  last: number; // fraction at the largest P, mean over grammars
}

/**
 * If there are runs at several learning rates, those at the best one, which parses the most sentences by the largest scores, mean over P
 * and grammars. Labels alone and logic each have their own rate, since terms of the loss make steps larger.
 */
export function parseCurves(runs: readonly Run[]): ParseCurve[] {
  const found = runs.flatMap(({ experiment, rules, replicas }) => {
    const { task, budget, model } = experiment;
    if (task.kind !== 'parse' || budget.sentences === undefined) return [];
    return replicas.flatMap(({ measures, status }) => {
      if (status === 'unfinished' || status === 'interrupted') return [];
      const own = (name: string) => measures.findLast((m) => m.name === name && m.level === undefined)?.value;
      const shared = {
        rate: experiment.optimiser.rate,
        kind: model.kind,
        shape: shapeOf(rules),
        grammar: grammarKey(rules),
        sentences: budget.sentences!,
      };
      return (
        [
          [task.logic ? 'logic' : 'labels', own('parsed')],
          [task.logic ? 'both' : 'decoded', own('parsed-consistent')],
        ] as const
      ).flatMap(([way, right]) => (right === undefined || Number.isNaN(right) ? [] : [{ ...shared, way, right }]));
    });
  });
  const best = groupBy(found, (f) => [f.kind, shapeName(f.shape), isTold(f.way)].join('|')).flatMap((all) => {
    const rates = groupBy(all, (f) => String(f.rate)).map((own) => {
      const right = own.filter(({ way }) => way === 'labels' || way === 'logic').map((f) => f.right);
      return { own, mean: right.reduce((sum, x) => sum + x / right.length, 0) };
    });
    return rates.reduce((a, b) => (b.mean > a.mean ? b : a)).own;
  });
  return groupBy(best, (f) => [f.kind, shapeName(f.shape), f.grammar, f.way].join('|')).map((group) => {
    const { kind, shape, grammar, way, rate } = group[0];
    const bySize = groupBy(group, (f) => String(f.sentences)).map((same) => ({
      sentences: same[0].sentences,
      right: same.reduce((sum, f) => sum + f.right / same.length, 0),
    }));
    const points = bySize.sort((a, b) => a.sentences - b.sentences);
    return { network: kind, kind, shape, grammar, way, rate, points };
  });
}

const isTold = (way: Way): boolean => way === 'logic' || way === 'both';

/** ln P where half of the sentences are parsed completely right. */
function halfOf({ points }: ParseCurve): ReturnType<typeof crossing> {
  return crossing(
    points.map(({ sentences, right }) => ({ samples: sentences, loss: 1 - right, accuracy: right })),
    0.5,
  );
}

export function parseTable(curves: readonly ParseCurve[]): ParseRow[] {
  const units = curves.flatMap((curve) => {
    const at = halfOf(curve);
    return at ? [{ ...curve, value: at.logSamples, bound: at.bound }] : [];
  });
  const estimate = (found: readonly UnitOfGrammar[]) => exponential(linearStatistic([unitsOf(found)], [1]));
  return groupBy(units, (u) => [u.kind, shapeName(u.shape), u.way].join('|')).map((group): ParseRow => {
    const { network, kind, shape, way, rate } = group[0];
    const ratios = group.flatMap((own): UnitOfGrammar[] => {
      const base = units.find((u) => u.kind === kind && u.grammar === own.grammar && u.way === 'labels');
      if (!base || way === 'labels') return [];
      return [{ grammar: own.grammar, value: own.value - base.value, bound: joinBounds(own.bound, flip(base.bound)) }];
    });
    const ratio = ratios.length ? estimate(ratios) : undefined;
    return {
      ...{ network, kind, shape, way, rate },
      half: estimate(group),
      ratio: ratio?.bound === 'unknown' ? undefined : ratio,
      last: group.reduce((sum, { points }) => sum + points[points.length - 1].right / group.length, 0),
    };
  });
}

/** Mean over grammars at each P that all of them share. */
export function meanPoints(curves: readonly ParseCurve[]): { sentences: number; right: number }[] {
  const points = groupBy(
    curves.flatMap((c) => c.points),
    (p) => String(p.sentences),
  );
  return points
    .filter((same) => same.length === curves.length)
    .map((same) => ({ sentences: same[0].sentences, right: same.reduce((sum, p) => sum + p.right / same.length, 0) }))
    .sort((a, b) => a.sentences - b.sentences);
}
