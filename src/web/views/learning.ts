import { pageTheme } from '../../analysis/figures/theme.js';
import { showNumber } from '../../analysis/format.js';
import type { OptimiserKind } from '../../core/experimentTypes.js';
import { optimisers } from '../../core/optimisers.js';
import { plannedSteps } from '../../training/members.js';
import { curvesOf, labelsOf, modelName } from '../curveData.js';
import { h, throttle } from '../dom.js';
import { type LiveCurve, lastOf, usualPrefactor } from '../figures/curves.js';
import { CurvesPanel } from '../figures/curvesPanel.js';
import { stepsTable } from '../figures/stepsTable.js';
import { explanations } from '../figures/terms.js';
import { schemaForm, showForms } from '../form.js';
import type { NetworkRun, NetworkRunState } from '../networkRun.js';
import type { Executor, Page, View, ViewSpec } from '../page.js';
import { presets } from '../presets.js';
import { pageLimits, type Setting } from '../setting.js';

export const learningView: ViewSpec = {
  id: 'learning',
  title: 'Watch it learn',
  about: [
    'The networks learn to predict the last token from all others, from fresh sentences at every step. The dashed lines are exact: ' +
      '*H*(ℓ) is the lowest loss that can be reached with the context up to level ℓ. So a curve falls in steps, one for each ' +
      'level of the grammar that is learned, with plateaus between them.',
    'This is one pass: every sentence is seen once, so each step also needs a minimum number of optimiser updates, however clean ' +
      'the data are. The story above counts distinct sentences, each used until nothing improves, as the theory does.',
    'The triangles mark theory’s *P*_{ℓ}, from which the correlations of level ℓ exceed the noise: *m*^{ℓ+1} for a ' +
      'convolutional network and *m*^{2ℓ−1} for a transformer, from ℓ = 2 on, up to a factor. The factor is taken from the first step of each ' +
      `curve (hollow triangles: ${usualPrefactor}, until that step is seen). In one pass, steps were measured at 0.4 to 4 times ` +
      'these P: the theory predicts how P grows from level to level, not where it starts.',
  ],
  create: (page) => new LearningView(page),
};

const stateWords: Readonly<Record<NetworkRunState, string>> = {
  idle: 'ready',
  starting: 'starting',
  running: 'training',
  held: 'paused',
  done: 'done',
  diverged: 'diverged: lower its learning rate',
  stopped: 'kept from an earlier visit; can be continued',
  failed: 'failed',
};

class LearningView implements View {
  readonly element: HTMLElement;
  readonly #panel = new CurvesPanel();
  readonly #main = h('button', { type: 'button', class: 'primary', onclick: () => this.#toggle() }, 'Train');
  readonly #step = h('button', { type: 'button', onclick: () => this.page.training.stepOnce() }, 'Step');
  readonly #restart = h('button', { type: 'button', onclick: () => void this.#restartAll() }, 'Restart');
  readonly #more = h('button', { type: 'button', onclick: () => void this.page.trainOn() }, 'More steps');
  readonly #networks = h('div', { class: 'networks' });
  readonly #settings = h('div', { class: 'settings' });
  readonly #steps = h('div', {
    class: 'table-scroll',
    tabindex: '0',
    role: 'group',
    'aria-label': 'The staircase in numbers',
  });
  #rows: NetworkRow[] = [];
  readonly #soon = throttle(() => this.#refresh(), 8);

  constructor(readonly page: Page) {
    this.#more.title = 'Train the runs for twice as many steps, from where they ended';
    this.#step.title = 'One optimiser step of every network';
    this.element = h(
      'div',
      {},
      this.#presets(),
      h('div', { class: 'toolbar' }, this.#main, this.#step, this.#restart, this.#more, this.#executorChoice()),
      this.#panel.element,
      explanations(),
      this.#networks,
      this.#steps,
      h('details', { class: 'more' }, h('summary', {}, 'Networks, batch, seeds'), this.#settings),
    );
    this.reset();
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.page.training.save();
      else this.#refresh();
    });
  }

  reset(): void {
    const { training, experiments } = this.page;
    const labels = labelsOf(experiments);
    this.#rows = training.networks.map(
      (network, i) => new NetworkRow(network, labels[i], i, (replica) => this.page.remember(i, { replica })),
    );
    this.#networks.replaceChildren(...this.#rows.map((row) => row.element));
    showForms(this.#settings, ...this.#forms());
    this.#refresh();
  }

  update(): void {
    this.#soon();
  }

  #refresh(): void {
    const { training } = this.page;
    const { looks } = this.page.setting;
    const data = curvesOf(training.networks, training.theory, pageTheme, looks);
    this.#panel.show(data);
    const steps = stepsTable(data, this.page.experiments[0].grammar.s);
    if (steps.innerHTML !== this.#steps.firstElementChild?.innerHTML) this.#steps.replaceChildren(steps);
    for (const [i, row] of this.#rows.entries()) row.refresh(data.curves[i]);
    const begun = training.networks.some((n) => n.records.length > 0);
    this.#main.textContent = training.finished ? 'Done' : training.running ? 'Pause' : begun ? 'Continue' : 'Train';
    this.#main.disabled = training.finished;
    this.#step.disabled = training.running || training.finished;
    this.#restart.disabled = !begun;
    this.#more.hidden = !training.finished;
  }

  #toggle(): void {
    const { training } = this.page;
    if (training.running) training.hold();
    else training.go();
    this.#refresh();
  }

  async #restartAll(): Promise<void> {
    try {
      const { page } = this;
      const { training } = page;
      const back = await Promise.all(training.networks.map((n) => n.restart()));
      if (!back.some((undo) => undo)) return;
      page.offer('The runs were restarted.', async () => {
        await Promise.all(training.networks.map((n) => n.stop()));
        for (const undo of back) await undo?.();
        if (page.training === training) page.open({});
      });
    } catch (error) {
      this.page.say((error as Error).message);
    }
  }

  #presets(): HTMLElement {
    const choices = presets.map(({ name, about, setting }) =>
      h(
        'button',
        { type: 'button', title: about, onclick: () => this.page.open({ looks: undefined, ...setting }) },
        name,
      ),
    );
    return h('div', { class: 'toolbar presets', role: 'group', 'aria-label': 'Settings to start from' }, ...choices);
  }

  #executorChoice(): HTMLElement {
    const names: readonly [string, string][] = [
      ['', 'best available'],
      ['webgpu', 'GPU (WebGPU)'],
      ['wasm', 'CPU (WebAssembly)'],
    ];
    const select = h(
      'select',
      { id: 'executor', onchange: () => this.page.setExecutor((select.value || undefined) as Executor) },
      ...names.map(([value, text]) => h('option', { value }, text)),
    );
    return h('div', { class: 'field inline' }, h('label', { for: 'executor' }, 'Compute on'), select);
  }

  /** A button for one more network: of a kind that is not present yet. */
  #addition(take: (part: Partial<Setting>) => void): HTMLElement {
    const { networks } = this.page.setting;
    const kinds = new Set(this.page.experiments.map(({ model }) => model.kind));
    const kind = (['hcnn', 'mla', 'hlcn'] as const).find((one) => !kinds.has(one)) ?? 'hcnn';
    const model = kind === 'mla' ? { kind, channels: 32, heads: 4 } : { kind, width: 64 };
    const optimiser = kind === 'mla' ? { kind: 'adamw', rate: 5e-3 } : { kind: 'sgd', rate: 1 };
    return h(
      'div',
      {},
      h(
        'button',
        { type: 'button', onclick: () => take({ networks: [...networks, { model, optimiser }] }) },
        `Add a network (${modelName(kind)})`,
      ),
    );
  }

  #forms(): HTMLElement[] {
    const { setting, experiments } = this.page;
    const labels = labelsOf(experiments);
    const take = (part: Partial<Setting>) => {
      const refusal = this.page.change(part);
      if (refusal) this.reset();
      return refusal;
    };
    const networks = setting.networks.map((network, i) => {
      const replace = (part: Partial<typeof network>) =>
        take({ networks: setting.networks.map((n, k) => (k === i ? { ...n, ...part } : n)) });
      const { model, optimiser } = experiments[i];
      return h(
        'fieldset',
        {},
        h('legend', {}, `Network ${i + 1}: ${labels[i]}`),
        setting.networks.length > 1 &&
          h(
            'button',
            {
              type: 'button',
              'aria-label': `Remove network ${i + 1}, ${labels[i]}`,
              onclick: () => void take({ networks: setting.networks.filter((_, k) => k !== i) }),
            },
            'Remove',
          ),
        schemaForm({
          path: 'model',
          words: modelName,
          value: model,
          limits: pageLimits,
          // A different kind of network uses the optimiser that suits it.
          change: (value) =>
            replace(value.kind === model.kind ? { model: value } : { model: value, optimiser: undefined }),
        }),
        schemaForm({
          path: 'optimiser',
          words: (kind) => optimisers[kind as OptimiserKind].title,
          value: optimiser,
          fields: ['rate', 'momentum', 'weightDecay'],
          change: (value) => replace({ optimiser: value }),
        }),
      );
    });
    const { budget, evaluation, schedule } = experiments[0];
    return [
      ...networks,
      ...(networks.length < MOST_NETWORKS ? [this.#addition(take)] : []),
      h(
        'fieldset',
        {},
        h('legend', {}, ['The network', 'Both networks', 'All networks'][networks.length - 1]),
        schemaForm({
          path: 'budget',
          value: budget,
          fields: ['batch', 'steps'],
          limits: pageLimits,
          change: (value) => take({ budget: value }),
        }),
        schemaForm({
          path: 'evaluation',
          value: evaluation,
          limits: pageLimits,
          change: (value) => take({ evaluation: value }),
        }),
        schemaForm({ path: 'schedule', value: schedule, change: (value) => take({ schedule: value }) }),
        schemaForm({
          path: '',
          value: { replicas: setting.replicas, seed: setting.seed },
          fields: ['replicas', 'seed'],
          limits: pageLimits,
          change: (value) => take(value as Partial<Setting>),
        }),
      ),
    ];
  }
}

const MOST_NETWORKS = 3;

/** The state of one network, its learning rate, and which of its seeds is highlighted among the curves. */
class NetworkRow {
  readonly element: HTMLElement;
  readonly #state = h('span', { class: 'state' });
  readonly #facts = h('span', { class: 'facts' });
  readonly #notes = h('ul', { class: 'notes' });
  readonly #bar = h('progress', { max: 1, value: 0 });
  readonly #rate: HTMLInputElement;
  readonly #rateText = h('output');
  readonly #seed: HTMLSelectElement;

  constructor(
    readonly network: NetworkRun,
    label: string,
    index: number,
    /** Highlights a replica; undefined: the mean over all. */
    choose: (replica: number | undefined) => void,
  ) {
    const id = `rate-${index}`;
    this.#bar.setAttribute('aria-label', `${label}: part of its steps done`);
    this.#rate = h('input', {
      id,
      type: 'range',
      min: -4,
      max: 4,
      step: 0.5,
      value: 0,
      oninput: () => this.#showRate(Number(this.#rate.value)),
      onchange: () => void this.network.setRate(2 ** Number(this.#rate.value)),
    });
    const { replicas, seed } = network.experiment;
    const seedId = `curve-seed-${index}`;
    this.#seed = h(
      'select',
      {
        id: seedId,
        'data-field': 'curve of seed',
        onchange: () => choose(this.#seed.value ? Number(this.#seed.value) : undefined),
      },
      h('option', { value: '' }, `mean of ${replicas}`),
      ...Array.from({ length: replicas }, (_, r) => h('option', { value: r }, seed + r)),
    );
    this.element = h(
      'section',
      { class: 'network', 'aria-label': label },
      h('h3', {}, label, this.#state),
      this.#bar,
      this.#facts,
      h('div', { class: 'field inline' }, h('label', { for: id }, 'Learning rate'), this.#rate, this.#rateText),
      replicas > 1 && h('div', { class: 'field inline' }, h('label', { for: seedId }, 'Curve of seed'), this.#seed),
      this.#notes,
    );
    this.element.style.setProperty('--look', `var(--rhm-c${index})`);
  }

  refresh(curve: LiveCurve): void {
    const { network } = this;
    const { state, progress, experiment, failure } = network;
    const steps = plannedSteps(experiment);
    const lastStep = network.records.reduce((most, r) => ('step' in r && r.step ? Math.max(most, r.step) : most), 0);
    const step = Math.max(network.step, lastStep);
    this.#state.textContent = stateWords[state];
    this.#bar.value = step / steps;
    const parts = [`step ${step.toLocaleString('en')} of ${steps.toLocaleString('en')}`];
    if (progress && state === 'running') parts.push(`${showNumber(progress.samplesPerSecond)} sentences/s`);
    const last = lastOf(curve);
    const whose =
      curve.replicas.length === 1 ? '' : curve.chosen === undefined ? 'mean ' : `seed ${curve.seed + curve.chosen}: `;
    if (last.loss !== undefined)
      parts.push(`${whose}${last.diverged ? 'last ' : ''}test loss ${last.loss.toFixed(3)} nats`);
    if (network.executor) parts.push(network.executor);
    this.#seed.value = String(curve.chosen ?? '');
    this.#facts.textContent = parts.join(' · ');
    if (document.activeElement !== this.#rate) {
      this.#rate.value = String(Math.log2(network.rate));
      this.#showRate(Math.log2(network.rate));
    }
    const changed = network.records.some((r) => r.type === 'rate');
    const notes = [
      ...network.notices,
      ...(failure ? [failure.message] : []),
      ...(changed
        ? ['The learning rate was changed by hand: the experiment file alone does not reproduce this run.']
        : []),
    ];
    if (notes.join('\n') !== [...this.#notes.children].map((c) => c.textContent).join('\n'))
      this.#notes.replaceChildren(...notes.map((text) => h('li', {}, text)));
  }

  #showRate(log: number): void {
    const { rate } = this.network.experiment.optimiser;
    this.#rateText.textContent = `${showNumber(rate * 2 ** log)}${log ? ` (× ${showNumber(2 ** log)})` : ''}`;
  }
}
