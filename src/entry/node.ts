/** `rhm-lab/node`: everything, with WebGPU by Dawn. */
import { nodePlatform } from '../platform/node.js';
import { startNodeWorker } from '../platform/nodeWorker.js';
import { openSweepFolder } from '../platform/sweepFolder.js';
import { type SweepOptions, sweepInThreads } from '../platform/sweepThreads.js';
import { connectWorker, type WorkerHandle } from '../platform/worker.js';
import type { SweepResult } from '../sweep/schedule.js';
import type { Lab } from '../worker/lab.js';
import { createLab } from '../worker/lazy.js';

export { nodePlatform as platform, type OpenNodeGpuOptions, openNodeGpu as openGpu } from '../platform/node.js';
export { readRunFolder, readRunFolders } from '../platform/runFolders.js';
export { openSweepFolder } from '../platform/sweepFolder.js';
export * from './gpu.js';

/** The laboratory on this thread. */
export const lab: Lab = createLab(nodePlatform).lab;

/**
 * The laboratory in a worker thread. `script`: where dist/worker.node.js is served from, if not beside this file.
 * @throws WorkerError when the script cannot be run.
 */
export function startWorker(script: URL = new URL('./worker.node.js', import.meta.url)): Promise<WorkerHandle<Lab>> {
  return connectWorker<Lab>(startNodeWorker(script));
}

/**
 * Trains a grid of experiments in worker threads, each with its own device, into a store that can be continued. `store`: a folder.
 * @throws GridError, InputError, FileError, WorkerError, AdapterError
 */
export async function sweep(grid: unknown, store: string, options: SweepOptions = {}): Promise<SweepResult> {
  const script = options.script ?? new URL('./worker.node.js', import.meta.url);
  return sweepInThreads(grid, openSweepFolder(store), () => startNodeWorker(script), nodePlatform.cores, options);
}
