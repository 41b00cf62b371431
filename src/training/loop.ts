import { contentHash } from '../core/canonical.js';
import { FileError, InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { formatRecord, parseRecords, type RunRecord } from '../core/records.js';
import type { Rules } from '../core/rules.js';
import type { SafeFile } from '../core/safetensors.js';
import type { MeasureTable } from '../models/measure.js';
import type { Executor } from '../plan/executor.js';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type ReplicaProgress } from './checkpoint.js';
import { files, type RunFolder } from './folder.js';
import { evaluationSteps, type Member, membersOf, plannedSteps, rulesOf } from './members.js';
import { type TrainingProgram, trainingProgram } from './program.js';
import { initialWeights, stepOf, Trainer } from './trainer.js';
import { weightsDigest } from './weights.js';

export interface Progress {
  step: number;
  steps: number;
  loss: number; // test loss of replica 0 at the last evaluation, nats
  samplesPerSecond: number; // training sentences, over all replicas
  secondsLeft: number;
}

/** A run between two slices of steps: nothing is queued, so its state may be read and changed. */
export interface RunMoment {
  readonly step: number; // steps done
  readonly trainer: Trainer;
  /** Writes a checkpoint now. */
  save(): Promise<void>;
  /** Sets the learning rate to `factor` times the experiment's, writes that into the records and a checkpoint. */
  scaleRate(factor: number): Promise<void>;
}

export interface TrainOptions {
  /** What computes. A function is called only when everything has been checked. */
  executor: Executor | (() => Promise<Executor>);
  folder: RunFolder;
  /** Continue from the folder's checkpoint, if there is one. Without it a folder that holds a run is refused. */
  resume?: boolean;
  /** Weights to start from, in the reference's names and shapes. Part of what the run is: another file does not resume it. */
  init?: SafeFile;
  signal?: AbortSignal;
  /**
   * Asked between slices for the last step that the run may go to now; it waits while the promise is pending, and asks again
   * where that step is done. The bits do not depend on it. Must answer once `signal` is aborted.
   */
  control?: (moment: RunMoment) => number | Promise<number>;
  onRecord?: (record: RunRecord) => void;
  onProgress?: (progress: Progress) => void;
  /** Told before the first step. memoryBytes: on the device. */
  onStart?: (start: { executor: string; memoryBytes: number; step: number; steps: number }) => void;
  /** What experiment.measures may name. */
  measures?: MeasureTable;
  /** Goes into the records: what this program runs in. */
  runtime?: string;
  /** Milliseconds between checkpoints; default 30 000. */
  checkpointMs?: number;
  /** Longest time between two looks at the signal, in milliseconds; default 250. */
  sliceMs?: number;
  now?: () => number;
}

export interface TrainResult {
  hash: string;
  reason: 'done' | 'diverged' | 'interrupted';
  step: number;
  /** Last evaluation of each replica. */
  loss: number[];
  records: RunRecord[];
}

const CHECKPOINT_MS = 30_000;
const SLICE_MS = 250;

/**
 * Trains one experiment to its end (or to an abort), writing experiment, rules, records and checkpoints to the folder.
 * The records and final weights do not depend on how often it was stopped and resumed.
 * @throws InputError before any work when the folder holds another run; whatever the executor or the folder throws, after
 * which the folder still holds the last checkpoint.
 */
export async function train(experiment: Experiment, options: TrainOptions): Promise<TrainResult> {
  const rules = rulesOf(experiment);
  const members = membersOf(experiment, rules);
  const hash = await contentHash(experiment);
  const run = new Run(experiment, rules, members, hash, options);
  return run.go();
}

class Run {
  #records: RunRecord[] = [];
  #progress: ReplicaProgress[];
  #loss: number[];
  #step = 0;
  #init: string | undefined; // digest of the weights it began with, undefined: drawn from the seed
  #elapsedBefore = 0;
  #startedAt = 0;
  #checkpointAt = 0;
  readonly #now: () => number;

  constructor(
    readonly experiment: Experiment,
    readonly rules: Rules,
    readonly members: readonly Member[],
    readonly hash: string,
    readonly options: TrainOptions,
  ) {
    this.#progress = members.map(() => ({ bestLoss: null, bestStep: 0, ended: null }));
    this.#loss = members.map(() => Number.NaN);
    this.#now = options.now ?? (() => performance.now());
  }

  async go(): Promise<TrainResult> {
    const { init, resume } = this.options;
    const old = await this.#examineFolder();
    const training = trainingProgram(this.members, this.options.measures);
    const checkpoint = old.checkpoint && resume ? this.#decode(training, old.checkpoint) : undefined;
    if (init) initialWeights(training, this.members[0], init);
    this.#init = this.#sameInit(old.records, checkpoint, init && (await weightsDigest(training.model, init)));
    const given = this.options.executor;
    const executor = typeof given === 'function' ? await given() : given;
    const trainer = await Trainer.create(this.members, executor, init, training);
    try {
      if (checkpoint) await this.#restore(trainer, checkpoint, old.records);
      await this.#openFolder(old.records);
      this.options.onStart?.({
        executor: executor.description,
        memoryBytes: trainer.memoryBytes,
        step: this.#step,
        steps: plannedSteps(this.experiment),
      });
      this.#startedAt = this.#checkpointAt = this.#now();
      await this.#emit({
        type: 'start',
        hash: this.hash,
        adapter: executor.description,
        executor: executor.kind,
        runtime: this.options.runtime,
        step: this.#step,
        init: this.#init,
        time: new Date().toISOString(),
      });
      const reason = await this.#loop(trainer);
      return { hash: this.hash, reason, step: this.#step, loss: this.#loss, records: this.#records };
    } finally {
      trainer.destroy();
    }
  }

  /** What the folder holds; refuses another experiment's run, and one that is there without `resume`. */
  async #examineFolder(): Promise<{ checkpoint?: Uint8Array; records: RunRecord[] }> {
    const { folder, resume } = this.options;
    const experiment = await folder.read(files.experiment);
    if (experiment) {
      let value: unknown;
      try {
        value = JSON.parse(new TextDecoder().decode(experiment));
      } catch (cause) {
        const text = `${folder.name}/${files.experiment}: not JSON, the file is damaged; restore it, or choose another --out`;
        throw new FileError(text, { cause });
      }
      const hash = await contentHash(value);
      if (hash !== this.hash)
        throw new InputError(
          `${folder.name}: holds experiment ${hash}, this one is ${this.hash}; choose another folder with --out`,
        );
      if (!resume)
        throw new InputError(
          `${folder.name}: holds this run already; continue it with --resume, or choose another --out`,
        );
    }
    const records = await folder.read(files.records);
    const parsed = records ? parseRecords(new TextDecoder().decode(records)).records : [];
    return { checkpoint: await folder.read(files.checkpoint), records: parsed };
  }

  #decode(training: TrainingProgram, bytes: Uint8Array): Checkpoint {
    const file = `${this.options.folder.name}/${files.checkpoint}`;
    const remedy = 'restore a copy of it, or remove it to start again';
    try {
      const checkpoint = decodeCheckpoint(bytes, file, this.hash, this.members.length, training);
      for (const { state } of checkpoint.replicas)
        if (stepOf(state) !== checkpoint.step)
          throw new FileError(`${file}: replicas at different steps; the file is damaged`);
      return checkpoint;
    } catch (error) {
      if (error instanceof FileError) throw new FileError(`${error.message}; ${remedy}`, { cause: error });
      throw error;
    }
  }

  /** The digest of the weights that the run began with. @throws InputError when that is not what is given now. */
  #sameInit(records: RunRecord[], checkpoint: Checkpoint | undefined, given: string | undefined): string | undefined {
    const last = checkpoint ?? records.findLast((r) => r.type === 'start');
    if (!last || last.init === given) return given;
    // A checkpoint holds all weights: the file that the run began with is not needed any more.
    if (checkpoint && given === undefined) return checkpoint.init;
    const name = (digest: string | undefined) => (digest ? `the weights ${digest}` : 'weights drawn from its seed');
    throw new InputError(
      `${this.options.folder.name}: this run began with ${name(last.init)}, now it is given ${name(given)}; ` +
        'resume it with the --init that it began with, or choose another --out',
    );
  }

  async #restore(trainer: Trainer, checkpoint: Checkpoint, old: readonly RunRecord[]): Promise<void> {
    trainer.restore(checkpoint.replicas.map((r) => r.state));
    this.#progress = checkpoint.replicas.map((r) => r.progress);
    this.#step = checkpoint.step;
    this.#elapsedBefore = checkpoint.elapsedMs;
    const rates = old.filter((r) => r.type === 'rate').filter((r) => r.step <= this.#step);
    if (rates.length) trainer.scaleRate(rates[rates.length - 1].factor);
  }

  /** Writes what identifies the run, and drops records from after the checkpoint: they will be made again. */
  async #openFolder(old: RunRecord[]): Promise<void> {
    const { folder } = this.options;
    const kept = old.filter((r) =>
      r.type === 'eval' || r.type === 'measure' || r.type === 'rate' ? r.step <= this.#step : r.type === 'start',
    );
    for (const record of kept) if (record.type === 'eval') this.#loss[record.replica] = record.loss;
    for (const record of old)
      if (record.type === 'end' && record.replica !== undefined && this.#progress[record.replica].ended)
        kept.push(record);
    this.#records = kept;
    await folder.write(files.rules, `${JSON.stringify(this.rules)}\n`);
    await folder.write(files.records, kept.map(formatRecord).join(''));
    await folder.write(files.experiment, `${JSON.stringify(this.experiment, null, 2)}\n`);
  }

  async #loop(trainer: Trainer): Promise<TrainResult['reason']> {
    const { signal, checkpointMs = CHECKPOINT_MS, sliceMs = SLICE_MS } = this.options;
    const steps = plannedSteps(this.experiment);
    const evaluations = evaluationSteps(steps, this.experiment.evaluation.perDoubling);
    let next = evaluations.findIndex((step) => step > this.#step);
    let slice = 1;
    while (this.#step < steps && this.#progress.some((p) => !p.ended)) {
      const limit = await this.#ask(trainer);
      if (signal?.aborted) return this.#interrupt(trainer);
      const target = Math.min(evaluations[next], this.#step + slice, limit);
      if (target <= this.#step) continue;
      const before = this.#now();
      const count = target - this.#step;
      await trainer.advance(count);
      if (target === evaluations[next]) {
        this.#step = target;
        await this.#evaluate(trainer);
        next++;
      } else if (count === slice || this.options.control) {
        await trainer.finish();
        // Aim at slices of sliceMs: long enough to keep the device busy, short enough to answer a signal.
        const took = this.#now() - before;
        if (count === slice)
          slice = Math.max(1, Math.min(4 * slice, Math.round((slice * sliceMs) / Math.max(1, took))));
      }
      this.#step = target;
      this.#report(steps);
      if (this.#now() - this.#checkpointAt >= checkpointMs) await this.#save(trainer);
    }
    await this.#save(trainer);
    const reason = this.#progress.every((p) => p.ended === 'diverged') ? 'diverged' : 'done';
    for (const [replica, p] of this.#progress.entries())
      if (!p.ended) {
        p.ended = 'done';
        await this.#emit({ type: 'end', replica, reason: 'done' });
      }
    return reason;
  }

  /** The step that `control` lets the run go to. Its time does not count. */
  async #ask(trainer: Trainer): Promise<number> {
    const { control, signal } = this.options;
    if (!control || signal?.aborted) return Infinity;
    const before = this.#now();
    const limit = await control({
      step: this.#step,
      trainer,
      save: () => this.#save(trainer),
      scaleRate: async (factor) => {
        trainer.scaleRate(factor);
        await this.#save(trainer);
        await this.#emit({ type: 'rate', step: this.#step, factor });
      },
    });
    this.#startedAt += this.#now() - before;
    return limit;
  }

  async #interrupt(trainer: Trainer): Promise<'interrupted'> {
    await this.#save(trainer);
    await this.#emit({ type: 'end', reason: 'interrupted' });
    return 'interrupted';
  }

  async #evaluate(trainer: Trainer): Promise<void> {
    const results = await trainer.evaluate();
    const values = await trainer.measure();
    const { budget } = this.experiment;
    const improved = results.map(({ loss }, r) => {
      const best = this.#progress[r].bestLoss;
      return !this.#progress[r].ended && (best === null ? Number.isFinite(loss) : loss < best);
    });
    await trainer.keepBest(improved);
    for (const [replica, { loss, accuracy }] of results.entries()) {
      const p = this.#progress[replica];
      if (p.ended) continue;
      this.#loss[replica] = loss;
      if (improved[replica]) {
        p.bestLoss = loss;
        p.bestStep = this.#step;
      }
      await this.#emit({
        type: 'eval',
        replica,
        step: this.#step,
        samples: this.#samples(),
        loss,
        accuracy,
        elapsed_ms: Math.round(this.#elapsed()),
      });
      for (const { replica: r, ...value } of values)
        if (r === replica)
          await this.#emit({ type: 'measure', replica, step: this.#step, samples: this.#samples(), ...value });
      if (!Number.isFinite(loss)) p.ended = 'diverged';
      else if (budget.stopLoss !== undefined && loss <= budget.stopLoss) p.ended = 'done';
      if (p.ended) await this.#emit({ type: 'end', replica, reason: p.ended });
    }
  }

  async #save(trainer: Trainer): Promise<void> {
    const states = await trainer.state();
    const checkpoint: Checkpoint = {
      hash: this.hash,
      init: this.#init,
      step: this.#step,
      elapsedMs: Math.round(this.#elapsed()),
      replicas: states.map((state, r) => ({ state, progress: this.#progress[r] })),
    };
    await this.options.folder.write(files.checkpoint, encodeCheckpoint(checkpoint, trainer.training));
    this.#checkpointAt = this.#now();
  }

  #samples(): number {
    const { batch, accumulate } = this.experiment.budget;
    return this.#step * batch * accumulate;
  }

  #elapsed(): number {
    return this.#elapsedBefore + this.#now() - this.#startedAt;
  }

  async #emit(record: RunRecord): Promise<void> {
    await this.options.folder.append(files.records, formatRecord(record));
    this.#records.push(record);
    this.options.onRecord?.(record);
  }

  #firstStep = -1;
  #report(steps: number): void {
    if (this.#firstStep < 0) this.#firstStep = this.#step;
    const seconds = (this.#now() - this.#startedAt) / 1000;
    const done = this.#step - this.#firstStep;
    const { batch, accumulate } = this.experiment.budget;
    this.options.onProgress?.({
      step: this.#step,
      steps,
      loss: this.#loss[0],
      samplesPerSecond: (done * batch * accumulate * this.members.length) / seconds,
      secondsLeft: done > 0 ? ((steps - this.#step) * seconds) / done : Number.NaN,
    });
  }
}
