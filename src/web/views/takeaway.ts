import { themes } from '../../analysis/figures/theme.js';
import { canonicalJson } from '../../core/canonical.js';
import { RhmError } from '../../core/errors.js';
import { type Experiment, parseExperiment } from '../../core/experiment.js';
import { formatRecord } from '../../core/records.js';
import { encodeSafetensors } from '../../core/safetensors.js';
import { verifyCheckpoint } from '../../training/checkpoint.js';
import { files } from '../../training/folder.js';
import { plannedSteps } from '../../training/members.js';
import { weightsOf } from '../../training/weights.js';
import { curvesOf, labelsOf, modelName } from '../curveData.js';
import { h, throttle, uniqueId } from '../dom.js';
import { download, recordsCsv, toPng } from '../download.js';
import { curvesFile } from '../figures/curves.js';
import { type KeptRun, listKept, takeOut } from '../folders.js';
import { toHash } from '../link.js';
import type { NetworkRun } from '../networkRun.js';
import type { Page, View, ViewSpec } from '../page.js';
import type { Setting } from '../setting.js';
import { type ComparedRun, Comparison } from './comparison.js';

export const takeawayView: ViewSpec = {
  id: 'takeaway',
  title: 'Take it away',
  about: [
    'A link holds the whole setting after the #, which is never sent to a server. The experiment file is for the command line: ' +
      '*rhm train experiment.json* gives the same records, bit for bit with the same executor. Weights are safetensors with ' +
      'the names and shapes of the authors’ PyTorch code.',
    'Runs are kept in this browser, in its private file system, and continue after a reload from their last checkpoint. ' +
      'They stay until you remove them or clear this site’s data. The page itself is kept too: after one visit it opens without a network.',
  ],
  create: (page) => new TakeawayView(page),
};

const PAPER = `@misc{cagnetta2025scaling,
  title = {Scaling Laws and Representation Learning in Simple Hierarchical Languages:
           Transformers vs. Convolutional Architectures},
  author = {Cagnetta, Francesco and Favero, Alessandro and Sclocchi, Antonio and Wyart, Matthieu},
  year = {2025},
  eprint = {2505.07070},
  archivePrefix = {arXiv}
}`;

const FIGURE = { width: 860, height: 500 };

class TakeawayView implements View {
  readonly element: HTMLElement;
  readonly #link = h('input', { type: 'text', id: 'link', readonly: true, onfocus: () => this.#link.select() });
  readonly #copied = h('span', { class: 'hint', role: 'status' });
  readonly #files = h('div', { class: 'networks' });
  readonly #kept = h('div');
  readonly #comparison: Comparison;
  #buttons: { button: HTMLButtonElement; network: NetworkRun }[] = [];
  #ends = '';
  #lists = 0; // begun
  readonly #soon = throttle(() => this.#refresh(), 2);

  constructor(readonly page: Page) {
    this.#comparison = new Comparison(page.startWorker);
    const figure = (text: string, save: () => void | Promise<void>) =>
      h('button', { type: 'button', onclick: () => void this.#try(save) }, text);
    this.element = h(
      'div',
      {},
      h(
        'div',
        { class: 'toolbar' },
        h('div', { class: 'field link' }, h('label', { for: 'link' }, 'Link to this setting'), this.#link),
        h('button', { type: 'button', onclick: () => void this.#copy() }, 'Copy link'),
        this.#copied,
      ),
      h(
        'div',
        { class: 'toolbar' },
        'Figure of the curves:',
        figure('SVG', () => download('learning-curves.svg', this.#figure(), 'image/svg+xml')),
        figure('PNG', async () => {
          const picture = await toPng(this.#figure(), FIGURE.width, FIGURE.height);
          download('learning-curves.png', picture, 'image/png');
        }),
      ),
      this.#files,
      h('h3', {}, 'Runs kept in this browser'),
      this.#kept,
      this.#comparison.element,
      h('h3', { id: 'cite' }, 'Cite'),
      h(
        'pre',
        { tabindex: '0', role: 'group', 'aria-label': 'Reference of the paper as BibTeX' },
        h('code', {}, PAPER),
      ),
    );
    this.reset();
  }

  reset(): void {
    const { training, experiments } = this.page;
    const labels = labelsOf(experiments);
    this.#copied.textContent = '';
    this.#buttons = [];
    this.#files.replaceChildren(
      ...training.networks.map((network, i) => {
        const name = `${experiments[i].model.kind}-${i + 1}`;
        const file = (text: string, save: () => void | Promise<void>, needsRecords = true) => {
          const button = h('button', { type: 'button', onclick: () => void this.#try(save) }, text);
          if (needsRecords) this.#buttons.push({ button, network });
          return button;
        };
        const card = h(
          'section',
          { class: 'network', 'aria-label': `Files of ${labels[i]}` },
          h('h3', {}, labels[i]),
          h(
            'div',
            { class: 'toolbar' },
            file('Records, CSV', () => download(`${name}.csv`, recordsCsv(network.records), 'text/csv')),
            file('Records, JSON lines', () =>
              download(`${name}.records.jsonl`, network.records.map(formatRecord).join(''), 'application/x-ndjson'),
            ),
            file('Weights, safetensors', () => this.#saveWeights(network, name)),
            file(
              'Experiment, JSON',
              () =>
                download(
                  `${name}.experiment.json`,
                  `${JSON.stringify(network.experiment, null, 2)}\n`,
                  'application/json',
                ),
              false,
            ),
          ),
        );
        card.style.setProperty('--look', `var(--rhm-c${i})`);
        return card;
      }),
    );
    this.#refresh();
    void this.#list();
  }

  update(): void {
    this.#soon();
  }

  #refresh(): void {
    const link = `${location.origin}${location.pathname}${toHash(this.page.setting)}`;
    if (link !== this.#link.value) {
      this.#link.value = link;
      this.#copied.textContent = '';
    }
    for (const { button, network } of this.#buttons) button.disabled = !network.records.some((r) => r.type === 'eval');
    const ends = this.page.training.networks.map((n) => `${n.state}${n.records.length > 0}`).join();
    if (ends === this.#ends) return;
    this.#ends = ends;
    void this.#list();
  }

  #figure(): string {
    const { networks, theory } = this.page.training;
    const { looks } = this.page.setting;
    return curvesFile(curvesOf(networks, theory, themes.light, looks), { ...FIGURE, theme: themes.light });
  }

  async #saveWeights(network: NetworkRun, name: string): Promise<void> {
    const { [files.checkpoint]: checkpoint } = await network.files();
    if (!checkpoint) {
      this.page.say(
        'There are no weights yet: they are first written within a second of the start, then twice a second, and when training pauses or ends.',
      );
      return;
    }
    await verifyCheckpoint(checkpoint, files.checkpoint);
    const weights = weightsOf(checkpoint, files.checkpoint, {});
    download(`${name}.safetensors`, encodeSafetensors(weights), 'application/octet-stream');
  }

  async #copy(): Promise<void> {
    this.#refresh();
    try {
      await navigator.clipboard.writeText(this.#link.value);
      this.#copied.textContent = 'Copied.';
    } catch {
      this.#link.select();
      this.#copied.textContent = 'The browser does not allow copying: the link is selected, press Ctrl+C.';
    }
  }

  async #try(work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof RhmError)) throw error;
      this.page.say(error.message);
    }
  }

  async #list(): Promise<void> {
    const list = ++this.#lists;
    const kept = await listKept();
    if (list !== this.#lists) return; // a later list is more complete, and may have arrived first
    const groups = groupRuns(kept);
    const runs = groups.flatMap((group) => group.runs);
    const rows = groups.map((group) => this.#row(group, runs));
    this.#kept.replaceChildren(
      rows.length
        ? h('ul', { class: 'kept' }, ...rows)
        : h('p', { class: 'hint' }, 'None yet. Runs appear here once training starts.'),
    );
    await this.#comparison.show(runs);
  }

  /** Puts the runs of a row into the common picture. */
  #chooser(runs: readonly ComparedRun[], all: readonly ComparedRun[], what: string): HTMLElement {
    const id = uniqueId('compare');
    const box = h('input', {
      type: 'checkbox',
      id,
      checked: this.#comparison.has(runs),
      'aria-label': `Compare ${what}`,
      onchange: () => {
        if (this.#comparison.choose(runs, box.checked)) void this.#comparison.show(all);
        else box.checked = false;
      },
    });
    return h('label', { class: 'choice', for: id }, box, 'Compare');
  }

  #row({ setting, runs }: Group, all: readonly ComparedRun[]): HTMLElement {
    const { v, m, s, L, seed } = setting.grammar as Record<string, number>;
    const what = runs
      .map(({ name, experiment, records, step: kept, ended }) => {
        const shown = this.page.training.networks.find((n) => n.name === name);
        if (shown?.active)
          return `${modelName(experiment.model.kind)} (${shown.state === 'held' ? 'paused' : 'in training'})`;
        const last = records.findLast((r) => r.type === 'eval');
        const at = Math.max(kept, last?.type === 'eval' ? last.step : 0);
        const step = at ? `step ${at.toLocaleString('en')}` : 'not begun';
        return `${modelName(experiment.model.kind)} (${ended ? 'done' : step})`;
      })
      .join(', ');
    const shape = `v=${v} m=${m} s=${s} L=${L}, grammar ${seed ?? setting.seed}`;
    const { budget, replicas } = runs[0].experiment;
    const steps = plannedSteps(runs[0].experiment).toLocaleString('en');
    const seeds = replicas === 1 ? `seed ${setting.seed}` : `seeds ${setting.seed} to ${setting.seed + replicas - 1}`;
    const how = `${steps} steps of ${budget.batch * budget.accumulate}, ${seeds}`;
    return h(
      'li',
      {},
      h('span', { class: 'what' }, h('strong', {}, shape), `, ${how}: ${what}`),
      h(
        'span',
        { class: 'buttons' },
        this.#chooser(runs, all, `${shape}, ${how}: ${what}`),
        h(
          'button',
          { type: 'button', onclick: () => this.page.open(setting), 'aria-label': `Open ${shape}, ${how}: ${what}` },
          'Open',
        ),
        h(
          'button',
          {
            type: 'button',
            'aria-label': `Remove ${shape}, ${how}: ${what}`,
            onclick: () =>
              void this.#try(async () => {
                const shown = this.page.training.networks.filter((n) => runs.some((r) => r.name === n.name));
                await Promise.all(shown.map((n) => n.stop()));
                const back = await takeOut(runs.map(({ name }) => name));
                const again = async () => {
                  if (this.page.training.networks.some((n) => runs.some((r) => r.name === n.name))) this.page.open({});
                  else await this.#list();
                };
                await again();
                if (back)
                  this.page.offer(`Removed: ${shape}.`, async () => {
                    const begun = this.page.training.networks.filter((n) => runs.some((r) => r.name === n.name));
                    await Promise.all(begun.map((n) => n.stop()));
                    await back();
                    await again();
                  });
              }),
          },
          'Remove',
        ),
      ),
    );
  }
}

interface Group {
  setting: Setting;
  runs: ComparedRun[];
}

/** Runs that differ only in their network were trained side by side. */
function groupRuns(kept: readonly KeptRun[]): Group[] {
  const groups = new Map<string, Group>();
  for (const run of kept) {
    try {
      const experiment = parseExperiment(run.experiment);
      const { model, optimiser, from, ...shared } = experiment;
      const key = canonicalJson(shared);
      const group = groups.get(key) ?? { setting: { ...shared, networks: [] } as unknown as Setting, runs: [] };
      if (group.setting.networks.length === 3) continue;
      group.setting.networks.push({ model, optimiser, ...(from && { from }) });
      group.runs.push({ ...run, experiment });
      groups.set(key, group);
    } catch {
      // From another version, or damaged: neither shown nor touched.
    }
  }
  for (const { setting, runs } of groups.values()) {
    // The order in which the page first shows them: convolutional before attention.
    const order = runs.map((_, i) => i).sort((a, b) => kindOf(runs[a]).localeCompare(kindOf(runs[b])));
    setting.networks = order.map((i) => setting.networks[i]);
    runs.splice(0, runs.length, ...order.map((i) => runs[i]));
  }
  return [...groups.values()];
}

const kindOf = (run: { experiment: Experiment }) => run.experiment.model.kind;
