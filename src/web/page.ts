/** The state that the views of the page share: the setting, the training that follows from it, and notices to the visitor. */
import { InputError, RhmError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import type { WorkerPort } from '../platform/worker.js';
import { continuedExperiment } from '../training/continued.js';
import { membersOf, plannedSteps } from '../training/members.js';
import { keptParent } from './folders.js';
import { holdsSetting, toHash } from './link.js';
import { experimentsOf, type LookChoice, readSetting, type Setting } from './setting.js';
import { SideBySideTraining } from './sideBySideTraining.js';

/** A part of the page. One module per view in views/, one line each in views/index.ts. */
export interface View {
  readonly element: HTMLElement;
  /** After a new setting: `page.training` has been replaced. */
  reset(): void;
  /** After every event of training. Must be cheap. */
  update(): void;
}

export interface ViewSpec {
  id: string; // id of the section, for links to it
  title: string;
  /** A few sentences for a reader of the paper. */
  about: readonly string[];
  create(page: Page): View;
}

export type Executor = 'webgpu' | 'wasm' | undefined; // undefined: the best available

export class Page {
  readonly views: View[] = [];
  /** The address names a setting: a reader who follows such a link wants to see it. */
  readonly openedByLink = holdsSetting(location.hash);
  executor: Executor;
  training: SideBySideTraining;
  experiments: Experiment[];
  #gone: Promise<unknown> = Promise.resolve();

  constructor(
    readonly startWorker: () => WorkerPort,
    public setting: Setting,
    /** Shows a message to the visitor; undefined removes it. */
    readonly say: (message: string | undefined) => void,
    /** Reports that something was removed, and offers to restore it. */
    readonly offer: (message: string, undo: () => Promise<void>) => void,
  ) {
    this.experiments = experimentsOf(setting);
    this.training = this.#newTraining();
  }

  /**
   * Takes a new setting, or returns the reason for refusing it and keeps the old one. A run in training is saved and released. A run
   * that continued another one no longer does: with other fields it would be a different run.
   */
  change(part: Partial<Setting>): string | undefined {
    const networks = (part.networks ?? this.setting.networks).map(({ from: _, ...network }) => network);
    return this.#take({ ...part, networks }, true);
  }

  #take(part: Partial<Setting>, link: boolean): string | undefined {
    try {
      const { setting, experiments } = readSetting({ ...this.setting, ...part });
      for (const experiment of experiments) membersOf(experiment); // checks that its rules can be drawn
      this.setting = setting;
      this.experiments = experiments;
    } catch (error) {
      if (!(error instanceof RhmError)) throw error;
      return `Not taken: ${error.message}.`;
    }
    this.say(undefined);
    if (link) history.replaceState(null, '', toHash(this.setting));
    this.#replaceTraining();
    return undefined;
  }

  /** Opens a kept or linked setting, and tells the visitor if it is refused. */
  open(part: Partial<Setting>, link = true): void {
    const refusal = this.#take(part, link);
    if (refusal) this.say(refusal);
  }

  /** Stores the view of a network in the link; undefined leaves the choice to the page. */
  remember(network: number, look: LookChoice): void {
    const looks = this.setting.networks.map((_, i) => {
      const all = { ...this.setting.looks?.[i], ...(i === network ? look : {}) };
      return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    });
    this.setting = { ...this.setting, looks };
    history.replaceState(null, '', toHash(this.setting));
    for (const view of this.views) view.update();
  }

  /** Stores the step of the story in the link, unless that contains a setting. */
  tell(step: number): void {
    if (!holdsSetting(location.hash)) history.replaceState(null, '', `#story=${step}`);
  }

  /** Doubles the steps: finished runs continue from their end. */
  async trainOn(): Promise<void> {
    const { setting, experiments, training } = this;
    const steps = 2 * Math.max(...experiments.map((experiment) => plannedSteps(experiment)));
    try {
      const networks = await Promise.all(
        training.networks.map(async ({ name }, i) => {
          const parent = await keptParent(name);
          if (!parent)
            throw new InputError(
              'This run is not kept in the browser, so it cannot be continued; restart it with more steps',
            );
          const wanted = { ...experiments[i], budget: { ...experiments[i].budget, steps } };
          return { ...setting.networks[i], from: (await continuedExperiment(parent, wanted)).from };
        }),
      );
      this.open({ budget: { ...setting.budget, steps }, networks });
      if (this.training !== training) this.training.go();
    } catch (error) {
      if (!(error instanceof RhmError)) throw error;
      this.say(`Not continued: ${error.message}.`);
    }
  }

  setExecutor(executor: Executor): void {
    this.executor = executor;
    this.#replaceTraining();
  }

  #replaceTraining(): void {
    this.#gone = this.training.dispose();
    this.training = this.#newTraining();
    for (const view of this.views) view.reset();
  }

  #newTraining(): SideBySideTraining {
    const options = { startWorker: this.startWorker, keep: true, executor: this.executor, after: this.#gone };
    const training = new SideBySideTraining(this.experiments, options);
    training.onChange = () => {
      for (const view of this.views) view.update();
    };
    for (const network of training.networks) void network.recall();
    return training;
  }
}
