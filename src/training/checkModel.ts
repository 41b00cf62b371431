/** Gradients of a model against finite differences of its loss, in float64. */
import { CLOCK_WORDS, clockWords } from '../core/clock.js';
import { type Experiment, type ExperimentInput, parseExperiment } from '../core/experiment.js';
import { maskWords } from '../core/masking.js';
import { fillNormal } from '../core/normal.js';
import { tasks } from '../core/tasks.js';
import { type Key, streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { crossEntropy } from '../kernels/crossEntropy.js';
import { referenceExecutor } from '../kernels/index.js';
import { mask } from '../kernels/mask.js';
import { createModel } from '../models/index.js';
import { declare, type Model, type ModelShape, maskingOf, modelShape, type ParameterSpec } from '../models/types.js';
import { ProgramBuilder, product } from '../plan/builder.js';
import type { LoadedProgram } from '../plan/executor.js';
import type { Tensor } from '../plan/types.js';
import { targetsOf } from './step.js';

export interface ModelCheckOptions {
  batch?: number; // sentences of random tokens, default 3
  samples?: number; // elements compared in each parameter, default 12
  seed?: number; // default 1
  tolerance?: number; // bound on |gradient - difference| divided by the parameter's largest gradient, default 1e-5
}

export interface ModelCheck {
  ok: boolean;
  loss: number; // nats, at random weights
  parameters: { name: string; shape: readonly number[]; elements: number; error: number; ok: boolean }[];
}

/**
 * Compares the gradient of every parameter of an experiment's model with central differences. Dropout is on: its mask is the
 * same for every evaluation. @throws InputError, ShapeError as training would.
 */
export async function checkModel(experiment: ExperimentInput, options: ModelCheckOptions = {}): Promise<ModelCheck> {
  const parsed: Experiment = parseExperiment(experiment);
  return checkGradients(createModel(parsed), modelShape(parsed), options);
}

const STEP = 1e-4; // for a weight of order 1; reduced if a ReLU changes sign within it
const SHRINKS = 3;

export async function checkGradients(
  model: Model,
  shape: ModelShape,
  { batch = 3, samples = 12, seed = 1, tolerance = 1e-5 }: ModelCheckOptions = {},
): Promise<ModelCheck> {
  const stream = new UniformStream(streamKey(seed, 'order'));
  const { loaded, params, record } = await load(model, shape, batch, stream);
  const weights = Float64Array.from({ length: loaded.program.parameterCount });
  const places = model.parameters.map((spec) => ({ spec, offset: loaded.program.tensors.get(spec.name)?.offset }));
  for (const [i, { spec, offset }] of places.entries())
    if (offset !== undefined)
      fill(weights.subarray(offset, offset + product(spec.shape)), spec, streamKey(seed, 'init', i));
  const lossAt = async () => {
    loaded.write(params, weights);
    await loaded.run('loss');
    return Number((await loaded.read(record))[0]);
  };
  const loss = await lossAt();
  await loaded.run('gradient');
  const grads = await loaded.read(loaded.program.tensors.get('grads')!);

  const found: ModelCheck['parameters'] = [];
  for (const { spec, offset } of places) {
    const elements = product(spec.shape);
    if (offset === undefined) continue;
    let largest = 0;
    for (let i = 0; i < elements; i++) largest = Math.max(largest, Math.abs(grads[offset + i]));
    let error = 0;
    for (let k = 0; k < Math.min(samples, elements); k++) {
      const i = offset + (elements <= samples ? k : stream.below(elements));
      const difference = await slope(weights, i, lossAt, grads[i], tolerance * largest);
      const here = Math.abs(difference - grads[i]) / (largest || 1);
      if (!(here <= error)) error = here;
    }
    found.push({ name: spec.name, shape: spec.shape, elements, error, ok: error <= tolerance });
  }
  loaded.destroy();
  return { ok: Number.isFinite(loss) && found.every((p) => p.ok), loss, parameters: found };
}

/** The central difference nearest to `expected`: steps are reduced as long as it is farther than `near`. */
async function slope(
  weights: Float64Array,
  i: number,
  lossAt: () => Promise<number>,
  expected: number,
  near: number,
): Promise<number> {
  const weight = weights[i];
  let best = Number.NaN;
  for (let shrink = 0, step = STEP; shrink < SHRINKS; shrink++, step /= 10) {
    weights[i] = weight + step;
    const above = await lossAt();
    weights[i] = weight - step;
    const below = await lossAt();
    weights[i] = weight;
    const difference = (above - below) / (2 * step);
    if (!(Math.abs(best - expected) <= Math.abs(difference - expected))) best = difference;
    if (Math.abs(best - expected) <= near) break;
  }
  return best;
}

async function load(model: Model, shape: ModelShape, batch: number, stream: UniformStream) {
  const builder = new ProgramBuilder(1);
  declare(builder, model.parameters);
  const tokens = builder.persistent('tokens', [batch, shape.d], 'u32');
  const roots = builder.persistent('roots', [batch, 1], 'u32');
  const rows = tasks[shape.task].rows?.(shape) ?? 1;
  const hidden = builder.persistent('hidden symbols', [batch, rows], 'u32');
  const clock = builder.persistent('clock', [CLOCK_WORDS], 'u32');
  const dropoutKeys = builder.persistent('dropout/keys', [2], 'u32');
  const record = builder.persistent('record', [1, 2]);
  const masks = maskWords({ least: 1, most: shape.length, places: new Array(shape.length).fill(true) });
  const law = builder.persistent('mask/law', [masks.length], 'u32');
  const params = builder.block('params');
  builder.block('grads');
  for (const name of ['loss', 'gradient'] as const) {
    const plan = builder.plan(name);
    let counts: Tensor | undefined;
    let seen = tokens;
    if (tasks[shape.task].masks) {
      seen = plan.activation('seen', [batch, shape.d], 'u32');
      counts = plan.activation('masked', [batch, shape.length], 'u32');
      mask(plan, { label: 'masks', ...maskingOf(shape), law, keys: dropoutKeys, clock, tokens, seen, counts });
    }
    const forward = model.forward(plan, { tokens: seen, batch, training: true, clock, dropoutKeys });
    const dLogits = name === 'gradient' ? plan.activation('dLogits', forward.logits.shape.slice(1)) : undefined;
    crossEntropy(plan, {
      ...{
        label: 'loss',
        logits: forward.logits,
        ...targetsOf(shape, { tokens, roots, hidden, counts }),
        record,
        dLogits,
      },
      ...{ clock, clockWord: clockWords.step },
    });
    if (dLogits) forward.backward(dLogits);
  }
  const loaded: LoadedProgram = await referenceExecutor().load(builder.build());
  const draw = (tensor: Tensor, below: number) =>
    loaded.write(
      tensor,
      Uint32Array.from({ length: product(tensor.shape) }, () => stream.below(below)),
    );
  draw(tokens, shape.v);
  draw(roots, shape.classes);
  draw(hidden, shape.classes);
  draw(dropoutKeys, 2 ** 32);
  loaded.write(law, masks);
  return { loaded, params, record };
}

function fill(weights: Float64Array, { init }: ParameterSpec, key: Key): void {
  fillNormal(key, weights);
  const stream = new UniformStream(key);
  // Gains and shifts get random values too, so that a 1 or a 0 does not hide an error in one of them.
  for (const [i, normal] of weights.entries())
    if (init === 'ones') weights[i] = 1 + 0.2 * normal;
    else if (init === 'zeros') weights[i] = 0.2 * normal;
    else if (init !== 'normal') weights[i] = init.uniform * (stream.word() / 2 ** 31 - 1);
}
