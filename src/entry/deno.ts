/** `rhm-lab/deno`: everything, with Deno's own WebGPU. */
import { denoPlatform } from '../platform/deno.js';
import { openSweepFolder } from '../platform/sweepFolder.js';
import { type SweepOptions, sweepInThreads } from '../platform/sweepThreads.js';
import { startWebWorker } from '../platform/webWorker.js';
import { connectWorker, type WorkerHandle } from '../platform/worker.js';
import type { SweepResult } from '../sweep/schedule.js';
import type { Lab } from '../worker/lab.js';
import { createLab } from '../worker/lazy.js';

export { denoPlatform as platform, openDenoGpu as openGpu } from '../platform/deno.js';
export { readRunFolder, readRunFolders } from '../platform/runFolders.js';
export { openSweepFolder } from '../platform/sweepFolder.js';
export * from './gpu.js';

/** The laboratory on this thread. */
export const lab: Lab = createLab(denoPlatform).lab;

/**
 * The laboratory in a worker thread. `script`: where dist/worker.deno.js is served from, if not beside this file.
 * @throws WorkerError when the script cannot be run.
 */
export function startWorker(script: URL = new URL('./worker.deno.js', import.meta.url)): Promise<WorkerHandle<Lab>> {
  return connectWorker<Lab>(startWebWorker(script));
}

/**
 * Trains a grid of experiments in worker threads, each with its own device, into a store that can be continued. `store`: a folder.
 * @throws GridError, InputError, FileError, WorkerError, AdapterError
 */
export async function sweep(grid: unknown, store: string, options: SweepOptions = {}): Promise<SweepResult> {
  const script = options.script ?? new URL('./worker.deno.js', import.meta.url);
  return sweepInThreads(grid, openSweepFolder(store), () => startWebWorker(script), denoPlatform.cores, options);
}
