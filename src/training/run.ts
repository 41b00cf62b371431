import { contentHash } from '../core/canonical.js';
import { isDiverged } from '../core/divergence.js';
import { DamageError, FileError, InputError, RhmError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { type Host, RecordLines, type RunEnd, type RunRecord } from '../core/records.js';
import type { Rules } from '../core/rules.js';
import type { SafeFile } from '../core/safetensors.js';
import type { Simd } from '../core/simd.js';
import { program } from '../core/version.js';
import type { MeasureValue } from '../models/measure.js';
import type { Executor } from '../plan/executor.js';
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  type ReplicaProgress,
  verifyCheckpoint,
} from './checkpoint.js';
import { continuedState, type Parent } from './continued.js';
import { files, type RunFolder } from './folder.js';
import { describeTestSet } from './heldOut.js';
import { countEvaluations, lostRecords, recordsRemedy } from './integrity.js';
import { epochSteps, evaluationSteps, type Member, membersOf, plannedSteps, rulesOf, secondsLeft } from './members.js';
import { examine, type OldRun, sameInit } from './oldRun.js';
import type { TrainingProgram } from './program.js';
import { copyState, type ReplicaState, stepOf } from './replicaState.js';
import { simdOf } from './simd.js';
import { type Evaluation, initialState, initialWeights } from './trainer.js';
import { weightsDigest } from './weights.js';

export interface GroupRun {
  experiment: Experiment;
  folder: RunFolder;
  /** Continue from the folder's checkpoint, if there is one. Without it, a folder that contains a run is refused. */
  resume?: boolean;
  /** If a checkpoint has lost all its records: start again, with the same bits. Otherwise it is refused. */
  again?: boolean;
  /** The run that the experiment continues, if it has a field `from`; not needed for resuming. */
  parent?: Parent;
  /** Initial weights, with the reference's names and shapes. They identify the run: it cannot be resumed with another file. */
  init?: SafeFile;
}

export interface Progress {
  step: number;
  steps: number;
  loss: number; // test loss of replica 0 at the last evaluation, nats
  samplesPerSecond: number; // training sentences, over all replicas
  secondsLeft: number; // NaN in the first seconds
}

export interface TrainResult {
  hash: string;
  reason: RunEnd | 'stopped' | 'interrupted';
  message?: string; // why it was stopped
  step: number;
  /** Last evaluation of each replica. */
  loss: number[];
  records: RunRecord[];
}

/** Callbacks for a run's records and progress, and the clock. */
export interface RunHooks {
  onRecord?: (record: RunRecord) => void;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal; // its reason, if a text, says why the run was stopped
  now: () => number;
}

/** One experiment during training: its folder, records and checkpoint, and the progress of its replicas. */
export class TrainingRun {
  step = 0;
  /** Learning rate divided by that of the experiment, as set by hand. */
  rateFactor = 1;
  /** It continues another run and does not have a checkpoint yet. */
  isNewBranch = false;
  /** The run is finished with. */
  settled = false;
  /** Files of an earlier version from which it continues: changes to them cannot be detected. */
  readonly unchecked: string[] = [];
  readonly steps: number;
  /** Arithmetic of wasm's multiply-adds, set at the first start on wasm; undefined: not started there yet. */
  simd: Simd | undefined;
  #old!: OldRun; // since `restore`
  #lines = new RecordLines();
  readonly #evaluations: number[];
  readonly #progress: ReplicaProgress[];
  readonly #states: (ReplicaState | undefined)[]; // states of replicas that have ended, or of a checkpoint before the first step
  #loss: number[];
  #records: RunRecord[] = [];
  #init: string | undefined; // digest of the initial weights, undefined: drawn from the seed
  #evaluatedAt = 0;
  #stoppedFor: string | undefined; // reason given by its user
  #elapsedBefore = 0;
  #startedAt = 0;
  #firstStep = 0;

  private constructor(
    readonly input: GroupRun,
    readonly hash: string,
    readonly rules: Rules,
    readonly members: readonly Member[],
    readonly hooks: RunHooks,
  ) {
    this.steps = plannedSteps(input.experiment);
    this.#evaluations = evaluationSteps(this.steps, input.experiment.evaluation.perDoubling);
    this.#progress = members.map(() => ({ bestLoss: null, bestStep: 0, ended: null }));
    this.#states = members.map(() => undefined);
    this.#loss = members.map(() => Number.NaN);
  }

  /** Checks the experiment; its folder is not touched before `restore`. @throws InputError */
  static async open(input: GroupRun, hooks: RunHooks): Promise<TrainingRun> {
    const rules = rulesOf(input.experiment);
    const members = membersOf(input.experiment, rules);
    const hash = await contentHash(input.experiment);
    return new TrainingRun(input, hash, rules, members, hooks);
  }

  /** The replicas that have not ended. */
  get live(): number[] {
    return this.members.flatMap((_, r) => (this.#progress[r].ended ? [] : [r]));
  }

  /** The next step at which it is evaluated. */
  get nextEvaluation(): number {
    return this.#evaluations.find((step) => step > this.step) ?? this.steps;
  }

  /** Whether it was stopped at this step before its evaluation was done. */
  get owesEvaluation(): boolean {
    return this.step > this.#evaluatedAt && this.#evaluations.includes(this.step);
  }

  get result(): TrainResult {
    const message = this.#stoppedFor;
    const reason = this.live.length
      ? message === undefined
        ? 'interrupted'
        : 'stopped'
      : this.#progress.every((p) => p.ended === 'diverged')
        ? 'diverged'
        : 'done';
    const result = { hash: this.hash, reason, step: this.step, loss: this.#loss, records: this.#records } as const;
    return reason === 'stopped' ? { ...result, message } : result;
  }

  /**
   * Reads the folder and restores its checkpoint, if there is one. layout: of a program with any number of replicas.
   * @throws InputError if the folder contains another run, or checkpoint or weights do not fit; FileError if the checkpoint is damaged.
   */
  async restore(layout: TrainingProgram): Promise<void> {
    const { experiment, init, resume } = this.input;
    if (init) await initialWeights(layout, this.members[0], init); // a file that does not fit is refused before the folder is made
    this.#old = await examine(this.input, this.hash);
    const { checkpoint: bytes, records } = this.#old;
    const own = bytes && resume ? await this.#decode(layout, bytes) : undefined;
    this.#init = sameInit(this.input, this.#old, own, init && (await weightsDigest(layout.model, init)));
    this.simd = own?.simd ?? simdOf(records);
    this.isNewBranch = !own && experiment.from !== undefined;
    const checkpoint = this.isNewBranch ? await continuedState(experiment, this.input.parent, layout) : own;
    if (!checkpoint) return;
    this.members.forEach((_, r) => {
      this.#states[r] = checkpoint.replicas[r].state;
      this.#progress[r] = checkpoint.replicas[r].progress;
    });
    this.step = checkpoint.step;
    this.#elapsedBefore = checkpoint.elapsedMs;
    const rate = records.findLast((r) => r.type === 'rate' && r.step <= this.step);
    if (rate?.type === 'rate') this.rateFactor = rate.factor;
  }

  /** Returns the state from which a replica starts, from the checkpoint or at step 0. */
  async takeState(replica: number, layout: TrainingProgram): Promise<ReplicaState> {
    const state = this.#states[replica];
    this.#states[replica] = undefined;
    return state ?? initialState(layout, this.members[replica], this.input.init);
  }

  /** Writes the files that identify the run, and drops records from after the checkpoint: they will be made again. */
  async openFolder(): Promise<void> {
    const { folder, experiment } = this.input;
    const kept = this.#old.records.filter((r) => {
      if (r.type === 'eval' || r.type === 'measure' || r.type === 'rate') return r.step <= this.step;
      if (r.type === 'start') return true;
      return (r.type === 'end' || r.type === 'test') && r.replica !== undefined && this.#progress[r.replica]?.ended;
    });
    for (const record of kept)
      if (record.type === 'eval') {
        this.#loss[record.replica] = record.loss;
        this.#evaluatedAt = Math.max(this.#evaluatedAt, record.step);
      }
    // The checkpoint of an end is written before its records.
    for (const replica of this.members.keys())
      for (const record of this.#endRecords(replica))
        if (!kept.some((r) => r.type === record.type && 'replica' in r && r.replica === replica)) kept.push(record);
    this.#records = kept;
    await folder.write(files.rules, `${JSON.stringify(this.rules)}\n`);
    this.#lines = new RecordLines();
    await folder.write(files.records, this.#lines.format(kept));
    await folder.write(files.experiment, `${JSON.stringify(experiment, null, 2)}\n`);
  }

  /** Starts the clock and records the environment. */
  async begin(executor: Omit<Executor, 'load'>, host?: Host, together?: number): Promise<void> {
    this.simd ??= executor.simd;
    this.#startedAt = this.hooks.now();
    this.#firstStep = this.step;
    const { hash, step } = this;
    const unchecked = (step > 0 && this.#old.parsed.unchecked) || undefined;
    const { description: adapter, driver, kind, simd, runtime = host?.runtime } = executor;
    const on = { ...host, runtime, adapter, driver, executor: kind, simd, ...program, together };
    const time = new Date().toISOString();
    await this.#emit({ type: 'start', hash, ...on, step, init: this.#init, unchecked, time });
  }

  /** Excludes `ms` that passed since `begin` from its time. */
  pause(ms: number): void {
    this.#startedAt += ms;
  }

  improves(replica: number, loss: number): boolean {
    const { bestLoss } = this.#progress[replica];
    return bestLoss === null ? Number.isFinite(loss) : loss < bestLoss;
  }

  /** Records an evaluation of live replicas at this step, and decides which of them end. */
  async evaluated(results: readonly (Evaluation & { replica: number; values: MeasureValue[] })[]): Promise<void> {
    const { evaluation } = this.input.experiment;
    const { step } = this;
    const samples = this.#samplesAt(step);
    const set = evaluation.validation === undefined ? {} : { set: 'validation' as const };
    this.#evaluatedAt = step;
    const elapsed_ms = Math.round(this.#elapsed());
    const records: RunRecord[] = [];
    for (const { replica, values, ...found } of results) {
      const { loss } = found;
      const p = this.#progress[replica];
      this.#loss[replica] = loss;
      if (this.improves(replica, loss)) Object.assign(p, { bestLoss: loss, bestStep: step });
      records.push({ type: 'eval', replica, step, samples, ...found, elapsed_ms, ...set });
      for (const value of values) records.push({ type: 'measure', step, samples, ...value, replica });
      p.ended = this.#endAfter(replica, loss) ?? p.ended;
    }
    await this.#emit(...records);
  }

  /** How a replica ends with this loss at this step; null: it continues. */
  #endAfter(replica: number, loss: number): ReplicaProgress['ended'] {
    const { budget } = this.input.experiment;
    const { stopLoss = -Infinity, patience = Infinity } = budget;
    const { step } = this;
    const bestStep = this.improves(replica, loss) ? step : this.#progress[replica].bestStep;
    const last = step >= this.steps || step >= patience * Math.max(bestStep, epochSteps(budget));
    // A huge loss may still come down; at the last step it has not.
    if (!Number.isFinite(loss) || (last && isDiverged(loss))) return 'diverged';
    return last || loss <= stopLoss ? 'done' : null;
  }

  /** Whether a replica ends with this loss and is then tested with its best weights. */
  isTestedAfter(replica: number, loss: number): boolean {
    if (this.input.experiment.evaluation.validation === undefined) return false;
    return (
      this.#endAfter(replica, loss) !== null &&
      (this.improves(replica, loss) || this.#progress[replica].bestLoss !== null)
    );
  }

  /** Replicas that have ended but whose state has not been saved yet. */
  get ending(): number[] {
    return this.members.flatMap((_, r) => (this.#progress[r].ended && !this.#states[r] ? [r] : []));
  }

  /** Records the test of a replica that is ending. */
  async tested(replica: number, { loss, accuracy }: Evaluation): Promise<void> {
    this.#progress[replica].test = { loss, accuracy, ...(await describeTestSet(this.members[replica])) };
  }

  /** Saves the states of replicas that have ended, as they are now; the checkpoint is written before the records of the ends. */
  async end(states: readonly (ReplicaState | undefined)[], layout: TrainingProgram): Promise<void> {
    const { ending } = this;
    await this.save(states, layout);
    // Copies: a view would keep the memory of the whole group alive. The last replicas' states are not needed any more.
    if (this.live.length) for (const r of ending) this.#states[r] = copyState(states[r]!);
    await this.#emit(...ending.flatMap((r) => this.#endRecords(r)));
  }

  /** The records of a replica that has ended: the test of its best weights, and the end. */
  #endRecords(replica: number): RunRecord[] {
    const { ended, test, bestLoss, bestStep: step } = this.#progress[replica];
    if (!ended) return [];
    const end: RunRecord = { type: 'end', replica, reason: ended };
    if (!test || bestLoss === null) return [end];
    return [{ type: 'test', replica, step, samples: this.#samplesAt(step), validation: bestLoss, ...test }, end];
  }

  #samplesAt(step: number): number {
    const { batch, accumulate } = this.input.experiment.budget;
    return step * batch * accumulate;
  }

  async interrupted(states: readonly (ReplicaState | undefined)[], layout: TrainingProgram): Promise<void> {
    await this.save(states, layout);
    const { reason } = this.hooks.signal ?? {};
    const why = typeof reason === 'string' ? reason : undefined;
    this.#stoppedFor = why;
    await this.#emit(
      why === undefined ? { type: 'end', reason: 'interrupted' } : { type: 'end', reason: 'stopped', message: why },
    );
  }

  /** Writes a checkpoint. states: of the live replicas, by replica. */
  async save(states: readonly (ReplicaState | undefined)[], layout: TrainingProgram): Promise<void> {
    const checkpoint: Checkpoint = {
      hash: this.hash,
      init: this.#init,
      simd: this.simd,
      step: this.step,
      elapsedMs: Math.round(this.#elapsed()),
      records: countEvaluations(this.#records, this.step),
      replicas: this.#progress.map((progress, r) => ({ state: (this.#states[r] ?? states[r])!, progress })),
    };
    await this.input.folder.write(files.checkpoint, await encodeCheckpoint(checkpoint, layout));
  }

  async rateChanged(): Promise<void> {
    await this.#emit({ type: 'rate', step: this.step, factor: this.rateFactor });
  }

  report(): void {
    const seconds = (this.hooks.now() - this.#startedAt) / 1000;
    const done = this.step - this.#firstStep;
    const { batch, accumulate } = this.input.experiment.budget;
    this.hooks.onProgress?.({
      step: this.step,
      steps: this.steps,
      loss: this.#loss[0],
      samplesPerSecond: (done * batch * accumulate * this.members.length) / seconds,
      secondsLeft: secondsLeft(this.steps - this.step, done, seconds),
    });
  }

  #elapsed(): number {
    return this.#elapsedBefore + this.hooks.now() - this.#startedAt;
  }

  async #emit(...records: RunRecord[]): Promise<void> {
    await this.input.folder.append(files.records, this.#lines.format(records));
    for (const record of records) {
      this.#records.push(record);
      this.hooks.onRecord?.(record);
    }
  }

  async #decode(layout: TrainingProgram, bytes: Uint8Array): Promise<Checkpoint | undefined> {
    const file = `${this.input.folder.name}/${files.checkpoint}`;
    const remedy = 'restore a copy of it, or remove it to start again';
    const { parsed } = this.#old;
    try {
      const checkpoint = await this.#verified(layout, bytes, file);
      for (const { state, progress } of checkpoint.replicas) {
        const step = stepOf(state);
        if (progress.ended ? step > checkpoint.step : step !== checkpoint.step)
          throw new DamageError(`${file}: replicas at different steps; the file is damaged`);
      }
      if (parsed.unchecked) this.unchecked.push(files.records);
      const lost = lostRecords(parsed, this.input.experiment, checkpoint);
      if (lost && this.input.again && !parsed.records.length && !parsed.problems.length) return undefined;
      if (!lost) return checkpoint;
      throw new DamageError(`${this.input.folder.name}/${files.records}: ${lost}; ${recordsRemedy}`);
    } catch (error) {
      if (!(error instanceof FileError) || error.message.endsWith(recordsRemedy)) throw error;
      throw new DamageError(`${error.message}; ${remedy}`, { cause: error });
    }
  }

  async #verified(layout: TrainingProgram, bytes: Uint8Array, file: string): Promise<Checkpoint> {
    let checkpoint: Checkpoint | undefined;
    let wrong: unknown;
    try {
      checkpoint = decodeCheckpoint(bytes, file, this.hash, this.members.length, layout);
    } catch (error) {
      wrong = error;
    }
    let checked = false;
    try {
      checked = (await verifyCheckpoint(bytes, file)).checked;
    } catch (error) {
      // Both messages are given: one names the part, the other says that the fault is in the file and not in the experiment.
      if (wrong instanceof InputError)
        throw new DamageError(`${file}: ${wrong.message.replace(`${file}: `, '')}; ${(error as Error).message}`);
      throw error;
    }
    if (!checked) this.unchecked.push(files.checkpoint);
    if (wrong instanceof RhmError) throw wrong;
    if (!checkpoint) throw new DamageError(`${file}: ${(wrong as Error).message}; the file is damaged`);
    return checkpoint;
  }
}
