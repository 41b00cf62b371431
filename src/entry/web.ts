/** `rhm-lab/web`: everything, with the browser's WebGPU. Needs no bundler. */
import { browserPlatform } from '../platform/browser.js';
import { openSweepOrigin } from '../platform/sweepOrigin.js';
import { type SweepOptions, sweepInThreads } from '../platform/sweepThreads.js';
import { startWebWorker } from '../platform/webWorker.js';
import { connectWorker, type WorkerHandle } from '../platform/worker.js';
import type { SweepResult } from '../sweep/schedule.js';
import { createLab, type Lab } from '../worker/lab.js';

export { browserPlatform as platform, openBrowserGpu as openGpu } from '../platform/browser.js';
export { openSweepOrigin } from '../platform/sweepOrigin.js';
export * from './gpu.js';

/** The laboratory on this thread. */
export const lab: Lab = createLab(browserPlatform).lab;

/**
 * The laboratory in a worker thread. `script`: where dist/worker.web.js is served from, if not beside this file.
 * @throws WorkerError when the script cannot be run.
 */
export function startWorker(script: URL = new URL('./worker.web.js', import.meta.url)): Promise<WorkerHandle<Lab>> {
  return connectWorker<Lab>(startWebWorker(script));
}

/**
 * Trains a grid of experiments in worker threads, each with its own device, into a store that can be continued. `store`: a name in the browser's private file system.
 * @throws GridError, InputError, FileError, WorkerError, AdapterError
 */
export async function sweep(grid: unknown, store: string, options: SweepOptions = {}): Promise<SweepResult> {
  const script = options.script ?? new URL('./worker.web.js', import.meta.url);
  return sweepInThreads(
    grid,
    await openSweepOrigin(store),
    () => startWebWorker(script),
    browserPlatform.cores,
    options,
  );
}
