import { contentHash } from '../core/canonical.js';
import { DeviceLostError, RhmError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { parseRecords } from '../core/records.js';
import { files, type RunFolder } from '../training/folder.js';
import type { Progress, TrainResult } from '../training/loop.js';
import { plannedSteps } from '../training/members.js';
import type { PlannedRun } from './reproduce.js';

/** Run folders by the hash of their experiment. */
export interface RunStore {
  /** @throws FileError when another process works in it. */
  open(hash: string): Promise<RunFolder>;
}

/** Trains one experiment into a folder, from its checkpoint where there is one. */
export type TrainOne = (
  experiment: Experiment,
  folder: RunFolder,
  hooks: { signal?: AbortSignal; onProgress: (progress: Progress) => void },
) => Promise<Pick<TrainResult, 'reason'>>;

export interface StudyProgress {
  run: PlannedRun;
  index: number; // from 0, over all runs of the plan
  total: number;
  progress: Progress;
  secondsLeft: number; // for all runs, if none stops early; NaN before anything is known
}

export interface StudyResult {
  trained: number;
  skipped: number; // the store had them
  failed: { run: PlannedRun; error: RhmError }[];
  interrupted: boolean;
}

/** Trains the runs of a plan that the store does not hold complete. Stops at the signal, with everything saved. */
export async function runMissing(
  plan: readonly PlannedRun[],
  store: RunStore,
  trainOne: TrainOne,
  options: {
    signal?: AbortSignal;
    onProgress?: (progress: StudyProgress) => void;
    onRun?: (line: string) => void;
  } = {},
): Promise<StudyResult> {
  const { signal, onProgress, onRun } = options;
  const result: StudyResult = { trained: 0, skipped: 0, failed: [], interrupted: false };
  const pace = new Pace(plan);
  for (const [index, run] of plan.entries()) {
    if (signal?.aborted) return { ...result, interrupted: true };
    const hash = await contentHash(run.experiment);
    let folder: RunFolder | undefined;
    pace.begin(run);
    try {
      folder = await store.open(hash);
      if (await isComplete(run.experiment, folder)) {
        result.skipped++;
        continue;
      }
      const started = performance.now();
      const { reason } = await trainOne(run.experiment, folder, {
        signal,
        onProgress(progress) {
          pace.at(progress);
          onProgress?.({ run, index, total: plan.length, progress, secondsLeft: pace.secondsLeft() });
        },
      });
      if (reason === 'interrupted') return { ...result, interrupted: true };
      result.trained++;
      onRun?.(
        `[${index + 1}/${plan.length}] ${run.name}: ${reason} in ${((performance.now() - started) / 1000).toFixed(1)} s`,
      );
    } catch (error) {
      // No later run would do better on a lost device; what is not one of our errors is a fault of the program.
      if (!(error instanceof RhmError) || error instanceof DeviceLostError) throw error;
      result.failed.push({ run, error });
      onRun?.(`[${index + 1}/${plan.length}] ${run.name}: ${error.name}: ${error.message}`);
    } finally {
      pace.end();
      await folder?.release();
    }
  }
  return result;
}

/** Every replica has reached its end (or diverged). */
export async function isComplete(experiment: Experiment, folder: RunFolder): Promise<boolean> {
  const bytes = await folder.read(files.records);
  if (!bytes) return false;
  const ended = new Set<number>();
  for (const record of parseRecords(new TextDecoder().decode(bytes)).records)
    if (record.type === 'end' && record.replica !== undefined && record.reason !== 'interrupted')
      ended.add(record.replica);
  return ended.size >= experiment.replicas;
}

/** Time left over all runs: seconds per step of each model, as measured, times the steps that are left. */
class Pace {
  readonly #left = new Map<string, number>(); // steps, by model
  readonly #known = new Map<string, { steps: number; seconds: number }>(); // measured, by model
  #run: PlannedRun | undefined;
  #done = 0; // steps of the run at work
  #last: { step: number; at: number } | undefined;

  constructor(plan: readonly PlannedRun[]) {
    for (const run of plan) this.#add(run, plannedSteps(run.experiment));
  }

  begin(run: PlannedRun): void {
    this.#run = run;
    this.#done = 0;
    this.#last = undefined;
  }

  at({ step }: Progress): void {
    const at = performance.now() / 1000;
    const model = this.#run!.experiment.model.kind;
    const known = this.#known.get(model) ?? { steps: 0, seconds: 0 };
    if (this.#last) {
      known.steps += step - this.#last.step;
      known.seconds += at - this.#last.at;
      this.#known.set(model, known);
    }
    this.#last = { step, at };
    this.#done = step;
  }

  end(): void {
    if (this.#run) this.#add(this.#run, -plannedSteps(this.#run.experiment));
    this.#run = undefined;
    this.#done = 0;
  }

  secondsLeft(): number {
    const perStep = ({ steps, seconds }: { steps: number; seconds: number }) => seconds / steps;
    const known = [...this.#known.values()].filter((k) => k.steps > 0);
    if (!known.length) return Number.NaN;
    const slowest = Math.max(...known.map(perStep));
    let seconds = 0;
    for (const [model, steps] of this.#left) {
      const here = model === this.#run?.experiment.model.kind ? steps - this.#done : steps;
      const own = this.#known.get(model);
      seconds += here * (own?.steps ? perStep(own) : slowest);
    }
    return seconds;
  }

  #add(run: PlannedRun, steps: number): void {
    const model = run.experiment.model.kind;
    this.#left.set(model, (this.#left.get(model) ?? 0) + steps);
  }
}
