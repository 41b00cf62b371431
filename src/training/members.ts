import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { heldLanguage } from '../core/holdout.js';
import { type DataSet, dataOf, rowsAsRules } from '../core/ownData.js';
import { parseRules } from '../core/parseRules.js';
import { checkShape, type HeldLanguage, makeRules, type Rules, shapeOf } from '../core/rules.js';
import type { Source } from '../core/sampleSource.js';
import { type Key, streamKey } from '../core/threefry.js';
import { type Dataset, makeDataset } from '../grammar/dataset.js';

/** One replica: its seed and sources of sentences. */
export interface Member {
  experiment: Experiment;
  replica: number; // index within its experiment
  seed: number;
  rules: Rules; // the whole grammar: for exact losses, parsers and hidden symbols
  language: Rules; // the grammar from which sentences are drawn: the same, or the part that grammar.holdout leaves
  /** The rows that it is trained on, if they are not from a grammar. */
  own?: { train: DataSet; test: DataSet; validation?: DataSet };
  train: Source;
  validation: Source; // used only with evaluation.validation
  test: Source;
  distinct: boolean; // whether no sentence occurs twice within or across these sets
}

/** Checks the sizes of an experiment's grammar. @throws InputError naming the field, such as grammar.m, and the bound. */
export function checkGrammar(grammar: Experiment['grammar']): void {
  try {
    checkShape(shapeOf(grammar));
  } catch (error) {
    throw error instanceof InputError ? new InputError(`grammar.${error.message}`) : error;
  }
}

/** The grammar of an experiment: its own rules, or drawn from grammar.seed (default: the experiment's seed). */
export function rulesOf({ grammar, seed }: Experiment): Rules {
  const shape = shapeOf(grammar);
  const { rules, rootPrior, ruleProbabilities } = grammar;
  const options = { rootPrior, ruleProbabilities };
  if (!rules) {
    checkGrammar(grammar);
    return makeRules(shape, grammar.seed ?? seed, options);
  }
  return parseRules({ ...shape, rules, rootPrior, ruleProbabilities });
}

/** The replicas of an experiment; replica r has seed + r. @throws InputError if P or the test set does not fit. */
export function membersOf(experiment: Experiment, rules: Rules = rulesOf(experiment)): Member[] {
  const { sentences, batch, accumulate } = experiment.budget;
  if (sentences !== undefined && batch * accumulate > sentences)
    throw new InputError(
      `budget.batch: ${batch * accumulate} sentences per step, budget.sentences P = ${sentences}; take a batch of at most P`,
    );
  if (experiment.seed + experiment.replicas > Number.MAX_SAFE_INTEGER)
    throw new InputError(
      `seed: ${experiment.seed} + ${experiment.replicas} replicas pass 2^53 - 1; take a smaller seed`,
    );
  const own = dataOf(experiment);
  const language = languageOf(experiment, rules, 'without');
  return Array.from({ length: experiment.replicas }, (_, replica) => {
    const seed = experiment.seed + replica;
    if (own)
      return { experiment, replica, seed, rules, language, own, ...rowSources(experiment, own, seed), distinct: true };
    const { train, validation, test, distinct } = sourcesOf(experiment, language, seed);
    return { experiment, replica, seed, rules, language, train, validation, test, distinct };
  });
}

/**
 * Sources of your own rows: P of the training rows in a new order each epoch; the held-out rows are the same for every seed. A
 * set that is read beyond its end starts again.
 */
function rowSources(
  { budget, evaluation }: Experiment,
  own: NonNullable<Member['own']>,
  seed: number,
): Pick<Member, 'train' | 'validation' | 'test'> {
  const source = (set: DataSet, key: Key, length: number): Source => ({
    mode: 'permutation',
    key,
    size: BigInt(set.count),
    first: 0,
    length,
  });
  const { train, test, validation = test } = own;
  const P = budget.sentences ?? train.count;
  return {
    train: { ...source(train, streamKey(seed, 'data', 1), P), orderKey: streamKey(seed, 'order') },
    validation: source(validation, streamKey(0, 'validation'), evaluation.validation ?? 0),
    test: source(test, streamKey(0, 'test'), evaluation.size),
  };
}

/** A language of an experiment's grammar, by grammar.holdout; without it all sentences are of the training language. */
export function languageOf({ grammar, seed }: Experiment, rules: Rules, language: HeldLanguage): Rules {
  return grammar.holdout ? heldLanguage(rules, grammar.holdout, language, grammar.seed ?? seed) : rules;
}

/** The rules from which a set of a member is drawn: the training language of its grammar, or your own rows as a grammar. */
export function drawnFrom({ language, own }: Member, set: 'train' | 'validation' | 'test'): Rules {
  const rows = own?.[set];
  return rows ? rowsAsRules(rows) : language;
}

/** Online: streams. P sentences: a range of a permutation of all derivations, in a new order each epoch. */
function sourcesOf({ budget, evaluation }: Experiment, rules: Rules, seed: number): Dataset {
  const { size, validation } = evaluation;
  try {
    return makeDataset(rules, seed, { sentences: budget.sentences, testSize: size, validationSize: validation });
  } catch (error) {
    const smaller = validation === undefined ? 'evaluation.size' : 'evaluation.size or evaluation.validation';
    throw error instanceof InputError ? new InputError(`budget.${error.message}, or a smaller ${smaller}`) : error;
  }
}

const PATIENT_EPOCHS = 128; // the best validation loss comes after 10 to 60
const PATIENT_STEPS = 2 ** 14; // for small training sets: more than enough for a network to leave its initial state

/** Planned optimiser steps of an experiment. A run with patience may end earlier. */
export function plannedSteps({ budget }: Experiment): number {
  if (budget.steps !== undefined) return budget.steps;
  if (budget.sentences === undefined) return 65536;
  const { epochs, patience } = budget;
  const passes = (count: number) => Math.ceil(count * epochSteps(budget));
  if (epochs === undefined && patience !== undefined) return Math.max(PATIENT_STEPS, passes(PATIENT_EPOCHS));
  return passes(epochs ?? 1);
}

/** Optimiser steps of one pass over the P training sentences, not rounded; 0 online. */
export function epochSteps({ sentences = 0, batch, accumulate }: Experiment['budget']): number {
  return sentences / (batch * accumulate);
}

const LAST_PART = 2 / 3;

/** Whether a best loss at this step may be limited by the number of steps: it is in the last third of those that were allowed. */
export function isLimitedBySteps(experiment: Experiment, bestStep: number): boolean {
  return bestStep > LAST_PART * plannedSteps(experiment);
}

/** Steps to evaluate at: 1, 2, 3, ... then by factors of 2^(1/k), and the last step. */
export function evaluationSteps(total: number, perDoubling: number): number[] {
  const steps: number[] = [];
  for (let step = 1; step < total; step = Math.max(step + 1, Math.round(step * 2 ** (1 / perDoubling))))
    steps.push(step);
  steps.push(total);
  return steps;
}

const SETTLED_SECONDS = 2; // the first steps are slower than the rest: memory is touched, pipelines are compiled

/** Time that the remaining steps take at the speed of those done. seconds: taken by `done` steps. NaN while that speed says little. */
export function secondsLeft(remaining: number, done: number, seconds: number): number {
  if (remaining === 0) return 0;
  return done > 0 && seconds >= SETTLED_SECONDS ? (remaining * seconds) / done : Number.NaN;
}
