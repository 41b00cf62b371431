/** `rhm-lab/web`: everything, with the browser's WebGPU. Needs no bundler. */
import { browserPlatform } from '../platform/browser.js';
import { openSweepOrigin } from '../platform/sweepOrigin.js';
import { type SweepOptions, sweepInThreads } from '../platform/sweepThreads.js';
import { isForeign, startWebWorker, type WorkerScript } from '../platform/webWorker.js';
import { connectWorker, type WorkerHandle, type WorkerPort } from '../platform/worker.js';
import type { SweepResult } from '../sweep/schedule.js';
import type { Lab } from '../worker/lab.js';
import { createLab } from '../worker/lazy.js';

export { browserPlatform as platform, openBrowserGpu as openGpu } from '../platform/browser.js';
export { openSweepOrigin } from '../platform/sweepOrigin.js';
export type { WorkerScript } from '../platform/webWorker.js';
export * from './gpu.js';

/** The laboratory on this thread. */
export const lab: Lab = createLab(browserPlatform).lab;

/**
 * The laboratory in a worker thread. `script`: where dist/worker.web.js is served from, if not beside this file and not found
 * by a bundler; or a worker that runs it. It may come from another origin whose server allows this page to read it (CORS).
 * @throws WorkerError when the script cannot be run.
 */
export function startWorker(script?: WorkerScript): Promise<WorkerHandle<Lab>> {
  return connectWorker<Lab>(startPort(script));
}

/**
 * Trains a grid of experiments in worker threads, each with its own device, into a store that can be continued. `store`: a name in the browser's private file system.
 * @throws GridError, InputError, FileError, WorkerError, AdapterError
 */
export async function sweep(grid: unknown, store: string, options: SweepOptions = {}): Promise<SweepResult> {
  return sweepInThreads(
    grid,
    await openSweepOrigin(store),
    () => startPort(options.script),
    browserPlatform.cores,
    options,
  );
}

/** *Vite, webpack and Next find the worker's script by the exact text of the last line, and bundle it. */
function startPort(script: WorkerScript | undefined): WorkerPort {
  if (script) return startWebWorker(script);
  const here = import.meta.url;
  if (isForeign(new URL(here))) return startWebWorker(new URL('./worker.web.js', here));
  return startWebWorker(new Worker(new URL('./worker.web.js', import.meta.url), { type: 'module' }));
}
