/** A model from its forward pass alone: the pass is run once to learn its parameters, and recorded to find its gradients. */
import { gradientOperations } from '../kernels/gradients.js';
import { addGradients } from '../plan/backward.js';
import { type PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import { Net, ParameterList } from './net.js';
import type { Forward, ForwardOptions, Model, ModelShape, Outcome, ParameterSpec } from './types.js';

type ForwardPass = (net: Net) => Outcome;

export function recordedModel(forward: ForwardPass, shape: ModelShape): Model {
  return {
    parameters: parametersOf(forward, shape),
    forward: (plan, options) => record(forward, shape, plan, options),
  };
}

/** Runs the forward pass once, to learn its parameters and to refuse what does not fit. */
function parametersOf(forward: ForwardPass, shape: ModelShape): readonly ParameterSpec[] {
  const list = new ParameterList();
  const plan = new ProgramBuilder(1).plan('parameters');
  const tokens = plan.activation('tokens', [1, shape.d], 'u32');
  forward(new Net(plan, shape, { tokens, batch: 1, training: false }, list.take));
  return list.specs;
}

/** Records the forward pass; its backward pass follows from the recorded calls. */
function record(forward: ForwardPass, shape: ModelShape, plan: PlanBuilder, options: ForwardOptions): Forward {
  const from = plan.calls.length;
  const outcome = forward(new Net(plan, shape, options, ({ name }) => plan.program.parameter(name)));
  const calls = plan.calls.slice(from);
  return {
    ...outcome,
    backward: (dLogits) => addGradients(plan, calls, outcome.logits, dLogits, gradientOperations),
  };
}
