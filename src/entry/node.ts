/** `rhm-lab/node`: everything, with WebGPU by Dawn. */
import { nodePlatform } from '../platform/node.js';
import { startNodeWorker } from '../platform/nodeWorker.js';
import { connectWorker, type WorkerHandle } from '../platform/worker.js';
import { createLab, type Lab } from '../worker/lab.js';

export { nodePlatform as platform, type OpenNodeGpuOptions, openNodeGpu as openGpu } from '../platform/node.js';
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
