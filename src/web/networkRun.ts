/** One network in training, as the page sees it: its worker, its records so far and the requests it answers. */
import { transfer } from 'comlink';
import { contentHash } from '../core/canonical.js';
import { WorkerError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import type { RunEnd, RunRecord } from '../core/records.js';
import { connectWorker, progress, type WorkerHandle, type WorkerPort } from '../platform/worker.js';
import { files } from '../training/folder.js';
import type { Progress } from '../training/loop.js';
import type { Look, LookInfo, Pick, PointInfo, Shape } from './cloud/look.js';
import { earlierRecords, keptFiles, readKept, takeOut } from './folders.js';
import type { PageWorkerApi, RunChoice, RunEvent } from './pageWorker.js';

export type NetworkRunState = 'idle' | 'starting' | 'running' | 'held' | RunEnd | 'stopped' | 'failed';

export interface NetworkRunOptions {
  startWorker: () => WorkerPort;
  keep: boolean; // in the browser's private file system
  executor?: RunChoice['executor'];
  mostThreads?: number; // in WebAssembly
  after?: Promise<unknown>; // must have ended before a run starts: another run that uses the same folder
}

/** Calls `change` after every event. All methods may be called in any state; those that do not apply do nothing. */
export class NetworkRun {
  state: NetworkRunState = 'idle';
  records: RunRecord[] = [];
  earlier: RunRecord[] = []; // evaluations of the runs that it continues
  keptStep = 0; // step of the checkpoint left by an earlier visit
  progress: Progress | undefined;
  executor = ''; // the executor, in words
  rate = 1; // factor on the experiment's learning rate
  notices: string[] = [];
  failure: Error | undefined;
  name = ''; // the experiment's hash
  /** Makes a canvas for the worker to draw on, each time a worker starts. */
  createCanvas:
    | (() => { canvas: OffscreenCanvas; shape: Shape; look: Partial<Look>; tell: (info: LookInfo) => void })
    | undefined;
  readonly change = new Set<(event: RunEvent | { kind: 'state' }) => void>();
  #worker: Promise<WorkerHandle<PageWorkerApi>> | undefined;
  #run: Promise<void> = Promise.resolve();
  #hasCanvas = false;
  #restarting = false;
  #sent = false; // the worker knows the run and answers requests
  #asked: 'go' | 'hold' | 'stop' = 'go'; // the last request before that

  constructor(
    readonly experiment: Experiment,
    readonly options: NetworkRunOptions,
  ) {}

  get active(): boolean {
    return this.state === 'starting' || this.state === 'running' || this.state === 'held';
  }

  get step(): number {
    return this.progress?.step ?? this.keptStep;
  }

  /** Shows what was kept of this run from an earlier visit, without opening it for work. */
  async recall(): Promise<void> {
    this.name ||= await contentHash(this.experiment);
    if (!this.options.keep) return;
    this.earlier = await earlierRecords(this.experiment);
    const kept = await readKept(this.name);
    if (!kept || this.state !== 'idle') {
      if (this.earlier.length) this.#tell({ kind: 'state' });
      return;
    }
    // Records after the checkpoint are made again.
    this.records = kept.records.filter((r) => kept.ended || !('step' in r) || (r.step ?? 0) <= kept.step);
    this.keptStep = kept.step;
    const last = kept.records.findLast((r) => r.type === 'end' && r.replica !== undefined);
    this.#set(!kept.ended ? 'stopped' : last?.type === 'end' && last.reason === 'diverged' ? 'diverged' : 'done');
  }

  /** Ends the run, deletes its files and starts again. @returns a function that restores the former run; undefined if there was none */
  async restart(): Promise<(() => Promise<void>) | undefined> {
    if (this.#restarting) return undefined;
    this.#restarting = true;
    let back: (() => Promise<void>) | undefined;
    try {
      await this.stop();
      if (this.options.keep) back = await takeOut([this.name]);
    } catch (error) {
      this.#set('stopped');
      throw error;
    } finally {
      this.#restarting = false;
    }
    this.records = [];
    this.keptStep = 0;
    this.progress = undefined;
    this.notices = [];
    // Requests made in the meantime are respected.
    this.state = 'idle';
    this.start(this.#asked === 'hold' ? 0 : undefined);
    return back;
  }

  /** Starts, or continues the kept run. steps: stop after this many. */
  start(steps?: number): void {
    if (this.active) return;
    this.failure = undefined;
    this.#asked = 'go';
    this.#sent = false;
    this.#set('starting');
    this.#run = this.#train(steps);
  }

  async hold(): Promise<void> {
    if (!this.active && !this.#restarting) return;
    this.#asked = 'hold';
    if (this.#sent && !this.#restarting) await (await this.workerApi()).hold();
  }

  async go(): Promise<void> {
    if (this.#restarting) this.#asked = 'go';
    else if (!this.active) this.start();
    else {
      this.#asked = 'go';
      if (this.#sent) await (await this.workerApi()).go();
      if (this.state === 'held') this.#set('running');
    }
  }

  /** One optimiser step, then pauses. */
  async stepOnce(): Promise<void> {
    if (!this.active) this.start(1);
    else if (this.#sent) await (await this.workerApi()).step(1);
  }

  async setRate(factor: number): Promise<void> {
    this.rate = factor;
    if (this.active && this.#sent) await (await this.workerApi()).rate(factor);
    this.#tell({ kind: 'state' });
  }

  /** Turns, moves or selects what the worker draws. */
  async look(part: Partial<Look>): Promise<void> {
    if (this.#hasCanvas) await (await this.workerApi()).look(part);
  }

  /** Marks a point in the worker's drawing; undefined if there is none. */
  async pick(where: Pick | undefined): Promise<PointInfo | undefined> {
    return this.#hasCanvas ? (await this.workerApi()).pick(where) : undefined;
  }

  async save(): Promise<void> {
    if (this.active && this.#sent) await (await this.workerApi()).save();
  }

  /** The run's files as bytes, by name: from the worker, or as kept from an earlier visit. */
  async files(): Promise<Record<string, Uint8Array>> {
    const found = this.#worker ? await (await this.workerApi()).files() : {};
    return Object.keys(found).length || !this.options.keep ? found : keptFiles(this.name);
  }

  /** Saves and ends; resolves when the run's folder is released. */
  async stop(): Promise<void> {
    this.#asked = 'stop';
    if (this.active && this.#sent) await (await this.workerApi()).stop().catch(() => {});
    await this.#run;
  }

  /** Ends the worker too. */
  async dispose(): Promise<void> {
    this.change.clear();
    const worker = this.#worker;
    this.#worker = undefined;
    await (await worker?.catch(() => undefined))?.terminate('The page closed this run');
  }

  /** The worker's functions; starts the worker if there is none. @throws WorkerError */
  async workerApi(): Promise<WorkerHandle<PageWorkerApi>['api']> {
    this.#worker ??= connectWorker<PageWorkerApi>(this.options.startWorker());
    return (await this.#worker).api;
  }

  async #train(steps: number | undefined): Promise<void> {
    try {
      this.name ||= await contentHash(this.experiment);
      const { keep, executor, mostThreads, after } = this.options;
      await after;
      const choice: RunChoice = { name: keep ? this.name : undefined, executor, mostThreads, steps };
      const api = await this.workerApi();
      await this.#sendCanvas(api);
      if (this.#asked === 'stop') return this.#set('stopped');
      if (this.#asked === 'hold') choice.steps = 0;
      this.#sent = true;
      // A rate set before the start applies from the first step; a resumed run has its rate in its records.
      if (this.rate !== 1 && !this.records.length) choice.rate = this.rate;
      const end = api.run(
        this.experiment,
        choice,
        progress((event: RunEvent) => this.#take(event)),
      );
      const reason = await end;
      this.#set(this.#restarting ? 'starting' : reason === 'interrupted' ? 'stopped' : reason);
    } catch (error) {
      if (error instanceof WorkerError) {
        this.#worker = undefined; // the next start makes a new one
        this.#hasCanvas = false;
      }
      this.failure = error as Error;
      this.#set('failed');
    }
  }

  /** Shows the network at rest: before its first step, or as an earlier visit left it. @throws errors of the worker */
  async showAtRest(): Promise<void> {
    if (this.active || this.#hasCanvas || !this.createCanvas) return;
    this.name ||= await contentHash(this.experiment);
    const kept = this.options.keep ? await keptFiles(this.name) : {};
    const api = await this.workerApi();
    if (this.active || this.#hasCanvas) return;
    await this.#sendCanvas(api);
    await api.rest(this.experiment, kept[files.checkpoint]);
  }

  async #sendCanvas(api: WorkerHandle<PageWorkerApi>['api']): Promise<void> {
    if (!this.createCanvas || this.#hasCanvas) return;
    const { canvas, shape, look, tell } = this.createCanvas();
    this.#hasCanvas = true;
    await api.show(transfer(canvas, [canvas]), shape, look, progress(tell)); // later readings come after this one
  }

  #take(event: RunEvent): void {
    if (event.kind === 'history') {
      this.records = event.records;
      const rate = event.records.findLast((r) => r.type === 'rate');
      if (rate?.type === 'rate') this.rate = rate.factor;
    } else if (event.kind === 'started') {
      this.records = this.records.filter((r) => !('step' in r) || r.type === 'start' || (r.step ?? 0) <= event.step);
      this.executor = event.executor;
      if (this.state === 'starting') this.state = 'running';
    } else if (event.kind === 'record') {
      this.records.push(event.record);
    } else if (event.kind === 'progress') {
      this.progress = event.progress;
      if (this.state === 'starting') this.state = 'running';
    } else if (event.kind === 'held') {
      this.state = 'held';
      if (this.progress) this.progress = { ...this.progress, step: event.step };
    } else if (event.kind === 'notice' && !this.notices.includes(event.text)) this.notices.push(event.text);
    this.#tell(event);
  }

  #set(state: NetworkRunState): void {
    this.state = state;
    this.#tell({ kind: 'state' });
  }

  #tell(event: RunEvent | { kind: 'state' }): void {
    for (const listener of this.change) listener(event);
  }
}
