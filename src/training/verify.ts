/**
 * Replays golden cases made with the authors' PyTorch code through any executor. A case records neither the precision in which
 * its inputs were whitened nor the order in which the inputs of an fcn were flattened, and cases differ in both: of the
 * alternatives, the ones are used with which the float64 reference comes closest to the case's logits (`inputs` of the result).
 * Nothing else about a case is left open.
 */

import { PACE_WORDS, SCALING_WORDS, scalingWords, UNIT_EXPONENT } from '../core/clock.js';
import { parseExperiment } from '../core/experiment.js';
import type { Precision } from '../core/precision.js';
import { decodeSafetensors, type SafeFile } from '../core/safetensors.js';
import { type TaskKind, tasks } from '../core/tasks.js';
import { referenceExecutor } from '../kernels/index.js';
import { fromDisk, toDisk } from '../models/disk.js';
import { createModel } from '../models/index.js';
import { declare, type Model, modelShape } from '../models/types.js';
import { ProgramBuilder } from '../plan/builder.js';
import type { Executor, LoadedProgram } from '../plan/executor.js';
import type { Call, Program, Tensor } from '../plan/types.js';
import { addLossAndGradient, addUpdate, declareMoments, declareState, hyperRow, targetsOf } from './step.js';

export interface GroupResult {
  worst: number; // largest |got - want| / (largest |want| of its tensor), over the group's tensors
  bound: number;
  where: string;
}
/** How a case computed its inputs from tokens. */
export interface CaseInputs {
  whitened: 'f32' | 'f64';
  flattened: 'by position' | 'by symbol'; // for fcn; in the authors' programs: by position
}
export interface VerifiedCase {
  file: string;
  kind: string;
  executor: string;
  replicas: number; // copies trained side by side
  inputs: CaseInputs;
  ok: boolean;
  groups: Record<'logits' | 'loss' | 'grad' | 'sgd' | 'adamw', GroupResult>;
}

interface GoldenCase {
  kind: string;
  v: number;
  n: number;
  m: number;
  s: number;
  L: number;
  batch: number;
  mode: TaskKind;
  width?: number;
  channels?: number;
  heads?: number;
  depth?: number;
  ratio?: number;
  bias?: boolean;
  sgd_lr: number;
  sgd_momentum: number;
  adamw: { lr: number; weight_decay: number; betas: [number, number]; eps: number };
}

const STEPS = 5;
const GOLDEN_EXPONENT = 8; // log2 of the loss factor in f16: these cases are small

/**
 * Runs one golden file. replicas > 1 trains copies side by side; all must agree with the file. bounds: float64 1e-10; f32: rounding (2^-24)
 * of sums of up to a few hundred terms, amplified by five optimiser steps; f16: rounding of every factor (2^-11), independent of how
 * products are summed.
 */
export async function verifyGolden(
  bytes: Uint8Array,
  file: string,
  executor: Executor,
  replicas = 1,
  precision: Precision = 'f32',
): Promise<VerifiedCase> {
  const golden = decodeSafetensors(bytes, file);
  const c: GoldenCase = JSON.parse(golden.metadata.case);
  const bound = (f32: number, f16: number) => (precision === 'f16' ? f16 : executor.kind === 'reference' ? 1e-10 : f32);
  const groups: VerifiedCase['groups'] = {
    logits: { worst: 0, bound: bound(2e-5, 1e-2), where: '' },
    loss: { worst: 0, bound: bound(1e-5, 5e-3), where: '' },
    grad: { worst: 0, bound: bound(5e-5, 2e-2), where: '' },
    sgd: { worst: 0, bound: bound(2e-3, 2e-2), where: '' },
    adamw: { worst: 0, bound: bound(2e-3, 5e-2), where: '' },
  };
  const inputs = await inputsOf(golden, c);
  for (const kind of ['sgd', 'adamw'] as const) {
    const run = await GoldenRun.start(golden, c, inputs, kind, executor, replicas, precision);
    try {
      await run.replay(kind, groups);
    } finally {
      run.loaded.destroy();
    }
  }
  const ok = Object.values(groups).every((g) => g.worst <= g.bound);
  return { file, kind: c.kind, executor: executor.description, replicas, inputs, ok, groups };
}

async function inputsOf(golden: SafeFile, c: GoldenCase): Promise<CaseInputs> {
  let best: CaseInputs = { whitened: 'f32', flattened: 'by position' };
  let least = Number.POSITIVE_INFINITY;
  for (const whitened of ['f32', 'f64'] as const)
    for (const flattened of c.kind === 'fcn' ? (['by position', 'by symbol'] as const) : (['by position'] as const)) {
      const inputs = { whitened, flattened };
      const run = await GoldenRun.start(golden, c, inputs, 'sgd', referenceExecutor(), 1);
      const error = await run.logitsError(golden);
      run.loaded.destroy();
      if (error < least) [best, least] = [inputs, error];
    }
  return best;
}

/** The case's fcn weights with the columns of the first layer in our order; others unchanged. */
function byPosition(name: string, values: Float64Array, c: GoldenCase, { flattened }: CaseInputs): Float64Array {
  if (flattened === 'by position' || !name.endsWith('hidden.0.0.weight')) return values;
  const { v } = c;
  const columns = values.length / c.width!;
  const length = columns / v;
  return values.map((_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return values[row * columns + (column % v) * length + Math.floor(column / v)];
  });
}

function experimentOf(c: GoldenCase, kind: 'sgd' | 'adamw', precision: Precision) {
  const names: Record<string, string> = { transformer_mla: 'mla', transformer_clm: 'clm' };
  const model: Record<string, unknown> = { kind: names[c.kind] ?? c.kind };
  for (const key of ['width', 'channels', 'heads', 'ratio'] as const) if (c[key] !== undefined) model[key] = c[key];
  if (c.depth !== undefined) model.depth = c.depth;
  if (c.bias) model.bias = true;
  return parseExperiment({
    grammar: { v: c.v, n: c.n, m: c.m, s: c.s, L: c.L },
    task: { kind: c.mode },
    model,
    optimiser:
      kind === 'sgd'
        ? { kind, rate: c.sgd_lr, momentum: c.sgd_momentum }
        : {
            kind,
            rate: c.adamw.lr,
            weightDecay: c.adamw.weight_decay,
            beta1: c.adamw.betas[0],
            beta2: c.adamw.betas[1],
            epsilon: c.adamw.eps,
          },
    budget: { batch: c.batch },
    precision,
  });
}

class GoldenRun {
  private constructor(
    readonly model: Model,
    readonly loaded: LoadedProgram,
    readonly logits: Tensor, // logits of the plan `probe`
    readonly want: (name: string) => Float64Array, // values of the case, in our order
  ) {}

  static async start(
    golden: SafeFile,
    c: GoldenCase,
    inputs: CaseInputs,
    kind: 'sgd' | 'adamw',
    executor: Executor,
    replicas: number,
    precision: Precision = 'f32',
  ) {
    const experiment = experimentOf(c, kind, precision);
    const model = createModel(experiment);
    const shape = modelShape(experiment);
    const builder = new ProgramBuilder(replicas);
    declare(builder, model.parameters);
    const state = declareState(builder, STEPS, precision);
    const tokens = builder.persistent('tokens', [c.batch, shape.d], 'u32');
    const roots = builder.persistent('roots', [c.batch, 1], 'u32');
    const moments = declareMoments(builder, kind);
    const plan = builder.plan('step');
    const { scaling } = state;
    const forward = model.forward(plan, { tokens, batch: c.batch, training: false, scaling });
    addLossAndGradient(plan, { forward, ...targetsOf(shape, { tokens, roots }), state });
    // In the plan of the step the memory of the logits is reused; here they are written last.
    const probe = builder.plan('probe');
    const probed = model.forward(probe, { tokens, batch: c.batch, training: false });
    const update = builder.plan('update');
    addUpdate(update, experiment.optimiser, builder.block('grads'), moments, state, c.batch);
    const program = withInputs(builder.build(), inputs);
    const loaded = await executor.load(program);
    const row = new Float64Array(program.parameterCount);
    const want = (name: string) => byPosition(name, golden.tensors.get(name)!.data as Float64Array, c, inputs);
    const tensors = new Map([...golden.tensors].map(([name, t]) => [name, { ...t, data: want(name) }]));
    fromDisk(model.parameters, program, { ...golden, tensors }, row, 'param/');
    const hyper = hyperRow(experiment, 1, STEPS);
    const scalingStart = new Uint32Array(SCALING_WORDS);
    scalingStart[scalingWords.exponent] = UNIT_EXPONENT + GOLDEN_EXPONENT;
    const repeat = (values: ArrayLike<number>) =>
      Float64Array.from({ length: values.length * replicas }, (_, i) => values[i % values.length]);
    loaded.write(builder.block('params'), repeat(row));
    loaded.write(state.hyper, repeat(hyper));
    loaded.write(state.pace, new Float64Array(PACE_WORDS * replicas));
    if (scaling) loaded.write(scaling, Uint32Array.from(repeat(scalingStart)));
    loaded.write(tokens, repeat(golden.tensors.get('tokens')!.data as Int32Array));
    if (tasks[c.mode].targets === 'roots')
      loaded.write(roots, repeat(golden.tensors.get('targets')!.data as Int32Array));
    return new GoldenRun(model, loaded, probed.logits, want);
  }

  /** Mean logarithm, so that a few wrong logits do not dominate. */
  async logitsError(golden: SafeFile): Promise<number> {
    await this.loaded.run('probe');
    const got = await this.loaded.read(this.logits);
    const want = golden.tensors.get('logits')!.data as Float64Array;
    return [...got].reduce((sum, x, i) => sum + Math.log(Math.abs(x - want[i]) + 1e-16), 0) / got.length;
  }

  async replay(kind: 'sgd' | 'adamw', groups: VerifiedCase['groups']): Promise<void> {
    const { loaded, want } = this;
    const program = loaded.program;
    if (kind === 'sgd') {
      await loaded.run('probe');
      note(groups.logits, 'logits', await loaded.read(this.logits), want('logits'));
    }
    const losses: number[][] = [];
    for (let step = 0; step < STEPS; step++) {
      await loaded.run('step');
      if (step === 0 && kind === 'sgd')
        for (const [name, { data }] of await this.#tensors('grads'))
          note(groups.grad, name, this.#unscaled(data), want(`grad/${name}`));
      await loaded.run('update');
    }
    const record = await loaded.read(program.tensors.get('record')!);
    for (let r = 0; r < program.replicas; r++)
      losses.push(Array.from({ length: STEPS }, (_, step) => record[(r * STEPS + step) * 2]));
    for (const values of losses) {
      if (kind === 'sgd') note(groups.loss, 'loss', [values[0]], want('loss'));
      note(groups[kind], 'losses', values, want(`${kind}/losses`));
    }
    for (const [name, { data }] of await this.#tensors('params'))
      note(groups[kind], name, data, want(`${kind}/param/${name}`));
  }

  #unscaled(gradient: Float32Array | Float64Array): Float32Array | Float64Array {
    return this.loaded.program.tensors.has('scaling') ? gradient.map((x) => x * 2 ** -GOLDEN_EXPONENT) : gradient;
  }

  /** All replicas' tensors of a block under their names on disk, one after the other. */
  async #tensors(block: 'params' | 'grads') {
    const program = this.loaded.program;
    const all = (await this.loaded.read(program.tensors.get(block)!)) as Float32Array | Float64Array;
    const P = program.parameterCount;
    const list: [string, { data: Float32Array | Float64Array }][] = [];
    for (let r = 0; r < program.replicas; r++)
      list.push(...toDisk(this.model.parameters, program, all.subarray(r * P, (r + 1) * P)));
    return list;
  }
}

/** The program with the reference's inputs whitened in the precision of the case; other executors have only f32. */
function withInputs(program: Program, { whitened }: CaseInputs): Program {
  if (whitened === 'f32') return program;
  const exact = (call: Call): Call =>
    'exactInputs' in call.params ? { ...call, params: { ...call.params, exactInputs: true } } : call;
  const plans = [...program.plans].map(([name, plan]) => [name, { ...plan, calls: plan.calls.map(exact) }] as const);
  return { ...program, plans: new Map(plans) };
}

/** Compares element by element (repeating `want` for replicas); NaN counts as infinitely wrong. */
function note(group: GroupResult, name: string, got: ArrayLike<number>, want: Float64Array): void {
  let scale = 0;
  for (const x of want) scale = Math.max(scale, Math.abs(x));
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i] - want[i % want.length]) / (scale || 1);
    if (!(error <= group.worst)) {
      group.worst = Number.isFinite(error) ? error : Number.POSITIVE_INFINITY;
      group.where = `${name}[${i}]`;
    }
  }
}
