/** Threads of the WebAssembly executor in browsers and Deno: module workers started from a blob of source text. */
import type { Thread } from '../core/wasmThreads.js';

export function spawnWebThread(source: string): Thread {
  // A rejection in a worker does not reach its owner; an exception thrown from a timer does.
  const script = `${source}
self.onmessage = ({ data }) =>
  threadMain(data, (answer) => self.postMessage(answer)).then(
    () => self.close(),
    (error) => setTimeout(() => { throw error; }),
  );`;
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module', name: 'rhm-kernel' });
  return {
    postMessage: (message) => worker.postMessage(message),
    onMessage: (receive) =>
      worker.addEventListener('message', (event) => {
        URL.revokeObjectURL(url); // loaded
        receive(event.data);
      }),
    onFailure: (fail) => {
      worker.addEventListener('error', (event) => {
        event.preventDefault(); // Deno ends the whole process otherwise
        fail(`crashed: ${event.message || 'its script could not be run'}`);
      });
      worker.addEventListener('messageerror', () => fail('was sent a message that it could not read'));
    },
    kill: async () => worker.terminate(),
  };
}
