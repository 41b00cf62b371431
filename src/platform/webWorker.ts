/** Web Workers as WorkerPort, both sides: browsers and Deno. */
import type { WorkerPort } from './worker.js';

/** Starts a module worker. */
export function startWebWorker(script: URL): WorkerPort {
  const worker = new Worker(script, { type: 'module', name: 'rhm-lab' });
  let listener: (reason: string) => void = () => {};
  worker.addEventListener('error', (event) => {
    event.preventDefault(); // Deno ends the whole process otherwise
    listener(`The worker crashed: ${event.message || `its script ${script} could not be run`}`);
  });
  worker.addEventListener('messageerror', () => listener('The worker sent a message that could not be read'));
  return {
    postMessage: (message, transfer) => worker.postMessage(message, transfer ?? []),
    onMessage: (receive) => worker.addEventListener('message', (event) => receive(event.data)),
    onFailure: (fail) => {
      listener = fail;
    },
    kill: async () => worker.terminate(),
  };
}

/** The worker's own side. */
export function webWorkerSide(): WorkerPort {
  const scope = globalThis as unknown as {
    postMessage(message: unknown, transfer: Transferable[]): void;
    addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  };
  return {
    postMessage: (message, transfer) => scope.postMessage(message, transfer ?? []),
    onMessage: (receive) => scope.addEventListener('message', (event) => receive(event.data)),
  };
}
