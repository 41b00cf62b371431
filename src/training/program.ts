import { clockWords } from '../core/clock.js';
import { InputError } from '../core/errors.js';
import { nearest } from '../core/nearest.js';
import { tasks } from '../core/tasks.js';
import { blend } from '../kernels/blend.js';
import { crossEntropy } from '../kernels/crossEntropy.js';
import { matmul } from '../kernels/matmul.js';
import { tick } from '../kernels/tick.js';
import { createModel } from '../models/index.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureTable } from '../models/measure.js';
import { declare, type Model, type ModelShape, modelShape } from '../models/types.js';
import { type PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import type { Program, Tensor } from '../plan/types.js';
import type { Member } from './members.js';
import { optimiserSpec } from './optimisers.js';
import { addSample, type Data, declareData } from './programData.js';
import { declareShuffle } from './shuffled.js';
import { addLossAndGradient, addUpdate, declareMoments, declareState, type StepState, scalingRow } from './step.js';

/** The program of a group of replicas with the same shapes, and the tensors that the host reads or writes. */
export interface TrainingProgram {
  members: readonly Member[]; // the replicas: constants contain the data from which they draw
  program: Program;
  model: Model;
  shape: ModelShape;
  state: StepState;
  test: HeldOut;
  validation: HeldOut | undefined; // absent: the test set is used for everything
  params: Tensor; // [R, P]
  gradients: Tensor; // [R, P], gradients of the last step
  moments: Tensor[]; // [R, P] each
  best: Tensor; // [R, P], weights of the lowest validation loss, or of the lowest test loss if there is no validation set
  scalingStart?: Uint32Array; // u32 [4], in half precision: a replica's row of state.scaling at step 0
  improved: Tensor; // f32 [R, 2], weights of the plans `keep` and `recall`: (0, 1) copies, (1, 0) leaves unchanged
  measures: Measure[]; // in the order of the experiment's list
  /** Initial values that do not change: grammars and sources. */
  constants: { tensor: Tensor; data: Uint32Array | Float32Array }[];
}

/** A set of sentences on which the program evaluates, chunk by chunk. */
export interface HeldOut {
  plan: string; // plan of one chunk
  clock: Tensor; // u32 [R, 8]; the sample counter and the chunk number
  record: Tensor; // f32 [R, chunks, 2]: mean loss (nats) and accuracy of each chunk
  chunks: number; // runs of the plan that cover the set
}

const RING = 64; // training losses kept on the device
const EVAL_BATCH = 1024;
const DROPOUTS_PER_PASS = 1024; // stream numbers reserved for the dropouts of one batch

/**
 * Plans: `train` (one optimiser step), `evaluate` (one chunk of the test set), `keep` (copy improved weights to `best`), with a
 * validation set also `validate` (one chunk of it) and `recall` (copy `best` back to the weights), and one for each measure the
 * experiment names, looked up in `table`. All members have the same shapes; seeds, grammars, rates and P may differ. addPlans:
 * adds plans of the caller, for example to read the hidden layers; they do not affect the run.
 */
export function trainingProgram(
  members: readonly Member[],
  table: MeasureTable = {},
  addPlans?: (context: MeasureContext) => void,
): TrainingProgram {
  const { experiment } = members[0];
  const model = createModel(experiment);
  const shape = modelShape(experiment);
  const builder = new ProgramBuilder(members.length);
  declare(builder, model.parameters);
  const state = declareState(builder, RING, experiment.precision);
  const data = declareData(builder, members);
  data.shuffle = declareShuffle(builder, members, data.constants);
  const moments = declareMoments(builder, experiment.optimiser.kind);
  const params = builder.block('params');

  addTrainingPlan(builder, members, model, shape, state, data, moments);

  const last = experiment.evaluation.positions === 'last' ? unitMatrix(builder, data, shape.v) : undefined;
  const parts = { builder, model, shape, data, last };
  const { size, validation: validationSize } = experiment.evaluation;
  const test = addEvaluation(parts, 'evaluate', 'test', size);
  const validation =
    validationSize === undefined ? undefined : addEvaluation(parts, 'validate', 'validation', validationSize);

  const best = builder.block('best');
  const improved = builder.persistent('improved', [2]);
  blend(builder.plan('keep'), { label: 'best weights', x: params, out: best, weights: improved });
  if (validation) blend(builder.plan('recall'), { label: 'best weights', x: best, out: params, weights: improved });

  const { accumulate } = experiment.budget;
  const context: MeasureContext = {
    builder,
    model,
    shape,
    members,
    grammar: data.grammar,
    testSource: data.test,
    endless: data.endless.test,
    holds: data.holds,
    shuffle: data.shuffle,
    masks: data.masks && { law: data.masks.law, keys: data.masks.keys.test },
    gradients: builder.block(accumulate > 1 ? 'gradient sum' : 'grads'),
    unscale: state.scaling && state.pace,
  };
  const measures = experiment.measures.map((name) => {
    const spec = measureOf(name, table);
    if (experiment.data && !spec.needsNoGrammar)
      throw new InputError(`measures: ${name} needs a grammar, but the run is trained on your own data; leave it out`);
    return spec.build(context);
  });
  addPlans?.(context);

  return {
    members,
    program: builder.build(),
    measures,
    model,
    shape,
    state,
    test,
    validation,
    params,
    gradients: context.gradients,
    moments,
    best,
    scalingStart: state.scaling && scalingRow(rowsOf(experiment, shape), readoutWidth(experiment)),
    improved,
    constants: [...data.constants, ...measures.flatMap((m) => m.constants)],
  };
}

/** Predictions of a batch. */
function rowsOf({ budget }: Member['experiment'], shape: ModelShape): number {
  return budget.batch * (tasks[shape.task].rows?.(shape) ?? 1);
}

/** Number of units that the readout sees, if the model names them. */
function readoutWidth({ model }: Member['experiment']): number {
  const { width, channels } = model as { width?: unknown; channels?: unknown };
  return ([width, channels].find((n) => typeof n === 'number') as number | undefined) ?? 1;
}

function measureOf(name: string, table: MeasureTable): MeasureSpec {
  if (Object.hasOwn(table, name)) return table[name];
  const known = Object.keys(table);
  const guess = nearest(name, known);
  throw new InputError(
    `measures: got "${name}"; ${guess ? `did you mean ${guess}?` : known.length ? `there are ${known.join(', ')}` : 'no table of measures was given; pass options.measures'}`,
  );
}

/** f32 [R, V, V]. */
function unitMatrix(builder: ProgramBuilder, { constants, train }: Data, v: number): Tensor {
  const tensor = builder.persistent('unit matrix', [v, v]);
  const replicas = train.shape[0];
  const one = Float32Array.from({ length: replicas * v * v }, (_, i) => ((i % (v * v)) % (v + 1) === 0 ? 1 : 0));
  constants.push({ tensor, data: one });
  return tensor;
}

interface Parts {
  builder: ProgramBuilder;
  model: Model;
  shape: ModelShape;
  data: Data;
  last?: Tensor; // the identity matrix, if only the last position is evaluated
}

/** Adds the plan that evaluates one chunk of a set. */
function addEvaluation(
  { builder, model, shape, data, last }: Parts,
  name: 'evaluate' | 'validate',
  set: 'test' | 'validation',
  size: number,
): HeldOut {
  const batch = largestDivisor(size, EVAL_BATCH);
  const chunks = size / batch;
  const clock = builder.persistent(`${name}/clock`, [8], 'u32');
  const record = builder.persistent(`${name}/record`, [chunks, 2]);
  const plan = builder.plan(name);
  const { seen, targets } = addSample(plan, shape, batch, data, set, clock, 0);
  const forward = model.forward(plan, { tokens: seen, batch, training: false });
  const whole = { logits: forward.logits, ...targets };
  crossEntropy(plan, {
    label: 'loss',
    ...(last ? lastOf(plan, whole, last) : whole),
    clock,
    clockWord: clockWords.step,
    record,
  });
  tick(plan, {
    label: 'next chunk',
    batch,
    clock,
    hyper: builder.persistent(`${name}/hyper`, [16]),
    pace: builder.persistent(`${name}/pace`, [4]),
  });
  return { plan: name, clock, record, chunks };
}

/** Of predictions at every position, those at the last. one: [V, V], the identity matrix; multiplying by it copies bit for bit. */
function lastOf(
  plan: PlanBuilder,
  { logits, targets, targetOffset }: { logits: Tensor; targets: Tensor; targetOffset: number },
  one: Tensor,
): { logits: Tensor; targets: Tensor; targetOffset: number } {
  const [, batch, rows, v] = logits.shape;
  const last = plan.activation('last logits', [batch, v]);
  const from = { tensor: logits, offset: (rows - 1) * v, row: rows * v };
  matmul(plan, { label: 'last logits', m: batch, n: v, k: v, a: from, b: { tensor: one }, c: { tensor: last } });
  return { logits: last, targets, targetOffset: targetOffset + rows - 1 };
}

function addTrainingPlan(
  builder: ProgramBuilder,
  members: readonly Member[],
  model: Model,
  shape: ModelShape,
  state: StepState,
  data: Data,
  moments: Tensor[],
): void {
  const { budget, optimiser, task } = members[0].experiment;
  const { batch, accumulate } = budget;
  const { isPlain } = optimiserSpec(optimiser.kind);
  const plain = members.every(({ experiment }) => isPlain?.(experiment.optimiser) ?? false);
  const plan = builder.plan('train');
  const sum = accumulate > 1 ? builder.block('gradient sum') : builder.block('grads');
  for (let k = 0; k < accumulate; k++) {
    const { seen, targets } = addSample(plan, shape, batch, data, 'train', state.clock, k * batch);
    const forward = model.forward(plan, {
      tokens: seen,
      batch,
      training: true,
      clock: state.clock,
      dropoutKeys: data.dropout,
      dropoutLayer: k * DROPOUTS_PER_PASS,
      scaling: state.scaling,
      parametersLast: plain && state.scaling !== undefined,
    });
    const logic = task.logic && { weights: task.logic, grammar: data.grammar, shape };
    addLossAndGradient(plan, { forward, ...targets, state, logic });
    if (accumulate > 1)
      blend(plan, {
        label: 'gradient sum',
        x: builder.block('grads'),
        out: sum,
        weights: { a: k === 0 ? 0 : 1, b: 1 / accumulate },
      });
  }
  addUpdate(plan, optimiser, sum, moments, state, batch * accumulate, plain);
}

function largestDivisor(n: number, limit: number): number {
  for (let d = Math.min(n, limit); d > 1; d--) if (n % d === 0) return d;
  return 1;
}
