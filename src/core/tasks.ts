import type { GrammarShape } from './rules.js';

/** What a network learns to predict from a sentence, and what follows from it. T: tokens used, including the predicted one. */
export interface TaskSpec {
  /** Describes the network's output and what is evaluated: mean loss (nats) and accuracy. Completes the sentence `predict ...`. */
  predicts: string;
  targets: 'tokens' | 'roots' | 'hidden'; // hidden: all symbols above the tokens, the root first, level by level
  /** Index, among a sentence's targets, of the first prediction's target. d = s^L tokens, of which those from firstToken are used. */
  targetOffset(sentence: { d: number; firstToken: number }): number;
  classes(grammar: Pick<GrammarShape, 'v' | 'n'>): number;
  /** Position, among the T used, that the network must not see; -1: none. */
  masked(length: number): number;
  leastTokens: number; // smallest T
  /** The task needs all s^L tokens: no context leaves some of them out. */
  wholeSentence?: true;
  /** Number of predictions per sentence, which are then a dimension of the logits; undefined: one, without that dimension. */
  rows?(sentence: { length: number; s: number }): number;
  /** Some tokens are hidden from the network before it reads a sentence, by `maskLaw` of core/masking.ts; only those are predicted. */
  masks: boolean;
  /** Every token is predicted from those before it, so that a trained network can write sentences. */
  generates: boolean;
  /** With the whole context the exact loss is H(L), reached through the steps H(0) .. H(L) of theory/losses.ts. */
  staircase: boolean;
}

/** One row per task. */
const table = {
  last: {
    predicts: 'the last token',
    targets: 'tokens',
    targetOffset: ({ d }) => d - 1,
    classes: ({ v }) => v,
    masked: (length) => length - 1,
    leastTokens: 1,
    masks: false,
    generates: false,
    staircase: true,
  },
  class: {
    predicts: 'the root symbol',
    targets: 'roots',
    targetOffset: () => 0,
    classes: ({ n }) => n,
    masked: () => -1,
    leastTokens: 1,
    masks: false,
    generates: false,
    staircase: false,
  },
  auto: {
    predicts: 'every next token',
    targets: 'tokens',
    targetOffset: ({ firstToken }) => firstToken + 1,
    classes: ({ v }) => v,
    masked: () => -1,
    leastTokens: 2,
    rows: ({ length }) => length - 1,
    masks: false,
    generates: true,
    staircase: false,
  },
  mask: {
    predicts: 'the masked tokens',
    targets: 'tokens',
    targetOffset: ({ firstToken }) => firstToken,
    classes: ({ v }) => v,
    masked: () => -1,
    leastTokens: 1,
    rows: ({ length }) => length,
    masks: true,
    generates: false,
    staircase: false,
  },
  parse: {
    predicts: 'every hidden symbol',
    targets: 'hidden',
    targetOffset: () => 0,
    classes: ({ v, n }) => Math.max(v, n),
    masked: () => -1,
    leastTokens: 2,
    wholeSentence: true,
    rows: ({ length, s }) => (length - 1) / (s - 1),
    masks: false,
    generates: false,
    staircase: false,
  },
} satisfies Record<string, TaskSpec>;

export type TaskKind = keyof typeof table;
export const tasks: Readonly<Record<TaskKind, TaskSpec>> = table;
export const taskKinds = Object.keys(tasks) as [TaskKind, ...TaskKind[]];

/** The task of experiments that name none; omitted from the names of runs. */
export const DEFAULT_TASK: TaskKind = 'last';

/** A task as far as it affects evaluation: context, T tokens of which the last is predicted; default s^L. */
export interface EvaluatedTask {
  kind: TaskKind;
  context?: number;
  fraction?: number; // which tokens are masked: see maskLaw
  positions?: readonly number[];
}

/** The task to which the test loss of a run refers: for a run that learns every next token, the last one if only that is evaluated. */
export const evaluatedTask = (experiment: {
  task: EvaluatedTask;
  evaluation: { positions?: 'all' | 'last' };
}): EvaluatedTask =>
  experiment.evaluation.positions === 'last' ? { ...experiment.task, kind: 'last' } : experiment.task;

/** ell of the H(ell) that is the exact loss of a task; undefined if that is not known: see `staircase`. The context is s^ell tokens. */
export function exactLevel(
  { kind, context }: EvaluatedTask,
  { s, L }: Pick<GrammarShape, 's' | 'L'>,
): number | undefined {
  if (!tasks[kind].staircase) return undefined;
  let level = 0;
  while (level < L && s ** level < (context ?? Number.POSITIVE_INFINITY)) level++;
  return context === undefined || s ** level === context ? level : undefined;
}

/** For messages: the tasks that have a property, as `'last' or 'auto'`. */
export const tasksWith = (has: (task: TaskSpec) => boolean): string =>
  taskKinds
    .filter((kind) => has(tasks[kind]))
    .map((kind) => `'${kind}'`)
    .join(' or ');
