/** Networks that train side by side on one grammar, each in a worker of its own, and the theory of that grammar. */

import type { Experiment } from '../core/experiment.js';
import { hasEnded } from '../core/records.js';
import { browserPlatform } from '../platform/browser.js';
import { startWebWorker } from '../platform/webWorker.js';
import { connectWorker } from '../platform/worker.js';
import type { Desk, GrammarTheory } from './desk.js';
import { Trainee, type TraineeOptions } from './trainee.js';

export class Race {
  readonly trainees: Trainee[];
  theory: GrammarTheory | undefined;
  /** Called after everything that happens. */
  onChange: () => void = () => {};
  #disposed = false;

  constructor(
    readonly experiments: readonly Experiment[],
    readonly options: TraineeOptions,
  ) {
    // More threads than cores wait for each other, and for turns that the page needs.
    const mostThreads = Math.max(1, Math.floor(browserPlatform.cores / experiments.length));
    this.trainees = experiments.map((experiment) => new Trainee(experiment, { mostThreads, ...options }));
    for (const trainee of this.trainees) trainee.change.add(() => this.onChange());
    void this.#learnTheory();
  }

  get active(): boolean {
    return this.trainees.some((t) => t.active);
  }

  get running(): boolean {
    return this.trainees.some((t) => t.state === 'running' || t.state === 'starting');
  }

  get finished(): boolean {
    return this.trainees.every((t) => hasEnded(t.state));
  }

  /** Starts all, or lets those that hold go on. */
  go(): void {
    for (const trainee of this.trainees) if (!hasEnded(trainee.state)) void trainee.go();
  }

  hold(): void {
    for (const trainee of this.trainees) void trainee.hold();
  }

  stepOnce(): void {
    for (const trainee of this.trainees) if (!hasEnded(trainee.state)) void trainee.stepOnce();
  }

  save(): void {
    for (const trainee of this.trainees) void trainee.save();
  }

  /** Saves and ends all runs and their workers. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.onChange = () => {};
    await Promise.all(
      this.trainees.map(async (t) => {
        await t.stop();
        await t.dispose();
      }),
    );
  }

  /** In a worker of its own: for a large grammar it takes seconds, and training does not wait for it. */
  async #learnTheory(): Promise<void> {
    const worker = await connectWorker<Desk>(startWebWorker(this.options.script)).catch(() => undefined);
    try {
      this.theory = await worker?.api.theory(this.experiments[0] as unknown as Record<string, unknown>);
    } catch {
      // Without theory the curves are drawn alone.
    } finally {
      void worker?.terminate();
    }
    if (!this.#disposed) this.onChange();
  }
}
