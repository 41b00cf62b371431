/** Networks that train side by side on one grammar, each in a separate worker, and the theory of that grammar. */

import type { Experiment } from '../core/experiment.js';
import { hasEnded } from '../core/records.js';
import { browserPlatform } from '../platform/browser.js';
import { connectWorker } from '../platform/worker.js';
import { NetworkRun, type NetworkRunOptions } from './networkRun.js';
import type { GrammarTheory, PageWorkerApi } from './pageWorker.js';

export class SideBySideTraining {
  readonly networks: NetworkRun[];
  theory: GrammarTheory | undefined;
  /** Called after every event. */
  onChange: () => void = () => {};
  #disposed = false;

  constructor(
    readonly experiments: readonly Experiment[],
    readonly options: NetworkRunOptions,
  ) {
    // More threads than cores wait for each other, and for time that the page needs.
    const mostThreads = Math.max(1, Math.floor(browserPlatform.cores / experiments.length));
    this.networks = experiments.map((experiment) => new NetworkRun(experiment, { mostThreads, ...options }));
    for (const network of this.networks) network.change.add(() => this.onChange());
    void this.#learnTheory();
  }

  get active(): boolean {
    return this.networks.some((n) => n.active);
  }

  get running(): boolean {
    return this.networks.some((n) => n.state === 'running' || n.state === 'starting');
  }

  get finished(): boolean {
    return this.networks.every((n) => hasEnded(n.state));
  }

  /** Starts all, or continues the paused ones. */
  go(): void {
    for (const network of this.networks) if (!hasEnded(network.state)) void network.go();
  }

  hold(): void {
    for (const network of this.networks) void network.hold();
  }

  stepOnce(): void {
    for (const network of this.networks) if (!hasEnded(network.state)) void network.stepOnce();
  }

  save(): void {
    for (const network of this.networks) void network.save();
  }

  /** Saves and ends all runs and their workers. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.onChange = () => {};
    await Promise.all(
      this.networks.map(async (n) => {
        await n.stop();
        await n.dispose();
      }),
    );
  }

  /** In a separate worker: for a large grammar it takes seconds, and training does not wait for it. */
  async #learnTheory(): Promise<void> {
    const worker = await connectWorker<PageWorkerApi>(this.options.startWorker()).catch(() => undefined);
    try {
      this.theory = await worker?.api.theory(this.experiments[0]);
    } catch {
      // Without theory only the curves are drawn.
    } finally {
      void worker?.terminate();
    }
    if (!this.#disposed) this.onChange();
  }
}
