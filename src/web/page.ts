/** The state of the page that its views share: the setting, the training that it decides, and notices to the visitor. */
import { RhmError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import type { WorkerPort } from '../platform/worker.js';
import { membersOf } from '../training/members.js';
import { holdsSetting, toHash } from './link.js';
import { experimentsOf, type LookChoice, readSetting, type Setting } from './setting.js';
import { SideBySideTraining } from './sideBySideTraining.js';

/** A part of the page. One module each in views/, one line each in views/index.ts. */
export interface View {
  readonly element: HTMLElement;
  /** After a new setting: `page.training` is another one. */
  reset(): void;
  /** After anything that happened in training. Must be cheap. */
  update(): void;
}

export interface ViewSpec {
  id: string; // of the section, for links to it
  title: string;
  /** A few sentences for a reader of the paper. */
  about: readonly string[];
  create(page: Page): View;
}

export type Executor = 'webgpu' | 'wasm' | undefined; // undefined: the best there is

export class Page {
  readonly views: View[] = [];
  /** The address named a setting: whoever follows such a link wants to see that. */
  readonly openedByLink = holdsSetting(location.hash);
  executor: Executor;
  training: SideBySideTraining;
  experiments: Experiment[];
  #gone: Promise<unknown> = Promise.resolve();

  constructor(
    readonly startWorker: () => WorkerPort,
    public setting: Setting,
    /** Shows a message to the visitor; undefined takes it away. */
    readonly say: (message: string | undefined) => void,
  ) {
    this.experiments = experimentsOf(setting);
    this.training = this.#newTraining();
  }

  /** Takes a new setting, or returns why not and keeps the old one. A run in training is saved and let go. */
  change(part: Partial<Setting>, link = true): string | undefined {
    try {
      const { setting, experiments } = readSetting({ ...this.setting, ...part });
      for (const experiment of experiments) membersOf(experiment); // its rules can be drawn
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

  /** Likewise, and tells the visitor why not. */
  open(part: Partial<Setting>, link = true): void {
    const refusal = this.change(part, link);
    if (refusal) this.say(refusal);
  }

  /** Keeps in the link how a network is looked at; what is undefined is left to the page again. */
  remember(network: number, look: LookChoice): void {
    const looks = this.setting.networks.map((_, i) => {
      const all = { ...this.setting.looks?.[i], ...(i === network ? look : {}) };
      return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    });
    this.setting = { ...this.setting, looks };
    history.replaceState(null, '', toHash(this.setting));
    for (const view of this.views) view.update();
  }

  /** Keeps the step of the story in the link, where that does not hold a setting. */
  tell(step: number): void {
    if (!holdsSetting(location.hash)) history.replaceState(null, '', `#story=${step}`);
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
