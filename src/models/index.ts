import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import type { ModelKind } from '../core/experimentTypes.js';
import { modelFacts } from '../core/modelFacts.js';
import { tasks } from '../core/tasks.js';
import { mla } from './attention.js';
import { fcn, hcnn, hlcn } from './convolutional.js';
import { clm } from './decoder.js';
import { definedModel } from './define.js';
import { recordedModel, tryGradients } from './recorded.js';
import { type Model, type ModelSpec, modelShape } from './types.js';
import { unet } from './unet.js';

/** The forward pass of every model under the name of its row in core/modelFacts.ts. One line per model. */
export const models = { hcnn, hlcn, fcn, mla, clm, unet } satisfies Record<ModelKind, ModelSpec>;

/** @throws InputError for a name that is neither one of the program's nor defined here. */
export function modelSpec(kind: string): ModelSpec {
  const spec = Object.hasOwn(models, kind) ? models[kind as ModelKind] : definedModel(kind);
  if (!spec)
    throw new InputError(
      `model.kind: ${kind} has no forward pass here; define it with defineModel, or load its module`,
    );
  return spec;
}

/** The model of an experiment. @throws InputError naming the field that does not fit the task or the grammar. */
export function createModel(experiment: Pick<Experiment, 'grammar' | 'task' | 'model'>): Model {
  const shape = modelShape(experiment);
  const facts = modelFacts(experiment.model.kind);
  const { leastTokens } = tasks[shape.task];
  if (!(shape.length >= leastTokens && shape.length <= shape.d))
    throw new InputError(
      `task.context: ${shape.length} tokens, a sentence has s^L = ${shape.d}; pass ${leastTokens} to ${shape.d}`,
    );
  if (!facts.tasks.includes(shape.task))
    throw new InputError(
      `task.kind: ${experiment.model.kind} does not learn '${shape.task}'; pass ${facts.tasks.map((t) => `'${t}'`).join(' or ')}`,
    );
  const { kind } = experiment.model;
  const spec = modelSpec(kind);
  const model = recordedModel(kind, (net) => spec.forward(net, experiment.model), shape);
  if (!Object.hasOwn(models, kind)) tryGradients(model, shape);
  return model;
}
