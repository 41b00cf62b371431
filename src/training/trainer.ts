import { hyperWords, SCALING_WORDS, scalingWords, UNIT_EXPONENT } from '../core/clock.js';
import { InputError } from '../core/errors.js';
import type { SafeFile } from '../core/safetensors.js';
import { type Key, streamKey, threefryInto } from '../core/threefry.js';
import { normalFiller } from '../grammar/normals.js';
import { checkBiases, fromDisk } from '../models/disk.js';
import { modelSpec } from '../models/index.js';
import type { MeasureValue } from '../models/measure.js';
import type { Executor, HostArray, LoadedProgram } from '../plan/executor.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import { type Member, plannedSteps } from './members.js';
import { type HeldOut, type TrainingProgram, trainingProgram } from './program.js';
import { makeState, type ReplicaState, stateAt, stateParts } from './replicaState.js';
import { hyperRow } from './step.js';

export interface Evaluation {
  loss: number; // nats, mean over the set
  accuracy: number;
  /** In half precision: steps skipped so far, and the loss factor. */
  skipped?: number;
  loss_scale?: number;
}

export type { ReplicaState };

const PIECE_MS = 250; // interval at which an evaluation checks the signal

/** A group of replicas on an executor: runs steps and evaluations, and reads and writes the state. */
export class Trainer {
  readonly #msPerChunk = new Map<string, number>(); // by the plan of the evaluation, measured

  private constructor(
    readonly training: TrainingProgram,
    readonly members: readonly Member[],
    readonly loaded: LoadedProgram,
  ) {}

  /**
   * Loads the group and sets the state of each member; default: step 0 of its seed. States are requested one by one after the
   * program has been loaded, so that a program that is too large is refused first. @throws ShapeError, GpuError
   */
  static async create(
    members: readonly Member[],
    executor: Executor,
    stateOf: (replica: number) => ReplicaState | Promise<ReplicaState> = (r) => initialState(training, members[r]),
    training: TrainingProgram = trainingProgram(members),
  ): Promise<Trainer> {
    if (training.state.scaling && !executor.half) throw refuseHalf(executor);
    const loaded = await executor.load(training.program);
    const trainer = new Trainer(training, members, loaded);
    try {
      await trainer.#start(stateOf);
    } catch (error) {
      loaded.destroy();
      throw error;
    }
    return trainer;
  }

  get memoryBytes(): number {
    return this.loaded.memoryBytes;
  }

  async #start(stateOf: (replica: number) => ReplicaState | Promise<ReplicaState>): Promise<void> {
    const { training, loaded } = this;
    for (const { tensor, data } of training.constants) loaded.write(tensor, data);
    this.scaleRates(this.members.map(() => 1));
    for (const replica of this.members.keys()) {
      const state = await stateOf(replica);
      // The tensors of a program that has just been loaded are zero, so the moments of a new run need no transfer.
      for (const { name, tensor } of stateParts(training))
        if (!isZero(state[name])) loaded.write(tensor, state[name], replica);
    }
  }

  /** Queues optimiser steps. */
  async advance(steps: number): Promise<void> {
    await this.loaded.run('train', steps);
  }

  /**
   * Loss and accuracy of every replica with the current weights, on the validation set, or on the test set if there is none.
   * undefined: the signal came before it was done.
   */
  evaluate(): Promise<Evaluation[]>;
  evaluate(signal: AbortSignal | undefined): Promise<Evaluation[] | undefined>;
  async evaluate(signal?: AbortSignal): Promise<Evaluation[] | undefined> {
    return this.#evaluateOn(this.training.validation ?? this.training.test, signal);
  }

  /**
   * Loss and accuracy on the test set, for the flagged replicas with their best weights; their current weights, which are in
   * `states`, are then restored. For programs with a validation set. undefined: the signal came before it was done.
   */
  async test(
    flagged: readonly boolean[],
    states: readonly ReplicaState[],
    signal?: AbortSignal,
  ): Promise<Evaluation[] | undefined> {
    await this.#copyFlagged('recall', flagged);
    const found = await this.#evaluateOn(this.training.test, signal);
    for (const [r, yes] of flagged.entries()) if (yes) this.loaded.write(this.training.params, states[r].params, r);
    return found;
  }

  async #evaluateOn({ plan, clock, record, chunks }: HeldOut, signal?: AbortSignal): Promise<Evaluation[] | undefined> {
    const { loaded } = this;
    loaded.write(clock, new Uint32Array(8 * this.members.length));
    for (let left = chunks; left > 0; ) {
      const known = this.#msPerChunk.get(plan);
      const count = Math.min(left, known === undefined ? 1 : Math.max(1, Math.floor(PIECE_MS / known)));
      left -= count;
      if (known === undefined) await loaded.finish();
      const began = performance.now();
      await loaded.run(plan, count);
      if (!left) break; // reading the results waits for them
      await loaded.finish();
      this.#msPerChunk.set(plan, (performance.now() - began) / count);
      if (signal?.aborted) return undefined;
    }
    const parts = await loaded.read(record);
    const scaling = this.training.state.scaling && (await loaded.read(this.training.state.scaling));
    return this.members.map((_, r) => {
      let loss = 0;
      let accuracy = 0;
      for (let chunk = 0; chunk < chunks; chunk++) {
        loss += parts[(r * chunks + chunk) * 2];
        accuracy += parts[(r * chunks + chunk) * 2 + 1];
      }
      return { loss: loss / chunks, accuracy: accuracy / chunks, ...(scaling && scalingOf(scaling, r)) };
    });
  }

  /** The experiment's measures at the current weights. undefined: the signal came before all were done. */
  measure(): Promise<MeasureValue[]>;
  measure(signal: AbortSignal | undefined): Promise<MeasureValue[] | undefined>;
  async measure(signal?: AbortSignal): Promise<MeasureValue[] | undefined> {
    const values: MeasureValue[] = [];
    for (const measure of this.training.measures) {
      if (signal?.aborted) return undefined;
      values.push(...(await measure.read(this.loaded)));
    }
    return values;
  }

  /** Copies the weights of the flagged replicas to `best`. */
  async keepBest(improved: readonly boolean[]): Promise<void> {
    if (improved.includes(true)) await this.#copyFlagged('keep', improved);
  }

  async #copyFlagged(plan: 'keep' | 'recall', flagged: readonly boolean[]): Promise<void> {
    this.loaded.write(
      this.training.improved,
      flagged.flatMap((yes) => (yes ? [0, 1] : [1, 0])),
    );
    await this.loaded.run(plan);
  }

  /** The state of all replicas after all queued steps, as views of one shared memory. */
  async state(): Promise<ReplicaState[]> {
    const { training, loaded } = this;
    const rows = new Map<string, HostArray[]>();
    for (const { name, tensor } of stateParts(training)) rows.set(name, this.#rows(tensor, await loaded.read(tensor)));
    return this.members.map((_, r) => makeState(training, ({ name }) => rows.get(name)![r]));
  }

  /** Multiplies the learning rate of each member's experiment by its factor, from the next step on. */
  scaleRates(factors: readonly number[]): void {
    this.members.forEach((member, r) => {
      const row = this.#hyper(member);
      row[hyperWords.rate] *= factors[r];
      this.loaded.write(this.training.state.hyper, row, r);
    });
  }

  async finish(): Promise<void> {
    await this.loaded.finish();
  }

  destroy(): void {
    this.loaded.destroy();
  }

  #hyper({ experiment }: Member): Float64Array {
    const { rateFactor } = modelSpec(experiment.model.kind);
    return hyperRow(experiment, rateFactor(experiment.model), plannedSteps(experiment));
  }

  #rows(tensor: Tensor, packed: HostArray): HostArray[] {
    const per = elementsPerReplica(tensor);
    return this.members.map((_, r) => packed.subarray(r * per, (r + 1) * per));
  }
}

/** The error for an experiment with precision f16 on an executor without matrix units or permission to emulate them. */
export function refuseHalf({ description }: Executor): InputError {
  return new InputError(
    `precision: f16 needs matrix units (tensor cores) that WebGPU offers, ${description} has none; pass --emulate-f16 ` +
      '(the same numbers up to rounding, slowly), or leave precision at f32',
  );
}

/** Whether all bits are zero: -0 is not. */
function isZero({ buffer, byteOffset, byteLength }: ReplicaState[string]): boolean {
  return new Uint32Array(buffer, byteOffset, byteLength / 4).every((word) => word === 0);
}

/** Decodes a replica's row of `scaling`. */
function scalingOf(scaling: HostArray, replica: number): Required<Pick<Evaluation, 'skipped' | 'loss_scale'>> {
  const word = (name: keyof typeof scalingWords) => scaling[replica * SCALING_WORDS + scalingWords[name]];
  return { skipped: word('skipped'), loss_scale: 2 ** (word('exponent') - UNIT_EXPONENT) };
}

/** One replica at step 0. @throws InputError if the file does not fit. */
export async function initialState(training: TrainingProgram, member: Member, init?: SafeFile): Promise<ReplicaState> {
  return stateAt(training, await initialWeights(training, member, init));
}

/** One replica's row [P] at step 0: from its seed, or from a file. @throws InputError if the file does not fit. */
export async function initialWeights(
  { model, program }: TrainingProgram,
  member: Member,
  init?: SafeFile,
): Promise<Float32Array | Float64Array> {
  if (init) {
    checkBiases(init, 'weights');
    const given = new Float64Array(program.parameterCount); // a file may contain F64
    fromDisk(model.parameters, program, init, given);
    return given;
  }
  const row = new Float32Array(program.parameterCount);
  const fillNormal = await normalFiller();
  model.parameters.forEach(({ name, shape, init: kind }, index) => {
    const { offset } = program.tensors.get(name)!;
    const part = row.subarray(offset, offset + shape.reduce((a, b) => a * b, 1));
    const key = streamKey(member.seed, 'init', index);
    if (kind === 'normal') fillNormal(key, part);
    else if (typeof kind === 'object') fillUniform(key, kind.uniform, part);
    else part.fill(kind === 'ones' ? 1 : 0);
  });
  return row;
}

const words = new Uint32Array(2);

/** Uniform numbers in (-bound, bound), rounded to f32. Each uses 24 random bits. */
function fillUniform(key: Key, bound: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    threefryInto(words, key, i, 0);
    out[i] = bound * (((words[0] >>> 8) + 0.5) / 2 ** 23 - 1);
  }
}
