import type { Experiment } from '../core/experiment.js';
import type { Host, RunRecord } from '../core/records.js';
import type { SafeFile } from '../core/safetensors.js';
import type { MeasureContext, MeasureTable } from '../models/measure.js';
import type { Executor } from '../plan/executor.js';
import type { RunFolder } from './folder.js';
import { checkKeys } from './groupKey.js';
import type { Member } from './members.js';
import type { RunMoment, RunStart } from './moment.js';
import { type TrainingProgram, trainingProgram } from './program.js';
import { type GroupRun, type Progress, TrainingRun, type TrainResult } from './run.js';
import { bySimd } from './simd.js';
import { type ReplicaState, Trainer } from './trainer.js';

export type { RunMoment, RunStart } from './moment.js';
export type { GroupRun, Progress, TrainResult } from './run.js';

interface SharedOptions {
  /** The executor. A function is called only after everything has been checked. */
  executor: Executor | (() => Promise<Executor>);
  signal?: AbortSignal; // saves and ends the run: `stopped` if abort was given a text, else `interrupted`
  /** Measures that experiment.measures may name. */
  measures?: MeasureTable;
  /** For the records: the environment of this program. */
  host?: Host;
  /** Milliseconds between checkpoints; default 30 000. */
  checkpointMs?: number;
  /** Milliseconds of steps between checks of the signal; up to two such slices may be queued; default 125. */
  sliceMs?: number;
  now?: () => number;
}

export interface TrainOptions extends SharedOptions, Omit<GroupRun, 'experiment'> {
  folder: RunFolder;
  init?: SafeFile;
  /**
   * Called between slices; returns the last step that the run may go to now. Training waits while the promise is pending, and
   * asks again when that step is done. The bits do not depend on it. Must resolve once `signal` is aborted.
   */
  control?: (moment: RunMoment) => number | Promise<number>;
  /** Adds the caller's plans to the program, for `control` and `beforeEnd` to run; called again when replicas leave the program. */
  addPlans?: (context: MeasureContext) => void;
  /** Called after the last step, while the trainer still exists. */
  beforeEnd?: (trainer: Trainer, step: number) => Promise<void>;
  onRecord?: (record: RunRecord) => void;
  onProgress?: (progress: Progress) => void;
  /** Called before the first step. */
  onStart?: (start: RunStart) => void;
}

/** The callbacks of TrainOptions with the number of the run, from 0. */
export interface GroupOptions extends SharedOptions {
  onRecord?: (record: RunRecord, index: number) => void;
  onProgress?: (progress: Progress, index: number) => void;
  onStart?: (start: RunStart, index: number) => void;
  /** Called once for each run, when all of it is written: its folder may be released. The other runs wait for the promise. */
  onEnd?: (result: GroupResult, index: number) => void | Promise<void>;
}

/** A run that was stopped by its input or folder: the folder still contains its last checkpoint. */
export interface FailedRun {
  reason: 'failed';
  error: unknown;
}

export type GroupResult = TrainResult | FailedRun;

const CHECKPOINT_MS = 30_000;
const SLICE_MS = 125;
const SIDE_BY_SIDE = 4; // number of runs whose folders are written at once: each holds a whole checkpoint in memory

/**
 * Trains one experiment to its end (or to an abort), writing experiment, rules, records and checkpoints to the folder. The
 * records and final weights do not depend on how often it was stopped and resumed.
 * @throws InputError before any work if the folder contains another run; errors of the executor or the folder, after which the
 * folder still contains the last checkpoint.
 */
export async function train(experiment: Experiment, options: TrainOptions): Promise<TrainResult> {
  const { folder, resume, parent, init, control, addPlans, beforeEnd, ...rest } = options;
  const group = new Group(rest, { control, addPlans, beforeEnd });
  const [result] = await group.go([{ experiment, folder, resume, parent, init }]);
  if (result.reason === 'failed') throw result.error;
  return result;
}

/**
 * Trains runs of one groupKey side by side in one plan. Each gets the records (except for times) and the weights that it gets alone;
 * they may have different lengths, and be resumed from different steps. A run that has ended leaves the plan; a run whose folder fails
 * ends alone, with the error in its result. Results are in the order of the runs.
 * @throws InputError if the keys differ; errors of the executor, after which the folders of runs that have not ended contain their last
 * checkpoints.
 */
export async function trainGroup(runs: readonly GroupRun[], options: GroupOptions): Promise<GroupResult[]> {
  return new Group(options).go(runs);
}

/** A replica's place in the plan. */
interface ReplicaSlot {
  run: TrainingRun;
  replica: number;
  member: Member;
}

class Group {
  readonly #results: GroupResult[] = [];
  readonly #index = new Map<TrainingRun, number>();
  #together: readonly TrainingRun[] = []; // runs being trained now, all of the same arithmetic
  readonly #now: () => number;
  #executor!: Executor;
  #trainer: Trainer | undefined;
  #slots: ReplicaSlot[] = [];
  #checkpointAt = 0;
  #ahead: { steps: number; done: Promise<void> } | undefined; // slice queued last; the device is running it or will

  constructor(
    readonly options: GroupOptions,
    readonly hooks: Pick<TrainOptions, 'control' | 'addPlans' | 'beforeEnd'> = {},
  ) {
    this.#now = options.now ?? (() => performance.now());
  }

  async go(inputs: readonly GroupRun[]): Promise<GroupResult[]> {
    checkKeys(inputs);
    const { onRecord, onProgress } = this.options;
    for (const [index, input] of inputs.entries())
      try {
        const hooks = {
          onRecord: onRecord && ((record: RunRecord) => onRecord(record, index)),
          onProgress: onProgress && ((progress: Progress) => onProgress(progress, index)),
          now: this.#now,
        };
        this.#index.set(await TrainingRun.open(input, { ...hooks, signal: this.options.signal }), index);
      } catch (error) {
        await this.#settle(index, { reason: 'failed', error });
      }
    try {
      await this.#train();
    } finally {
      this.#trainer?.destroy();
    }
    return this.#results;
  }

  /** Active runs that have not ended. */
  get #runs(): TrainingRun[] {
    return this.#together.filter((run) => !run.settled);
  }

  async #train(): Promise<void> {
    this.#together = [...this.#index.keys()];
    const [first] = this.#runs;
    if (!first) return;
    const layout = this.#programOf(first.members.slice(0, 1));
    await this.#each(this.#runs, (run) => run.restore(layout));
    await this.#each(this.#runs, async (run) => {
      if (run.live.length) return;
      await run.openFolder();
      await this.#finish(run);
    });
    if (!this.#runs.length) return;
    const { executor } = this.options;
    const given = typeof executor === 'function' ? await executor() : executor;
    for (const { runs, on, error } of bySimd(this.#runs, given)) {
      this.#together = runs;
      if (on) await this.#trainTogether(runs, on, layout);
      else await this.#each(runs, () => Promise.reject(error));
    }
  }

  /** layout: of a program with one of their replicas. */
  async #trainTogether(runs: readonly TrainingRun[], on: Executor, layout: TrainingProgram): Promise<void> {
    this.#executor = on;
    this.#slots = runs.flatMap((run) => run.live.map((replica) => ({ run, replica, member: run.members[replica] })));
    const members = this.#slots.map((slot) => slot.member);
    // A program contains the data from which its members draw: another member's program cannot be used, even if the shapes are
    // the same.
    const same = members.length === 1 && members[0] === layout.members[0];
    const training = same ? layout : this.#programOf(members);
    await this.#load(training, (i) => {
      const { run, replica } = this.#slots[i];
      return run.takeState(replica, training);
    });
    await this.#begin(runs);
    this.#checkpointAt = this.#now();
    if (runs.some((run) => run.isNewBranch)) await this.#save(); // from here on the parent run is not needed
    await this.#loop();
    await this.hooks.beforeEnd?.(this.#trainer!, runs[0].step);
  }

  #programOf(members: readonly Member[]): TrainingProgram {
    return trainingProgram(members, this.options.measures, this.hooks.addPlans);
  }

  async #load(
    training: TrainingProgram,
    stateOf: (slot: number) => ReplicaState | Promise<ReplicaState>,
  ): Promise<void> {
    this.#ahead = undefined;
    this.#trainer?.destroy();
    const members = this.#slots.map((slot) => slot.member);
    this.#trainer = await Trainer.create(members, this.#executor, stateOf, training);
    this.#setRates();
  }

  #setRates(): void {
    this.#trainer!.scaleRates(this.#slots.map(({ run }) => run.rateFactor));
  }

  async #begin(runs: readonly TrainingRun[]): Promise<void> {
    const { description } = this.#executor;
    const { memoryBytes } = this.#trainer!;
    const together = runs.length > 1 ? runs.length : undefined;
    await this.#each(runs, async (run) => {
      await run.openFolder();
      const { step, steps, unchecked } = run;
      this.options.onStart?.({ executor: description, memoryBytes, step, steps, unchecked }, this.#index.get(run)!);
      await run.begin(this.#executor, this.options.host, together);
    });
  }

  async #loop(): Promise<void> {
    const { signal, checkpointMs = CHECKPOINT_MS, sliceMs = SLICE_MS } = this.options;
    let slice = 1;
    let since = 0; // when the device reached the slice queued last
    for (let runs = this.#runs; runs.length; runs = this.#runs) {
      const limit = await this.#ask(runs);
      if (signal?.aborted) return this.#interrupt(runs);
      const owed = runs.filter((run) => run.owesEvaluation);
      if (owed.length) {
        await this.#evaluate(owed);
        await this.#dropEnded();
        continue;
      }
      const count = Math.min(slice, limit - runs[0].step, ...runs.map((run) => run.nextEvaluation - run.step));
      if (count <= 0) continue;
      const trainer = this.#trainer!;
      if (!this.#ahead) since = this.#now();
      const due = runs.filter((run) => run.step + count === run.nextEvaluation);
      await trainer.advance(count);
      for (const run of runs) run.step += count;
      if (due.length) await this.#evaluate(due);
      else {
        // The next slice is queued before waiting for this one, to keep the device busy; except if `control` uses the device.
        const queued = { steps: count, done: trainer.finish() };
        queued.done.catch(() => {}); // the error reaches the code that awaits it
        const awaited = this.hooks.control ? queued : this.#ahead;
        this.#ahead = this.hooks.control ? undefined : queued;
        if (awaited) {
          await awaited.done;
          const now = this.#now();
          // Aim at slices of sliceMs: long enough to keep the device busy, short enough to answer a signal.
          if (awaited.steps === slice)
            slice = Math.max(1, Math.min(4 * slice, Math.round((slice * sliceMs) / Math.max(1, now - since))));
          since = now;
        }
      }
      await this.#each(
        runs.filter((run) => !due.includes(run)),
        (run) => run.report(),
      );
      if (this.#now() - this.#checkpointAt >= checkpointMs) await this.#save();
      await this.#dropEnded();
    }
  }

  /** The step that `control` allows the run to reach. The time it takes is not counted. */
  async #ask(runs: readonly TrainingRun[]): Promise<number> {
    const { control } = this.hooks;
    if (!control || this.options.signal?.aborted) return Infinity;
    const before = this.#now();
    const limit = await control({
      step: runs[0].step,
      trainer: this.#trainer!,
      save: () => this.#save(),
      scaleRate: async (factor) => {
        for (const run of runs) run.rateFactor = factor;
        this.#setRates();
        await this.#save();
        await this.#each(this.#runs, (run) => run.rateChanged());
      },
    });
    for (const run of runs) run.pause(this.#now() - before);
    return limit;
  }

  async #evaluate(due: readonly TrainingRun[]): Promise<void> {
    const trainer = this.#trainer!;
    this.#ahead = undefined; // done once this has been read
    const evaluations = await trainer.evaluate(this.options.signal);
    const values = evaluations && (await trainer.measure(this.options.signal));
    if (!values) return; // stopped: the evaluation is made when the runs are resumed
    const places = (run: TrainingRun) => this.#slots.map((_, i) => i).filter((i) => this.#isLive(this.#slots[i], run));
    const wanted = new Set(due.flatMap(places));
    await trainer.keepBest(
      this.#slots.map(({ run, replica }, i) => wanted.has(i) && run.improves(replica, evaluations[i].loss)),
    );
    const isTested = this.#slots.map((s, i) => wanted.has(i) && s.run.isTestedAfter(s.replica, evaluations[i].loss));
    const before = isTested.includes(true) ? await trainer.state() : undefined;
    const tests = before && (await trainer.test(isTested, before, this.options.signal));
    if (before && !tests) return; // likewise
    await this.#each(due, async (run) => {
      const results = places(run).map((i) => {
        const { replica } = this.#slots[i];
        return { ...evaluations[i], replica, values: values.filter((value) => value.replica === i) };
      });
      await run.evaluated(results);
      run.report();
    });
    const ending = due.filter((run) => !run.settled && run.ending.length);
    if (!ending.length) return;
    const states = before ?? (await trainer.state());
    await this.#each(ending, async (run) => {
      for (const [i, slot] of this.#slots.entries())
        if (slot.run === run && isTested[i]) await run.tested(slot.replica, tests![i]);
      await run.end(this.#statesOf(run, states), trainer.training);
      if (!run.live.length) await this.#finish(run);
    });
  }

  async #interrupt(runs: readonly TrainingRun[]): Promise<void> {
    const states = await this.#trainer!.state();
    await this.#each(runs, async (run) => {
      await run.interrupted(this.#statesOf(run, states), this.#trainer!.training);
      await this.#finish(run);
    });
  }

  async #save(): Promise<void> {
    this.#ahead = undefined;
    const states = await this.#trainer!.state();
    await this.#each(this.#runs, (run) => run.save(this.#statesOf(run, states), this.#trainer!.training));
    this.#checkpointAt = this.#now();
  }

  /** Continues with fewer slots if that saves time: on the CPU each slot costs as much as alone, while a GPU has spare capacity. */
  async #dropEnded(): Promise<void> {
    const left = this.#slots.map((slot, i) => ({ slot, i })).filter(({ slot }) => this.#isLive(slot, slot.run));
    const few = this.#executor.kind === 'webgpu' ? 2 * left.length <= this.#slots.length : true;
    if (!left.length || left.length === this.#slots.length || !few) return;
    const states = await this.#trainer!.state();
    this.#slots = left.map(({ slot }) => slot);
    const training = this.#programOf(this.#slots.map((slot) => slot.member));
    await this.#load(training, (i) => states[left[i].i]);
  }

  #isLive(slot: ReplicaSlot, run: TrainingRun): boolean {
    return slot.run === run && !run.settled && run.live.includes(slot.replica);
  }

  /** By replica. */
  #statesOf(run: TrainingRun, states: readonly ReplicaState[]): (ReplicaState | undefined)[] {
    return run.members.map((_, replica) => {
      const place = this.#slots.findIndex((slot) => slot.run === run && slot.replica === replica);
      return states[place];
    });
  }

  /** Does something with each run, a few at a time, so that they wait for their folders together; a run that throws fails alone. */
  async #each(runs: readonly TrainingRun[], work: (run: TrainingRun) => unknown): Promise<void> {
    const waiting = runs.values();
    const lane = async () => {
      for (const run of waiting) if (!run.settled) await this.#alone(run, work);
    };
    const lanes = await Promise.allSettled(Array.from({ length: SIDE_BY_SIDE }, lane));
    for (const end of lanes) if (end.status === 'rejected') throw end.reason;
  }

  async #alone(run: TrainingRun, work: (run: TrainingRun) => unknown): Promise<void> {
    try {
      await work(run);
    } catch (error) {
      if (run.settled) throw error; // thrown by onEnd
      run.settled = true;
      await this.#settle(this.#index.get(run)!, { reason: 'failed', error });
    }
  }

  async #finish(run: TrainingRun): Promise<void> {
    run.settled = true;
    await this.#settle(this.#index.get(run)!, run.result);
  }

  async #settle(index: number, result: GroupResult): Promise<void> {
    this.#results[index] = result;
    await this.options.onEnd?.(result, index);
  }
}
