import { pageTheme } from '../../analysis/figures/theme.js';
import { FileError, InputError } from '../../core/errors.js';
import { parseExperiment } from '../../core/experiment.js';
import { hasField } from '../../core/modelFacts.js';
import { files, parseJson } from '../../core/outside.js';
import { parseRecords, type RunRecord } from '../../core/records.js';
import { connectWorker, type WorkerPort } from '../../platform/worker.js';
import { type CurveSource, curvesOf, labelsOf } from '../curveData.js';
import { h } from '../dom.js';
import { CurvesPanel } from '../figures/curvesPanel.js';
import type { GrammarTheory, PageWorkerApi } from '../pageWorker.js';
import { experimentsOf, firstSetting, parseSetting, type Setting } from '../setting.js';
import { SideBySideTraining } from '../sideBySideTraining.js';
import { RhmElement } from './base.js';
import { attributeOf, type Properties, reflect } from './properties.js';

/**
 * `<rhm-learning-curve models="hcnn mla" v="8" m="3" s="2" l="3" seed="1" steps="4096" batch="32" replicas="1" autostart>` trains the
 * networks in workers and draws their test losses over the exact staircase H(ell). Instead, `setting` takes the JSON of the page's
 * links, and `src` the addresses of run folders of `rhm train` (experiment.json and records.jsonl), which are drawn without training.
 * `executor`: webgpu or wasm. `keep`: runs are kept in the browser and continue after a reload. Every attribute is a property too.
 * Methods: start(), pause(), restart(), which resolves to a function that undoes it if runs are kept. Events: `rhm-record` {network,
 * record}, `rhm-state` {network, state}, `rhm-error` {message}; network is the index of the network or run folder.
 */
export class RhmLearningCurve extends RhmElement {
  static override readonly properties: Properties = {
    models: 'list',
    v: 'number',
    m: 'number',
    s: 'number',
    l: 'number',
    seed: 'number',
    steps: 'number',
    batch: 'number',
    replicas: 'number',
    setting: 'json',
    src: 'list',
    executor: 'text',
    keep: 'flag',
    autostart: 'flag',
  };
  static readonly observedAttributes = Object.keys(RhmLearningCurve.properties)
    .filter((name) => name !== 'autostart')
    .map(attributeOf);
  static {
    reflect(RhmLearningCurve.prototype, RhmLearningCurve.properties);
  }
  /** kinds of networks; a text may name several */
  declare models?: readonly string[] | string;
  /** vocabulary size */
  declare v?: number;
  /** rules per symbol */
  declare m?: number;
  /** branching factor */
  declare s?: number;
  /** depth */
  declare l?: number;
  /** first seed */
  declare seed?: number;
  /** optimiser steps */
  declare steps?: number;
  /** sentences per step */
  declare batch?: number;
  /** seeds per network */
  declare replicas?: number;
  /** the setting in a link of the page, as a value or as JSON */
  declare setting?: object | string;
  /** addresses of run folders */
  declare src?: readonly string[] | string;
  declare executor?: 'webgpu' | 'wasm';
  declare keep: boolean;
  declare autostart: boolean;
  /** Starts a worker that serves the page's functions. */
  static startWorker: () => WorkerPort;
  readonly #panel = new CurvesPanel();
  readonly #button = h('button', { type: 'button', class: 'primary', onclick: () => this.#toggle() }, 'Train');
  readonly #restart = h(
    'button',
    { type: 'button', onclick: () => void this.restart().catch((error) => this.fail(error)) },
    'Restart',
  );
  readonly #undo = h(
    'button',
    { type: 'button', hidden: true, onclick: () => void this.#back?.().catch((error) => this.fail(error)) },
    'Undo restart',
  );
  readonly #state = h('span', { class: 'state', role: 'status' });
  readonly #toolbar = h('div', { class: 'toolbar' }, this.#button, this.#restart, this.#undo, this.#state);
  #back: (() => Promise<void>) | undefined;
  #training: SideBySideTraining | undefined;
  #gone: Promise<unknown> = Promise.resolve();
  #seen = '';
  #looks: Setting['looks'];

  constructor() {
    super();
    this.root.append(this.#panel.element, this.#toolbar);
  }

  disconnectedCallback(): void {
    // Deferred: an element that is moved within its page is first removed and then inserted.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#end();
      this.#seen = '';
    });
  }

  start(): void {
    this.#training?.go();
  }

  pause(): void {
    this.#training?.hold();
  }

  /**
   * Starts all runs again. @returns a function that restores the former runs, if they were kept (attribute `keep`) and nothing else was
   * started since; undefined: nothing can be restored
   */
  async restart(): Promise<(() => Promise<void>) | undefined> {
    const training = this.#training;
    this.#offer(undefined);
    const back = await Promise.all(training?.networks.map((n) => n.restart()) ?? []);
    if (!training || training !== this.#training || !back.some((undo) => undo)) return undefined;
    const undo = async () => {
      this.#offer(undefined);
      if (training !== this.#training) return;
      await Promise.all(training.networks.map((n) => n.stop()));
      for (const one of back) await one?.();
      this.#seen = '';
      await this.refresh();
    };
    this.#offer(undo);
    return undo;
  }

  /** Shows a button that restores the runs ended by a restart; undefined: removes it. */
  #offer(undo: (() => Promise<void>) | undefined): void {
    this.#back = undo;
    this.#undo.hidden = !undo;
  }

  /** Records so far, one list per network. */
  get records(): RunRecord[][] {
    return this.#training?.networks.map((n) => [...n.records]) ?? [];
  }

  protected override async refresh(): Promise<void> {
    // Attributes that determine the runs: changes of others leave them running.
    const seen = RhmLearningCurve.observedAttributes.map((name) => this.getAttribute(name)).join('\n');
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#offer(undefined);
    this.#end();
    const src = this.getAttribute('src');
    this.#toolbar.hidden = src !== null;
    if (src !== null) return this.#showFolders(src.trim().split(/\s+/));
    const executor = this.getAttribute('executor') ?? undefined;
    if (executor !== undefined && executor !== 'webgpu' && executor !== 'wasm')
      throw new InputError(`executor: got "${executor}"; pass webgpu or wasm`);
    const setting = this.#setting();
    this.#looks = setting.looks;
    const training = new SideBySideTraining(experimentsOf(setting), {
      startWorker: RhmLearningCurve.startWorker,
      keep: this.hasAttribute('keep'),
      executor,
      after: this.#gone,
    });
    this.#training = training;
    training.networks.forEach((network, index) => {
      network.change.add((event) => {
        if (event.kind === 'record') this.emit('rhm-record', { network: index, record: event.record });
        else if (event.kind === 'state') this.emit('rhm-state', { network: index, state: network.state });
        if (event.kind === 'state' && network.failure) this.fail(network.failure);
      });
      void network.recall();
    });
    training.onChange = () => this.#draw();
    this.#draw();
    if (this.hasAttribute('autostart')) training.go();
  }

  #setting(): Setting {
    const text = this.getAttribute('setting');
    if (text !== null) return parseSetting(parseJson(text, 'setting'));
    const { grammar, networks, budget } = firstSetting;
    const known = new Map(networks.map((n) => [n.model.kind, n]));
    const models = this.getAttribute('models')
      ?.trim()
      .split(/[\s,]+/);
    const v = this.numberOf('v', grammar.v as number);
    return parseSetting({
      ...firstSetting,
      grammar: {
        v,
        n: v,
        m: this.numberOf('m', grammar.m as number),
        s: this.numberOf('s', grammar.s as number),
        L: this.numberOf('l', grammar.L as number),
        seed: this.numberOf('seed', 1),
      },
      networks:
        models?.map(
          (kind) => known.get(kind) ?? { model: { kind, ...(hasField(kind, 'width') ? { width: 64 } : {}) } },
        ) ?? networks,
      budget: {
        batch: this.numberOf('batch', budget.batch as number),
        steps: this.numberOf('steps', budget.steps as number),
      },
      replicas: this.numberOf('replicas', 1),
      measures: [],
    });
  }

  #draw(): void {
    const training = this.#training;
    if (!training) return;
    this.#panel.show(curvesOf(training.networks, training.theory, pageTheme, this.#looks));
    this.#button.textContent = training.finished
      ? 'Done'
      : training.running
        ? 'Pause'
        : training.networks.some((n) => n.records.length)
          ? 'Continue'
          : 'Train';
    this.#button.disabled = training.finished;
    this.#restart.disabled = !training.networks.some((n) => n.records.length);
    const labels = labelsOf(training.experiments);
    const text = training.finished
      ? 'Done'
      : training.active
        ? training.networks.map((n, i) => `${labels[i]}: step ${n.step}`).join(', ')
        : '';
    if (this.#state.textContent !== text) this.#state.textContent = text;
  }

  #toggle(): void {
    if (this.#training?.running) this.pause();
    else this.start();
    this.#draw();
  }

  async #showFolders(folders: readonly string[]): Promise<void> {
    const sources = await Promise.all(folders.map(fetchRun));
    this.#panel.show(curvesOf(sources, undefined, pageTheme));
    const worker = await connectWorker<PageWorkerApi>(RhmLearningCurve.startWorker());
    let theory: GrammarTheory;
    try {
      theory = await worker.api.theory(sources[0].experiment);
    } finally {
      void worker.terminate();
    }
    this.#panel.show(curvesOf(sources, theory, pageTheme));
  }

  #end(): void {
    if (this.#training) this.#gone = this.#training.dispose();
    this.#training = undefined;
  }
}

/** A run folder by its address. @throws FileError, InputError */
async function fetchRun(address: string): Promise<CurveSource> {
  const base = new URL(address.endsWith('/') ? address : `${address}/`, document.baseURI);
  const text = async (name: string) => {
    const answer = await fetch(new URL(name, base)).catch((error: Error) => error);
    if (answer instanceof Error || !answer.ok)
      throw new FileError(
        `src: ${base}${name} could not be read (${answer instanceof Error ? answer.message : answer.status}); pass the address of a run folder`,
      );
    return answer.text();
  };
  const [json, lines] = await Promise.all([text(files.experiment), text(files.records)]);
  const experiment = parseExperiment(parseJson(json, `${base}${files.experiment}`));
  return { experiment, records: parseRecords(lines).records };
}
