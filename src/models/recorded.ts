/** A model defined by its forward pass alone: the pass is run once to learn its parameters, and recorded to find its gradients. */
import { ShapeError } from '../core/errors.js';
import { tasks } from '../core/tasks.js';
import { gradientOperations } from '../kernels/gradients.js';
import { addGradients } from '../plan/backward.js';
import { type PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import { Net, ParameterList } from './net.js';
import {
  declare,
  type Forward,
  type ForwardOptions,
  type Model,
  type ModelShape,
  type Outcome,
  type ParameterSpec,
} from './types.js';

type ForwardPass = (net: Net) => Outcome;

/** kind: for messages. @throws ShapeError, InputError of a layer that does not fit, or if the logits do not. */
export function recordedModel(kind: string, pass: ForwardPass, shape: ModelShape): Model {
  const forward: ForwardPass = (net) => checked(kind, pass(net), net);
  return {
    parameters: parametersOf(forward, shape),
    forward: (plan, options) => record(forward, shape, plan, options),
  };
}

/** Plans a gradient that is never run, so that a pass without one is refused before anything is trained. @throws ShapeError */
export function tryGradients(model: Model, shape: ModelShape): void {
  const builder = new ProgramBuilder(1);
  declare(builder, model.parameters);
  const plan = builder.plan('gradients');
  const tokens = plan.activation('tokens', [1, shape.d], 'u32');
  const { logits, backward } = model.forward(plan, { tokens, batch: 1, training: false });
  backward(plan.activation('dLogits', logits.shape.slice(1)));
}

function checked(kind: string, outcome: Outcome, { batch, shape, plan }: Net): Outcome {
  const { logits } = outcome;
  const rows = tasks[shape.task].rows?.(shape) ?? [];
  const wanted = [plan.replicas, batch, rows, shape.classes].flat();
  const got = logits?.shape;
  if (got?.length !== wanted.length || !wanted.every((n, i) => n === got[i]))
    throw new ShapeError(`model ${kind}: its logits are [${got}]; return [${wanted}], a score for each of the classes`);
  return outcome;
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
    backward: (dLogits) =>
      addGradients(plan, calls, outcome.logits, dLogits, gradientOperations, options.parametersLast),
  };
}
