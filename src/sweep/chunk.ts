/** A chunk of a sweep: the runs that one worker trains at a time, and their outcomes. */

import {
  DamageError,
  DiskFullError,
  EngineError,
  FileError,
  FolderBusyError,
  InputError,
  RhmError,
} from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import type { Host, RunEnd } from '../core/records.js';
import { measures } from '../measures/index.js';
import type { Executor } from '../plan/executor.js';
import { files, type RunFolder } from '../training/folder.js';
import { type GroupResult, trainGroup } from '../training/loop.js';
import { type PackLimits, pack } from './pack.js';
import { endOf } from './store.js';

export interface ChunkRun {
  readonly hash: string;
  readonly experiment: Experiment;
  readonly folder: string; // location to be opened by the worker's platform
}

/**
 * `busy`: another process works in its folder; `interrupted`: stopped with everything saved; `failed`: it can never be trained;
 * `elsewhere`: this engine cannot continue it, another can; `full`: there is no room for its files; `broke`: an error that may
 * not occur again.
 */
export type RunResult = RunEnd | 'interrupted' | 'busy' | 'failed' | 'elsewhere' | 'full' | 'broke';

export interface RunOutcome {
  readonly hash: string;
  readonly result: RunResult;
  readonly fresh: boolean; // trained now; false if the folder already contained the complete run
  readonly loss?: number | null; // nats, mean over replicas; null: not finite
  readonly step?: number;
  readonly error?: string; // for failed, elsewhere, full, broke and busy
}

export interface ChunkProgress {
  readonly hash: string;
  readonly step: number;
  readonly steps: number;
  readonly loss: number; // nats
  readonly samplesPerSecond: number; // total over all replicas of all runs of the chunk
}

export interface ChunkHooks {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ChunkProgress) => void;
  /** Called for each run as it ends. */
  readonly onOutcome?: (outcome: RunOutcome) => void;
  readonly checkpointMs?: number;
}

/** Trains chunks: in this thread, in another one, or in a process. */
export interface SweepWorker {
  /** How many runs to train side by side; default: one. */
  readonly limits?: PackLimits;
  /** The device it computes on, if each worker has its own: `card 2`. */
  readonly place?: string;
  /** Outcomes of all runs. @throws an error if the worker or its device is gone: start another. */
  train(runs: readonly ChunkRun[], hooks: ChunkHooks): Promise<RunOutcome[]>;
  /** Ends the worker; work in progress is saved. */
  close(): Promise<void>;
  /** Ends the worker immediately, whatever it is doing. Workers without it cannot be ended while they hang. */
  kill?(): void;
}

export interface ChunkSite {
  openFolder(folder: string): Promise<RunFolder>;
  /** Called only if there is something to train; returns the same executor until that fails. */
  executor(): Promise<Executor>;
  host: Host;
}

/**
 * Trains the runs of a chunk that are neither complete nor locked by another process, side by side, each from its checkpoint.
 * @throws errors that make the executor unusable, or the chunk too large for it: the runs without an outcome have then not ended.
 */
export async function trainChunk(
  runs: readonly ChunkRun[],
  site: ChunkSite,
  hooks: ChunkHooks = {},
): Promise<RunOutcome[]> {
  const outcomes = new Map<string, RunOutcome>();
  const tell = (outcome: RunOutcome) => {
    outcomes.set(outcome.hash, outcome);
    hooks.onOutcome?.(outcome);
  };
  const open = new Set<OpenRun>();
  const release = async (run: OpenRun) => {
    if (open.delete(run)) await run.folder.release();
  };
  try {
    for (const { hash, experiment, folder } of runs) {
      const opened = await openRun(hash, experiment, () => site.openFolder(folder), hooks.signal);
      if ('folder' in opened) open.add(opened);
      else tell(opened);
    }
    for (const group of pack([...open], { replicas: Number.MAX_SAFE_INTEGER }))
      await trainTogether(group, site, hooks, tell, release);
  } finally {
    for (const run of open) await release(run);
  }
  return runs.map(({ hash }) => outcomes.get(hash)!);
}

interface OpenRun {
  readonly hash: string;
  readonly experiment: Experiment;
  readonly folder: RunFolder;
}

/** A run to train, with its locked folder; or its outcome, if that is already known. */
async function openRun(
  hash: string,
  input: Experiment,
  openFolder: () => Promise<RunFolder>,
  signal?: AbortSignal,
): Promise<OpenRun | RunOutcome> {
  if (signal?.aborted) return { hash, result: 'interrupted', fresh: false };
  let folder: RunFolder | undefined;
  try {
    const experiment = parseExperiment(input);
    folder = await openFolder();
    const before = await ended(folder, experiment);
    if (!before) return { hash, experiment, folder };
    await folder.release();
    return { hash, fresh: false, result: before.state, loss: before.loss, step: before.step };
  } catch (error) {
    await folder?.release();
    return failure(hash, error);
  }
}

async function trainTogether(
  group: readonly OpenRun[],
  site: ChunkSite,
  hooks: ChunkHooks,
  tell: (outcome: RunOutcome) => void,
  release: (run: OpenRun) => Promise<void>,
): Promise<void> {
  const told = new Set<OpenRun>();
  const end = async (result: GroupResult, run: OpenRun) => {
    if (told.has(run)) return;
    told.add(run);
    const outcome = await outcomeOf(run, result);
    await release(run);
    tell(outcome);
  };
  const rates = new Map<number, number>();
  try {
    const results = await trainGroup(
      group.map(({ experiment, folder }) => ({ experiment, folder, resume: true, again: true })),
      {
        executor: site.executor,
        measures,
        host: site.host,
        signal: hooks.signal,
        checkpointMs: hooks.checkpointMs,
        onProgress({ step, steps, loss, samplesPerSecond }, index) {
          rates.set(index, samplesPerSecond);
          const rate = [...rates.values()].reduce((sum, one) => sum + one, 0);
          hooks.onProgress?.({ hash: group[index].hash, step, steps, loss, samplesPerSecond: rate });
        },
        async onEnd(result, index) {
          rates.delete(index);
          await end(result, group[index]);
        },
      },
    );
    for (const [index, result] of results.entries()) await end(result, group[index]);
  } catch (error) {
    // Only if a run is alone in the chunk is it clear that this run does not fit.
    if (group.length > 1) throw error;
    await end({ reason: 'failed', error }, group[0]);
  }
}

async function outcomeOf({ hash, folder, experiment }: OpenRun, result: GroupResult): Promise<RunOutcome> {
  if (result.reason === 'failed') return failure(hash, result.error);
  if (result.reason === 'interrupted' || result.reason === 'stopped')
    return { hash, result: 'interrupted', fresh: true };
  const after = await ended(folder, experiment);
  return { hash, fresh: true, result: result.reason, loss: after?.loss, step: after?.step };
}

async function ended(folder: RunFolder, experiment: Experiment) {
  const bytes = await folder.read(files.records);
  return bytes && endOf(new TextDecoder().decode(bytes), experiment.replicas);
}

/**
 * Wrong input and damaged files stay wrong; trouble with a file or memory may pass; any other error means that this worker is
 * unusable.
 */
function failure(hash: string, error: unknown): RunOutcome {
  if (!(error instanceof RhmError)) throw error;
  const text = `${error.name}: ${error.message}`;
  if (error instanceof FolderBusyError) return { hash, result: 'busy', fresh: false, error: text };
  if (error instanceof EngineError) return { hash, result: 'elsewhere', fresh: true, error: text };
  if (error instanceof InputError || error instanceof DamageError)
    return { hash, result: 'failed', fresh: true, error: text };
  // The remedy is left out: in a sweep it is a different one.
  if (error instanceof DiskFullError) return { hash, result: 'full', fresh: true, error: error.message.split('; ')[0] };
  if (error instanceof FileError) return { hash, result: 'broke', fresh: true, error: text };
  throw error;
}
