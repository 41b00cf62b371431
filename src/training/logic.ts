/** The contribution of task.logic to the gradient of a loss: terms that make predicted symbols obey the grammar. */
import type { Experiment } from '../core/experiment.js';
import { copyRows } from '../kernels/copyRows.js';
import { softmax } from '../kernels/softmax.js';
import { softmaxBackward } from '../kernels/softmaxBackward.js';
import { treeLogic } from '../kernels/treeLogic.js';
import type { ModelShape } from '../models/types.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';

export interface Logic {
  weights: NonNullable<Experiment['task']['logic']>;
  grammar: Tensor; // u32 [R, G]
  shape: ModelShape;
}

/**
 * Adds the gradient of the weighted violations of `treeLogic` to dLogits [R, B, nodes, classes]. The recorded loss is that of the labels
 * alone.
 */
export function addLogicGradient(
  plan: PlanBuilder,
  { weights, grammar, shape: { s, L } }: Logic,
  logits: Tensor,
  dLogits: Tensor,
  scaling: Tensor | undefined,
): void {
  const size = logits.shape.slice(1);
  const [probabilities, dProbabilities, dInput] = ['probabilities', 'dProbabilities', 'logic gradient'].map((name) =>
    plan.activation(name, size),
  );
  const violations = plan.activation('violations', [size[0], size[1], 3]);
  softmax(plan, { label: 'logic: probabilities', input: logits, output: probabilities });
  treeLogic(plan, { label: 'logic', s, L, ...weights, grammar, scaling, probabilities, violations, dProbabilities });
  softmaxBackward(plan, { label: 'logic: scores', output: probabilities, dOutput: dProbabilities, dInput });
  copyRows(plan, { label: 'logic: sum', input: dInput, output: dLogits, rows: size[1], accumulate: true });
}
