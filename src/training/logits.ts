/** The outputs of a trained network on given sentences: its logits, and its hidden layers by name. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { nearest } from '../core/nearest.js';
import type { SafeFile } from '../core/safetensors.js';
import { inOrder } from '../core/shuffle.js';
import { tasks } from '../core/tasks.js';
import { type Rows, rowsOf, type TokenRows } from '../core/tokens.js';
import { blend } from '../kernels/blend.js';
import { checkBiases, fromDisk } from '../models/disk.js';
import { createModel } from '../models/index.js';
import { declare, type Model, type ModelShape, modelShape } from '../models/types.js';
import { type PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import type { Executor } from '../plan/executor.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import { membersOf } from './members.js';
import { wiringOf } from './wiring.js';

/** A tensor of numbers in rows. */
export interface Numbers {
  shape: readonly number[];
  data: Float32Array;
}

export interface Logits extends Numbers {
  /**
   * [B, classes]: of the last token (v classes) or of the root symbol (n). For the task `auto` [B, T - 1, v]: row t predicts the token
   * after tokens 0 to t. For `mask` [B, T, v]: row t predicts token t. For `parse` [B, (s^L - 1) / (s - 1), max(v, n)]: a row for each
   * symbol above the tokens, the root first, level by level.
   */
  shape: readonly number[];
  /** Requested hidden layers, by name: [B, positions, units], after the non-linearity. */
  hidden: Record<string, Numbers>;
}

const BATCH = 256; // sentences at once; a multiple of 4, which copies require

/**
 * tokens [B, T]: T = s^L, or the number that `task.context` uses. If the last token is predicted it may be left out; it is ignored. For
 * the task `mask` a token may be -1, or v: it is masked. hidden: names of hidden layers, or true for all. Dropout is off.
 * @throws InputError naming a token, a shape, a layer or a tensor that does not fit
 */
export async function logitsOf(
  experiment: Experiment,
  weights: SafeFile,
  tokens: TokenRows,
  executor: Executor,
  hidden: true | readonly string[] = [],
): Promise<Logits> {
  const model = createModel(experiment);
  const shape = modelShape(experiment);
  const whole = wholeRows(rowsOf(tokens, shape.v, 'tokens', tasks[shape.task].masks), shape);
  const rows = asRead(whole, experiment, weights);
  const builder = new ProgramBuilder(1);
  declare(builder, model.parameters);
  const { input, logits, layers } = addForward(builder, model, shape, rows.count, hidden);
  const program = builder.build();
  checkBiases(weights, 'weights');
  const values = new Float64Array(program.parameterCount);
  fromDisk(model.parameters, program, weights, values);
  const outputs = [['', logits] as const, ...layers].map(([name, tensor]) => {
    const size = elementsPerReplica(tensor) / input.shape[1];
    const rest = name ? tensor.shape.slice(2) : logits.shape.slice(2);
    return { name, tensor, size, shape: [rows.count, ...rest], data: new Float32Array(rows.count * size) };
  });
  const loaded = await executor.load(program);
  try {
    loaded.write(builder.block('params'), values);
    const [, batch, d] = input.shape;
    for (let first = 0; first < rows.count; first += batch) {
      const part = new Uint32Array(batch * d);
      part.set(rows.data.subarray(first * d, Math.min(rows.count, first + batch) * d));
      loaded.write(input, part);
      await loaded.run('forward');
      for (const { tensor, size, data } of outputs)
        data.set((await loaded.read(tensor)).subarray(0, Math.min(batch, rows.count - first) * size), first * size);
    }
  } finally {
    loaded.destroy();
  }
  const [{ shape: logitsShape, data }, ...others] = outputs;
  return {
    shape: logitsShape,
    data,
    hidden: Object.fromEntries(others.map(({ name, shape, data }) => [name, { shape, data }])),
  };
}

/** Names of the hidden layers of an experiment's model, as used by `logitsOf` and measures. */
export function hiddenLayers(experiment: Experiment): string[] {
  const model = createModel(experiment);
  const { d } = modelShape(experiment);
  const builder = new ProgramBuilder(1);
  declare(builder, model.parameters);
  const plan = builder.plan('names');
  const tokens = plan.activation('tokens', [4, d], 'u32');
  return model.forward(plan, { tokens, batch: 4, training: false }).hidden.map(({ name }) => name);
}

/** Adds the plan `forward`, which leaves the requested outputs in separate tensors. */
function addForward(
  builder: ProgramBuilder,
  model: Model,
  { d }: ModelShape,
  count: number,
  wanted: true | readonly string[],
): { input: Tensor; logits: Tensor; layers: (readonly [string, Tensor])[] } {
  const batch = Math.min(BATCH, Math.max(4, 4 * Math.ceil(count / 4)));
  const plan = builder.plan('forward');
  const input = builder.persistent('tokens', [batch, d], 'u32');
  const { logits, hidden } = model.forward(plan, { tokens: input, batch, training: false });
  const names = hidden.map(({ name }) => name);
  for (const name of wanted === true ? [] : wanted)
    if (!names.includes(name)) {
      const guess = nearest(name, names);
      throw new InputError(
        `hidden: no layer "${name}"; ${guess ? `did you mean ${guess}?` : names.length ? `there are ${names.join(', ')}` : 'the model has none'}`,
      );
    }
  const chosen = hidden.filter(({ name }) => wanted === true || wanted.includes(name));
  return {
    input,
    logits: keep(plan, 'logits', logits),
    layers: chosen.map(
      ({ name, activation, positions, units }) =>
        [name, keep(plan, `hidden/${name}`, activation, [batch, positions, units])] as const,
    ),
  };
}

/** A copy that nothing later in the plan overwrites. */
function keep(plan: PlanBuilder, name: string, from: Tensor, shape = from.shape.slice(1)): Tensor {
  const out = plan.program.persistent(name, shape);
  const x = { ...from, shape: [out.shape[0], elementsPerReplica(out)] };
  blend(plan, { label: name, x, out: { ...out, shape: x.shape }, weights: { a: 0, b: 1 } });
  return out;
}

/** Rows from the order in which they are shown to the order in which a network wired along a tree reads them. */
function asRead(rows: Rows, experiment: Experiment, { metadata }: SafeFile): Rows {
  if (!('wiring' in experiment.model && experiment.model.wiring)) return rows;
  const wiring = wiringOf(membersOf(experiment)[Number(metadata.replica ?? 0)]);
  return wiring ? { ...rows, data: inOrder(rows.data, wiring) as typeof rows.data } : rows;
}

/** Rows of s^L tokens, made from rows of only the tokens that are used, or read by the network. @throws InputError */
function wholeRows({ count, length: given, data }: Rows, { d, length, firstToken, task }: ModelShape): Rows {
  const isPredicted = tasks[task].targets === 'tokens' && !tasks[task].masks; // the last token, from those before it
  const fitting = [...new Set([d, length, ...(isPredicted ? [d - 1, length - 1] : [])])];
  if (count && !fitting.includes(given))
    throw new InputError(`tokens: rows of ${given}; pass rows of ${fitting.join(' or ')} tokens`);
  const from = given >= d - 1 && !(given === length && length < d) ? 0 : firstToken;
  const whole = new Uint32Array(count * d);
  for (let row = 0; row < count; row++) whole.set(data.subarray(row * given, (row + 1) * given), row * d + from);
  return { count, length: d, data: whole };
}
