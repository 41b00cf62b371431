/** Node's worker_threads as WorkerPort, both sides. */
import { parentPort, SHARE_ENV, Worker } from 'node:worker_threads';
import { WorkerError } from '../core/errors.js';
import { environmentLock } from './nodeLock.js';
import type { WorkerPort } from './worker.js';

/** Starts a thread. It shares the environment, so that the chosen Vulkan driver is visible to the driver's loader. */
export function startNodeWorker(script: URL): WorkerPort {
  const worker = new Worker(script, { env: SHARE_ENV, workerData: { rhmLock: environmentLock }, name: 'rhm-lab' });
  let listener: (reason: string) => void = () => {};
  worker.on('error', (error: unknown) =>
    listener(`The worker crashed: ${error instanceof Error ? `${error.name}: ${error.message}` : error}`),
  );
  worker.on('exit', (code) => listener(`The worker ended with exit code ${code}`));
  return {
    postMessage: (message, transfer) => worker.postMessage(message, transfer as never),
    onMessage: (receive) => void worker.on('message', receive),
    onFailure: (fail) => {
      listener = fail;
    },
    kill: async () => {
      await worker.terminate();
    },
  };
}

/** The thread's own side. @throws WorkerError on the main thread. */
export function nodeWorkerSide(): WorkerPort {
  const port = parentPort;
  if (!port) throw new WorkerError('rhm-lab/worker is the script of a worker thread: start it with startWorker()');
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer as never),
    onMessage: (receive) => void port.on('message', receive),
  };
}
