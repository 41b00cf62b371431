import type { Experiment } from '../core/experiment.js';
import type { RunRecord } from '../core/records.js';
import { isLimitedBySteps } from './members.js';

/** One replica of a run on P distinct sentences: its best result. */
export interface DataPoint {
  sentences: number; // P
  loss: number; // nats: on the test set at the best validation loss; without a validation set the best test loss
  excess: number | undefined; // loss minus the loss of the exact predictor on the same test sentences, nats
  accuracy: number;
  bestStep: number;
  /** The best loss came in the last part of the allowed steps: with more steps it might be lower. */
  limited: boolean;
}

/** undefined: an online run, or a run without a result yet. */
export function dataPointOf(
  experiment: Experiment,
  records: readonly RunRecord[],
  replica: number,
): DataPoint | undefined {
  const { sentences, stopLoss = -Infinity } = experiment.budget;
  if (sentences === undefined) return undefined;
  const own = records.filter((r) => 'replica' in r && r.replica === replica);
  const test = own.findLast((r) => r.type === 'test');
  if (test?.type === 'test') {
    const { loss, accuracy, exact, step, validation } = test;
    const excess = exact === undefined ? undefined : loss - exact;
    const limited = validation > stopLoss && isLimitedBySteps(experiment, step);
    return { sentences, loss, accuracy, excess, bestStep: step, limited };
  }
  if (experiment.evaluation.validation !== undefined) return undefined;
  const evals = own.flatMap((r) => (r.type === 'eval' && Number.isFinite(r.loss) ? [r] : []));
  if (!evals.length) return undefined;
  const { loss, accuracy, step } = evals.reduce((a, b) => (b.loss < a.loss ? b : a));
  const ended = own.some((r) => r.type === 'end');
  const limited = loss > stopLoss && (!ended || isLimitedBySteps(experiment, step));
  return { sentences, loss, accuracy, excess: undefined, bestStep: step, limited };
}
