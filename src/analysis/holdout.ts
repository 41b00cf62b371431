/** Compositions held out of training: networks and the two exact predictors that they may resemble. */
import { type HeldSet, heldSets } from '../core/holdout.js';
import { modelOrder } from '../core/modelFacts.js';
import type { MeasureRecord } from '../core/records.js';
import { shapeOf } from '../core/rules.js';
import { languageOf } from '../training/members.js';
import { type Curve, grammarKey, type ModelKind, shapeName } from './curves.js';
import { heldOutTheory, type Predicted } from './heldOutTheory.js';
import type { Run } from './runs.js';
import { groupBy } from './staircase.js';
import { type Estimate, linearStatistic } from './statistics.js';

/** A network on a set of sentences, at its best validation loss. */
export interface HeldOutPoint {
  set: HeldSet;
  loss: number; // nats, of the last token
  accuracy: number;
  grammatical: number; // fraction of sentences that obey all rules with the most probable token as the last
  fromGrammar: number; // nats, divergence from the exact posterior of the whole grammar
  fromSurface: number; // from the surface: see `twoPredictors`
}

interface Setting {
  shape: Curve['shape'];
  level: number; // of the parents
  held: number; // h of the m rules of each child
}

/** Of one network trained on P sentences of one grammar. */
export interface HeldOutRow extends HeldOutPoint, Setting {
  kind: ModelKind;
  grammar: string; // equal for equal rules and pairs
  P: number;
}

/** The results of both predictors on a set of sentences of one grammar. */
export interface HeldOutReference extends Setting {
  grammar: string;
  training: number; // sentences of the training language
  set: HeldSet;
  knows: Record<'grammar' | 'surface', Predicted>;
}

/**
 * The fraction of the way from the surface's accuracy to the grammar's that a network reaches: 0 the surface, 1 the grammar. Over
 * grammars.
 */
export interface HeldOutShare extends Setting {
  kind: ModelKind;
  set: HeldSet;
  P: number;
  share: Estimate;
}

const SENTENCES = 4096; // of each set, for the predictors

export const settingName = ({ shape, level, held }: Setting): string =>
  `${shapeName(shape)}, level ${level}, ${held} of ${shape.m} held out`;

/** Replicas of runs on P sentences that hold pairs out and have the measure. */
export function heldOutRows(runs: readonly Run[]): HeldOutRow[] {
  const rows = runs.flatMap((run) => {
    const { experiment, replicas } = run;
    const P = experiment.budget.sentences;
    const setting = settingOf(run);
    if (!setting || P === undefined) return [];
    return replicas.flatMap(({ tests, measures }) => {
      const best = measures.filter(({ step }) => step === tests.at(-1)?.step);
      const points = heldSets.flatMap((set) => pointOf(best, set, setting.shape.L) ?? []);
      return points.map((point): HeldOutRow => ({ kind: experiment.model.kind, ...setting, P, ...point }));
    });
  });
  return rows.sort((a, b) => modelOrder(a.kind) - modelOrder(b.kind) || a.P - b.P);
}

/** undefined: the run holds nothing out. */
function settingOf({ experiment, rules }: Run): (Setting & { grammar: string }) | undefined {
  const { holdout } = experiment.grammar;
  if (!holdout) return undefined;
  const { held, order } = languageOf(experiment, rules, 'without').heldPairs!;
  const grammar = `${grammarKey(rules)}|${holdout.level}|${order.map(String).join(';')}`;
  return { shape: shapeOf(rules), level: holdout.level, held, grammar };
}

function pointOf(measures: readonly MeasureRecord[], set: HeldSet, L: number): HeldOutPoint | undefined {
  const value = (name: string, level?: number) =>
    measures.find((m) => m.name === `${name}-${set}` && m.level === level)?.value ?? Number.NaN;
  const point = {
    loss: value('loss'),
    accuracy: value('accuracy'),
    grammatical: value('grammatical', L),
    fromGrammar: value('from-grammar'),
    fromSurface: value('from-surface'),
  };
  return Object.values(point).every(Number.isFinite) ? { set, ...point } : undefined;
}

/** Each grammar of the rows once. */
export async function heldOutReferences(runs: readonly Run[]): Promise<HeldOutReference[]> {
  const found = new Map<string, HeldOutReference[]>();
  for (const run of runs) {
    const setting = settingOf(run);
    if (!setting || found.has(setting.grammar) || !heldOutRows([run]).length) continue;
    const language = languageOf(run.experiment, run.rules, 'without');
    const { sentences, sets } = await heldOutTheory(language, SENTENCES, run.experiment.seed);
    const training = Number(sentences.without);
    found.set(
      setting.grammar,
      sets.map(({ set, grammar, surface }) => ({ ...setting, training, set, knows: { grammar, surface } })),
    );
  }
  return [...found.values()].flat();
}

/** Of the sets with held-out pairs. */
export function heldOutShares(rows: readonly HeldOutRow[], references: readonly HeldOutReference[]): HeldOutShare[] {
  const shared = rows.filter(({ set }) => set !== 'without');
  return groupBy(shared, (row) => `${row.kind}|${settingName(row)}|${row.set}|${row.P}`).map((group): HeldOutShare => {
    const [{ kind, shape, level, held, set, P }] = group;
    const units = groupBy(group, (row) => row.grammar).map((own) => {
      const { knows } = references.find((r) => r.grammar === own[0].grammar && r.set === set)!;
      const accuracy = own.reduce((sum, row) => sum + row.accuracy / own.length, 0);
      const way = knows.grammar.accuracy - knows.surface.accuracy;
      return { value: (accuracy - knows.surface.accuracy) / way, bound: 'none' as const };
    });
    return { ...{ kind, shape, level, held, set, P }, share: linearStatistic([units], [1]) };
  });
}
