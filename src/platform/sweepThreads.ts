/** A sweep from code: a grid, a store, and threads as workers. The entries for node, deno and web supply the last two. */
import { InputError } from '../core/errors.js';
import { checkNamed, type NamedData, nameData, type OwnData } from '../core/ownData.js';
import { loadModels, modelModules } from '../models/define.js';
import { expandGrid } from '../sweep/grid.js';
import { runSweep, type ScheduleOptions, type SweepResult } from '../sweep/schedule.js';
import type { SweepStore } from '../sweep/store.js';
import type { ExecutorChoice } from './executor.js';
import { startSweepThread } from './sweepThread.js';
import type { WorkerPort } from './worker.js';

export interface SweepOptions extends ExecutorChoice, Omit<ScheduleOptions, 'startWorker' | 'by'> {
  /** URL of the worker's script, if not beside the package's own file. */
  script?: URL;
  /** Rows of tokens that all runs are trained on instead of a grammar's sentences; the workers are sent them. */
  data?: OwnData;
}

/**
 * Trains the runs of a grid (the value of a grid file) that are not complete in the store. `onEvent` reports progress and results.
 * @throws GridError listing every fault of the grid; FileError; WorkerError; AdapterError
 */
export async function sweepInThreads(
  grid: unknown,
  store: SweepStore,
  startPort: () => WorkerPort,
  cores: number,
  options: SweepOptions,
): Promise<SweepResult> {
  await loadModels(options.models ?? []);
  const own = options.data && (await nameData(options.data));
  const { runs, search } = await expandGrid(grid, async (named) => givenRows(named, own));
  if (search)
    throw new InputError('search: this function trains the runs of a grid; use runSearches, or rhm sweep run');
  const { executor, adapter, threads, simd, emulateF16, workers = 1 } = options;
  const models = modelModules();
  const mostThreads = Math.max(1, Math.floor(cores / workers));
  const choice = Object.fromEntries(
    Object.entries({ executor, adapter, threads, simd, mostThreads, models, emulateF16 }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  return runSweep(runs, store, {
    ...options,
    by: 'this page or program',
    startWorker: () => startSweepThread(startPort(), choice),
  });
}

/** @throws InputError where a grid names files, or rows other than those that are given */
function givenRows(named: unknown, own: NamedData | undefined): NamedData | undefined {
  for (const [name, value] of Object.entries(Object(named)))
    if (typeof value === 'string' || Object.hasOwn(Object(value), 'tokens'))
      throw new InputError(
        `data.${name}: got ${JSON.stringify(value)}; only rhm sweep reads files: pass rows, sweep(grid, store, { data: { train, test } })`,
      );
  if (own) checkNamed(named as Partial<NamedData> | undefined, own);
  return own;
}
