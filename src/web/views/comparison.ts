/** The curves of several kept runs in one picture, over the exact losses if they have the same grammar. */
import { pageTheme, themes } from '../../analysis/figures/theme.js';
import { canonicalJson } from '../../core/canonical.js';
import type { Experiment } from '../../core/experiment.js';
import { connectWorker, type WorkerPort } from '../../platform/worker.js';
import { type CurveSource, curvesOf, distinctNames } from '../curveData.js';
import { h } from '../dom.js';
import { CurvesPanel } from '../figures/curvesPanel.js';
import { earlierRecords, type KeptRun } from '../folders.js';
import type { GrammarTheory, PageWorkerApi } from '../pageWorker.js';

export type ComparedRun = KeptRun & { experiment: Experiment };

/** As many as there are colours. */
const MOST = themes.light.palette.length;

export class Comparison {
  readonly element: HTMLElement;
  readonly #panel = new CurvesPanel();
  readonly #hint = h('p', { class: 'hint', role: 'status' });
  readonly #chosen = new Set<string>(); // names of runs
  readonly #theories = new Map<string, Promise<GrammarTheory | undefined>>(); // by grammar and task
  #version = 0;

  constructor(readonly startWorker: () => WorkerPort) {
    this.element = h('div', {}, this.#hint); // contains the panel only while it shows something: the page has another one
  }

  has(runs: readonly ComparedRun[]): boolean {
    return runs.every(({ name }) => this.#chosen.has(name));
  }

  /** Adds runs to the picture, or removes them. @returns false if there is no room for them */
  choose(runs: readonly ComparedRun[], wanted: boolean): boolean {
    for (const { name } of runs) {
      if (wanted) this.#chosen.add(name);
      else this.#chosen.delete(name);
    }
    if (this.#chosen.size <= MOST) return true;
    this.choose(runs, false);
    this.#hint.textContent = `The picture has room for ${MOST} runs: remove others first.`;
    return false;
  }

  /** Draws the chosen runs; a run that is no longer kept is dropped. */
  async show(kept: readonly ComparedRun[]): Promise<void> {
    const version = ++this.#version;
    const names = new Set(kept.map(({ name }) => name));
    for (const name of this.#chosen) if (!names.has(name)) this.#chosen.delete(name);
    const runs = kept.filter(({ name }) => this.#chosen.has(name));
    if (runs.length) this.element.append(this.#panel.element);
    else this.#panel.element.remove();
    this.#hint.textContent = kept.length
      ? runs.length
        ? `${runs.length} of at most ${MOST} runs in the picture.`
        : 'Choose runs to see their curves in one picture.'
      : '';
    if (!runs.length) return;
    const sources = await Promise.all(
      runs.map(async ({ experiment, records }): Promise<CurveSource> => {
        const earlier = await earlierRecords(experiment).catch(() => []);
        return { experiment, records, earlier };
      }),
    );
    const experiments = runs.map(({ experiment }) => experiment);
    const theory = await this.#theoryOf(experiments);
    if (version !== this.#version) return;
    this.#panel.show(curvesOf(sources, theory, pageTheme, [], distinctNames(experiments)));
    if (!theory) this.#hint.textContent += ' They differ in their grammar: no exact losses are drawn.';
  }

  /** Exact losses, from a worker; undefined: the runs have several grammars or tasks. */
  #theoryOf(experiments: readonly Experiment[]): Promise<GrammarTheory | undefined> {
    const [key, ...others] = experiments.map(({ grammar, task, seed }) =>
      canonicalJson([{ ...grammar, seed: grammar.seed ?? seed }, task]),
    );
    if (others.some((other) => other !== key)) return Promise.resolve(undefined);
    const known = this.#theories.get(key) ?? this.#learn(experiments[0]);
    this.#theories.set(key, known);
    return known;
  }

  async #learn(experiment: Experiment): Promise<GrammarTheory | undefined> {
    const worker = await connectWorker<PageWorkerApi>(this.startWorker()).catch(() => undefined);
    try {
      return await worker?.api.theory(experiment);
    } catch {
      return undefined; // only the curves are drawn
    } finally {
      void worker?.terminate();
    }
  }
}
