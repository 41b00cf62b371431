import { canonicalJson } from '../core/canonical.js';
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { heldRules } from '../core/holdout.js';
import { modelShape } from '../models/types.js';

/**
 * Experiments with equal keys can train side by side in one plan, each with the bits it gives alone. They must agree only in what
 * determines a tensor's shape, the list of calls or a constant in a call:
 * - shape: vocabulary, tokens, classes and task, the sizes of every activation;
 * - model and optimiser kind: parameters, moments and calls; clip is a constant of a call;
 * - weights of the grammar's logic: constants of a call;
 * - batch, accumulate, sizes of the test and validation sets, positions evaluated, measures: rows of the activations and the list of plans;
 * - held-out pairs: the sampler needs to know whether there are some;
 * - one rule to choose (m = 1, or all others held out): some measures have nothing to change then and refuse. Everything else is stored per
 * replica and may differ: seeds, m and the rules with their probabilities, P, rates, schedule, steps, stopLoss, patience, evaluation steps,
 * the number of replicas.
 */
export function groupKey(experiment: Experiment): string {
  const { grammar, model, optimiser, budget, evaluation, measures } = experiment;
  return canonicalJson({
    shape: modelShape(experiment),
    logic: experiment.task.logic,
    deterministic: grammar.m - (grammar.holdout ? heldRules(grammar, grammar.holdout) : 0) < 2,
    model,
    optimiser: { kind: optimiser.kind, clip: optimiser.clip },
    batch: budget.batch,
    accumulate: budget.accumulate,
    evaluation: evaluation.size,
    validation: evaluation.validation,
    positions: evaluation.positions,
    shuffled: grammar.shuffle === undefined ? undefined : true,
    holds: grammar.holdout === undefined ? undefined : true,
    measures,
    data: experiment.data && { validation: experiment.data.validation !== undefined },
  });
}

/** @throws InputError if runs cannot share a plan */
export function checkKeys(inputs: readonly { experiment: Experiment }[]): void {
  if (inputs.length < 2) return;
  const keys = inputs.map(({ experiment }) => groupKey(experiment));
  const other = keys.findIndex((key) => key !== keys[0]);
  if (other > 0)
    throw new InputError(
      `runs: number ${other} cannot share a plan with number 0: ${keys[other]} and ${keys[0]}; group them by groupKey`,
    );
}
