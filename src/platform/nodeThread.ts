/** Threads of the WebAssembly executor in Node: worker_threads started from source text, so that no file is needed. */
import { Worker } from 'node:worker_threads';
import type { Thread } from '../core/wasmThreads.js';

export function spawnNodeThread(source: string): Thread {
  const script = `${source}
const { parentPort } = require('node:worker_threads');
parentPort.once('message', (message) => threadMain(message, (answer) => parentPort.postMessage(answer)));`;
  const worker = new Worker(script, { eval: true, name: 'rhm-kernel' });
  let ending = false;
  return {
    postMessage: (message) => worker.postMessage(message),
    onMessage: (receive) =>
      void worker.once('message', (message) => {
        // Started: from now on it does not keep the process alive. An error can overtake the message, and then `kill` waits for
        // the thread.
        if (!ending) worker.unref();
        receive(message);
      }),
    onFailure: (fail) => {
      worker.on('error', (error: unknown) => fail(`crashed: ${error instanceof Error ? error.message : error}`));
      worker.on('exit', (code) => fail(`ended with exit code ${code}`));
    },
    kill: async () => {
      // An unreferenced worker does not keep the process alive, so nothing would wait for it to end.
      ending = true;
      worker.ref();
      await worker.terminate();
    },
  };
}
