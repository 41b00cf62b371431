import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { gradientOperations } from '../kernels/gradients.js';
import { addGradients } from '../plan/backward.js';
import { type PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import { mla } from './attention.js';
import { fcn, hcnn, hlcn } from './convolutional.js';
import { clm } from './decoder.js';
import { Net, ParameterList } from './net.js';
import {
  type Forward,
  type ForwardOptions,
  type Model,
  type ModelShape,
  type ModelSpec,
  modelShape,
  type Outcome,
  type ParameterSpec,
} from './types.js';

/** Every model. One line a model. */
export const models = { hcnn, hlcn, fcn, mla, clm } satisfies Record<Experiment['model']['kind'], ModelSpec>;

export function modelSpec(kind: Experiment['model']['kind']): ModelSpec {
  return models[kind];
}

/** The model of an experiment. @throws InputError naming the field that does not fit the task or the grammar. */
export function createModel(experiment: Pick<Experiment, 'grammar' | 'task' | 'model'>): Model {
  const shape = modelShape(experiment);
  const spec = modelSpec(experiment.model.kind);
  if (!(shape.length >= 1 && shape.length <= shape.d))
    throw new InputError(`task.context: ${shape.length} tokens, a sentence has s^L = ${shape.d}; pass 1 to ${shape.d}`);
  if (!spec.tasks.includes(shape.task))
    throw new InputError(
      `task.kind: ${experiment.model.kind} does not learn '${shape.task}'; pass ${spec.tasks.map((t) => `'${t}'`).join(' or ')}`,
    );
  const forward = (net: Net) => spec.forward(net, experiment.model);
  return { parameters: parametersOf(forward, shape), forward: (plan, options) => pass(forward, shape, plan, options) };
}

/** Runs the forward pass once, to learn its parameters and to refuse what does not fit. */
function parametersOf(forward: (net: Net) => Outcome, shape: ModelShape): readonly ParameterSpec[] {
  const list = new ParameterList();
  const plan = new ProgramBuilder(1).plan('parameters');
  const tokens = plan.activation('tokens', [1, shape.d], 'u32');
  forward(new Net(plan, shape, { tokens, batch: 1, training: false }, list.take));
  return list.specs;
}

/** Records the forward pass; its backward pass follows from the recorded calls. */
function pass(forward: (net: Net) => Outcome, shape: ModelShape, plan: PlanBuilder, options: ForwardOptions): Forward {
  const from = plan.calls.length;
  const outcome = forward(new Net(plan, shape, options, ({ name }) => plan.program.parameter(name)));
  const calls = plan.calls.slice(from);
  return {
    ...outcome,
    backward: (dLogits) => addGradients(plan, calls, outcome.logits, dLogits, gradientOperations),
  };
}
