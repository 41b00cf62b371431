/** The functions of a page's worker: exact theory, and one training run that can be paused, stepped and viewed. */

import { DeviceLostError, InputError } from '../core/errors.js';
import { type Experiment, type ExperimentInput, parseExperiment } from '../core/experiment.js';
import { parseRecords, type RunEnd, type RunRecord } from '../core/records.js';
import { shapeOf } from '../core/rules.js';
import { GpuExecutor } from '../gpu/executor.js';
import { measures } from '../measures/index.js';
import { browserPlatform } from '../platform/browser.js';
import { type OpenExecutor, openExecutor } from '../platform/executor.js';
import { releaseCallback } from '../platform/worker.js';
import { type Family, lossPlateaus, sampleComplexities } from '../theory/index.js';
import { files, type RunFolder } from '../training/folder.js';
import { type Progress, type RunMoment, train } from '../training/loop.js';
import { rulesOf } from '../training/members.js';
import type { Look, LookInfo, Pick, PointInfo, Shape } from './cloud/look.js';
import { addProbe } from './cloud/probe.js';
import { lookAtRest } from './cloud/rest.js';
import { Viewer } from './cloud/viewer.js';
import { allEnded, keepOrMemory, keptParent } from './folders.js';

/** Events of a run, in order. */
export type RunEvent =
  | { kind: 'history'; records: RunRecord[] } // records of an earlier visit
  | { kind: 'started'; executor: string; memoryBytes: number; step: number; steps: number }
  | { kind: 'record'; record: RunRecord }
  | { kind: 'progress'; progress: Progress }
  | { kind: 'held'; step: number }
  | { kind: 'notice'; text: string };

export interface GrammarTheory {
  H: number[]; // [L+1] nats, exact
  P: Record<Family, number[]>; // [L] samples, up to a prefactor
}

export interface RunChoice {
  name?: string; // name of the folder in the browser's private file system; absent: nothing is kept
  executor?: 'webgpu' | 'wasm'; // default: a real GPU, else WebAssembly
  steps?: number; // stop after this many; default: run to the end
  mostThreads?: number; // in WebAssembly, if several networks share the cores
  rate?: number; // factor on the experiment's learning rate, set before the first step
}

export type RunStop = RunEnd | 'stopped' | 'interrupted';

/** The worker's functions. One run at a time. */
export interface PageWorkerApi {
  theory(experiment: ExperimentInput): Promise<GrammarTheory>;
  /** Starts or resumes. @throws InputError, AdapterError, GpuError, and FileError only if there is no alternative. */
  run(experiment: ExperimentInput, choice: RunChoice, tell: (event: RunEvent) => void): Promise<RunStop>;
  hold(): Promise<void>;
  go(): Promise<void>;
  /** Does this many optimiser steps, then pauses. */
  step(count: number): Promise<void>;
  /** Factor on the experiment's learning rate. */
  rate(factor: number): Promise<void>;
  /** Writes a checkpoint soon: the page may be closed. */
  save(): Promise<void>;
  /** Gives the worker a canvas on which to draw the hidden layers of runs that begin from now on. */
  show(canvas: OffscreenCanvas, shape: Shape, look: Partial<Look>, tell: (info: LookInfo) => void): Promise<void>;
  look(part: Partial<Look>): Promise<void>;
  /** Draws the network at rest: with its initial weights, or with those of a checkpoint. Not while a run is active. */
  rest(experiment: ExperimentInput, checkpoint?: Uint8Array): Promise<void>;
  /** Marks a point of the cloud and describes it. */
  pick(where: Pick | undefined): Promise<PointInfo | undefined>;
  /** Saves and ends the run. */
  stop(): Promise<void>;
  /** The run's files as bytes, by name. */
  files(): Promise<Record<string, Uint8Array>>;
}

const CHECKPOINT_MS = 500; // so that closing the page at any moment loses at most a second
const SAVING_SHARE = 0.3; // maximum fraction of the time: a large checkpoint is written less often
const SLICE_MS = 100; // between checks of the visitor's requests
const RETRIES = 5; // device losses in a row without a step in between

export function createPageWorker(): { api: PageWorkerApi; close: () => Promise<void> } {
  let run: ControlledRun | undefined;
  let last: RunFolder | undefined;
  let viewer: Viewer | undefined;
  let resting: Promise<unknown> = Promise.resolve(); // drawing in progress of a network at rest
  const stop = async () => {
    run?.abort.abort();
    run?.wake();
    await run?.finished.catch(() => {});
  };
  const api: PageWorkerApi = {
    async theory(input) {
      const experiment = parseExperiment(input);
      const rules = rulesOf(experiment);
      const shape = shapeOf(experiment.grammar);
      const P = {
        cnn: sampleComplexities(shape, 'cnn'),
        transformer: sampleComplexities(shape, 'transformer'),
      };
      return { H: lossPlateaus(rules).H, P };
    },
    async run(input, choice, tell) {
      await stop();
      await resting;
      let listening = true;
      // The page's answer to the latest event: events have a separate port, which the result may overtake.
      let told = Promise.resolve();
      const mine = new ControlledRun(
        parseExperiment(input),
        choice,
        (event) => {
          if (listening) told = Promise.resolve(tell(event)).catch(() => {});
        },
        viewer,
      );
      run = mine;
      try {
        return await mine.finished;
      } finally {
        listening = false;
        await told;
        last = mine.folder;
        releaseCallback(tell);
      }
    },
    async hold() {
      run?.setLimit(-1);
    },
    async go() {
      run?.setLimit(Infinity);
    },
    async step(count) {
      run?.setLimit(run.at + count);
    },
    async rate(factor) {
      run?.later((moment) => moment.scaleRate(factor));
    },
    async save() {
      run?.later((moment) => moment.save());
    },
    async show(canvas, shape, look, tell) {
      await viewer?.close();
      viewer = new Viewer(canvas, shape, tell, () => run?.wake());
      viewer.change(look);
    },
    async look(part) {
      viewer?.change(part);
    },
    async rest(input, checkpoint) {
      if (!viewer || run?.active) return;
      const look = lookAtRest(viewer, parseExperiment(input), checkpoint);
      resting = look.catch(() => {});
      await look;
    },
    async pick(where) {
      return viewer?.pick(where);
    },
    stop,
    async files() {
      const folder = run?.folder ?? last;
      const found: Record<string, Uint8Array> = {};
      if (!folder) return found;
      await run?.saved();
      for (const name of Object.values(files)) {
        const bytes = await folder.read(name);
        if (bytes) found[name] = bytes;
      }
      return found;
    },
  };
  const close = async () => {
    await stop();
    await resting;
    await viewer?.close();
  };
  return { api, close };
}

/** One run, from start to end, across lost devices. */
class ControlledRun {
  readonly abort = new AbortController();
  readonly finished: Promise<RunStop>;
  folder: RunFolder | undefined;
  at = 0; // steps done
  active = true;
  #limit: number; // step at which to pause
  #first = true; // no request has been made yet
  #jobs: ((moment: RunMoment) => Promise<unknown>)[] = [];
  #wake: () => void = () => {};
  #savedAt = -1; // step of the last checkpoint written here
  #saveAfter = 0; // time of the next one

  constructor(
    readonly experiment: Experiment,
    readonly choice: RunChoice,
    readonly tell: (event: RunEvent) => void,
    readonly viewer: Viewer | undefined,
  ) {
    this.#limit = Infinity;
    const { rate } = choice;
    if (rate !== undefined) this.#jobs.push((moment) => moment.scaleRate(rate));
    this.finished = this.#whole().finally(() => {
      this.active = false;
    });
  }

  setLimit(step: number): void {
    this.#first = false;
    this.#limit = step;
    this.wake();
  }

  later(job: (moment: RunMoment) => Promise<unknown>): void {
    this.#jobs.push(job);
    this.wake();
  }

  wake(): void {
    this.#wake();
  }

  /** Resolves when a checkpoint of the present state is written, or the run has ended. */
  async saved(): Promise<void> {
    if (!this.active) return;
    const written = new Promise<void>((resolve) => {
      this.later(async (moment) => {
        await moment.save();
        resolve();
      });
    });
    await Promise.race([written, this.finished.catch(() => {})]);
  }

  async #whole(): Promise<RunStop> {
    const { experiment, choice, tell } = this;
    const notice = (text: string) => tell({ kind: 'notice', text });
    this.folder = await keepOrMemory(choice.name, notice);
    try {
      const old = await this.folder.read(files.records);
      const records = old ? parseRecords(new TextDecoder().decode(old)).records : [];
      if (records.length) tell({ kind: 'history', records });
      const end = records.findLast((r) => r.type === 'end' && r.replica !== undefined);
      if (end?.type === 'end' && allEnded(records, experiment.replicas))
        return end.reason === 'diverged' ? 'diverged' : 'done';
      for (let losses = 0; ; ) {
        const before = this.at;
        try {
          return await this.#once(this.folder);
        } catch (error) {
          if (!(error instanceof DeviceLostError) || this.abort.signal.aborted) throw error;
          losses = this.at > before ? 1 : losses + 1;
          if (losses > RETRIES) throw error;
          notice(`The graphics device was lost (${losses} in a row); training continues from its last checkpoint.`);
          await new Promise((resolve) => setTimeout(resolve, 200 * losses));
        }
      }
    } finally {
      await this.folder.release();
    }
  }

  async #once(folder: RunFolder): Promise<RunStop> {
    const { experiment, choice, tell, viewer } = this;
    this.#savedAt = -1;
    let opened: OpenExecutor | undefined;
    const { from } = experiment;
    const parent = from && (await keptParent(from.run));
    if (from && !parent && !(await folder.read(files.checkpoint)))
      throw new InputError(
        `This run continues another one (${from.run}, at step ${from.step}) that is not in this browser; train that run here first`,
      );
    try {
      const result = await train(experiment, {
        parent,
        async executor() {
          opened = await openExecutor(browserPlatform, choice);
          await viewer?.attach(opened.executor instanceof GpuExecutor ? opened.executor.gpu : undefined);
          return opened.executor;
        },
        folder,
        measures,
        resume: true,
        host: browserPlatform.host(),
        signal: this.abort.signal,
        checkpointMs: Number.POSITIVE_INFINITY, // done by #next instead
        sliceMs: SLICE_MS,
        control: (moment) => this.#next(moment),
        addPlans: (context) => {
          if (viewer) viewer.probe = addProbe(context, experiment.model.kind);
        },
        beforeEnd: async (trainer, step) => viewer?.keep(trainer.loaded, step),
        onStart: (start) => tell({ kind: 'started', ...start }),
        onRecord: (record) => tell({ kind: 'record', record }),
        onProgress: throttled((progress) => tell({ kind: 'progress', progress }), 100),
      });
      return result.reason;
    } finally {
      await viewer?.detach();
      await opened?.release();
    }
  }

  /** Writes a checkpoint, if the last one is of another step. */
  async #save(moment: RunMoment): Promise<void> {
    if (this.#savedAt === moment.step) return;
    const begun = performance.now();
    await moment.save();
    this.#savedAt = moment.step;
    const took = performance.now() - begun;
    this.#saveAfter = begun + Math.max(CHECKPOINT_MS, took / SAVING_SHARE);
  }

  async #next(moment: RunMoment): Promise<number> {
    this.at = moment.step;
    if (this.#first) this.#limit = moment.step + (this.choice.steps ?? Infinity);
    this.#first = false;
    for (;;) {
      for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) await job(moment);
      await this.viewer?.visit(moment.trainer.loaded, moment.step);
      if (moment.step > 0 && performance.now() >= this.#saveAfter) await this.#save(moment);
      if (this.abort.signal.aborted || moment.step < this.#limit) return this.#limit;
      if (moment.step > 0) await this.#save(moment);
      this.tell({ kind: 'held', step: moment.step });
      if (this.#jobs.length || this.abort.signal.aborted) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Passes on at most one call per `ms`, and always the latest. */
function throttled<T>(pass: (value: T) => void, ms: number): (value: T) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let latest: T;
  return (value) => {
    latest = value;
    if (timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      pass(latest);
    }, ms);
  };
}
