/** A chunk of a sweep: the runs that one worker trains at a time, and what it says of them. */
import { FolderBusyError, InputError, RhmError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { measures } from '../measures/index.js';
import type { Executor } from '../plan/executor.js';
import { files, type RunFolder } from '../training/folder.js';
import { train } from '../training/loop.js';
import { endOf } from './store.js';

export interface ChunkRun {
  readonly hash: string;
  readonly experiment: Experiment;
  readonly folder: string; // what the worker's platform opens
}

/**
 * `busy`: another process works in its folder; `interrupted`: stopped with everything saved; `failed`: it can never be trained;
 * `broke`: something went wrong that may go well another time.
 */
export type RunResult = 'done' | 'diverged' | 'interrupted' | 'busy' | 'failed' | 'broke';

export interface RunOutcome {
  readonly hash: string;
  readonly result: RunResult;
  readonly fresh: boolean; // trained now; false where the folder held it complete
  readonly loss?: number | null; // nats, mean over replicas; null: not finite
  readonly step?: number;
  readonly error?: string; // of failed, broke and busy
}

export interface ChunkProgress {
  readonly hash: string;
  readonly step: number;
  readonly steps: number;
  readonly loss: number; // nats
  readonly samplesPerSecond: number; // over all replicas of all runs of the chunk
}

export interface ChunkHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ChunkProgress) => void;
  /** Told of each run as it ends. */
  readonly onOutcome?: (outcome: RunOutcome) => void;
  readonly checkpointMs?: number;
}

/** What trains a chunk: this thread, another one, a process. */
export interface SweepWorker {
  /** Outcomes of all runs. @throws an error when the worker is gone, or its device: start another. */
  train(runs: readonly ChunkRun[], hooks: ChunkHooks): Promise<RunOutcome[]>;
  /** Ends it; work in progress is saved. */
  close(): Promise<void>;
  /** Ends it at once, whatever it does. Workers without it cannot be ended while they hang. */
  kill?(): void;
}

export interface ChunkSite {
  openFolder(folder: string): Promise<RunFolder>;
  /** Called only when there is something to train; the same one each time until it fails. */
  executor(): Promise<Executor>;
  runtime: string;
}

/**
 * Trains the runs of a chunk that are not complete and not in another process's hands, each from its checkpoint.
 * @throws what makes the executor unusable: the chunk's other runs have no outcome then.
 */
export async function trainChunk(
  runs: readonly ChunkRun[],
  site: ChunkSite,
  hooks: ChunkHooks = {},
): Promise<RunOutcome[]> {
  const outcomes: RunOutcome[] = [];
  for (const run of runs) {
    const outcome = await trainRun(run, site, hooks);
    outcomes.push(outcome);
    hooks.onOutcome?.(outcome);
  }
  return outcomes;
}

async function trainRun(run: ChunkRun, site: ChunkSite, hooks: ChunkHooks): Promise<RunOutcome> {
  const { hash } = run;
  if (hooks.signal?.aborted) return { hash, result: 'interrupted', fresh: false };
  let folder: RunFolder | undefined;
  try {
    const experiment = parseExperiment(run.experiment);
    folder = await site.openFolder(run.folder);
    const before = await ended(folder, experiment);
    if (before) return { hash, fresh: false, result: before.state, loss: before.loss, step: before.step };
    const { reason } = await train(experiment, {
      executor: site.executor,
      folder,
      resume: true,
      measures,
      runtime: site.runtime,
      signal: hooks.signal,
      checkpointMs: hooks.checkpointMs,
      onProgress: ({ step, steps, loss, samplesPerSecond }) =>
        hooks.onProgress?.({ hash, step, steps, loss, samplesPerSecond }),
    });
    if (reason === 'interrupted') return { hash, result: 'interrupted', fresh: true };
    const after = await ended(folder, experiment);
    return { hash, fresh: true, result: reason, loss: after?.loss, step: after?.step };
  } catch (error) {
    return failure(hash, error);
  } finally {
    await folder?.release();
  }
}

async function ended(folder: RunFolder, experiment: Experiment) {
  const bytes = await folder.read(files.records);
  return bytes && endOf(new TextDecoder().decode(bytes), experiment.replicas);
}

/** Wrong input stays wrong; a file or memory trouble may pass; anything else says that this worker is spent. */
function failure(hash: string, error: unknown): RunOutcome {
  if (!(error instanceof RhmError)) throw error;
  const text = `${error.name}: ${error.message}`;
  if (error instanceof FolderBusyError) return { hash, result: 'busy', fresh: false, error: text };
  if (error instanceof InputError) return { hash, result: 'failed', fresh: true, error: text };
  if (error.name === 'FileError') return { hash, result: 'broke', fresh: true, error: text };
  throw error;
}
