/** Web Workers as WorkerPort, both sides: browsers and Deno. */
import type { WorkerPort } from './worker.js';

/** How to get a worker: the address of its script, or a worker that is already running. */
export type WorkerScript = URL | Worker;

/** Starts a module worker, or uses one that was started. */
export function startWebWorker(script: WorkerScript): WorkerPort {
  if (!(script instanceof URL)) return portOf(script, 'its script');
  const options = { type: 'module', name: 'rhm-lab' } as const;
  if (!isForeign(script)) return portOf(new Worker(script, options), `its script ${script}`);
  // A page can start workers only from its own origin; a module of another origin can be imported if its server allows it.
  const what = `its script ${script}, of another origin,`;
  const own = URL.createObjectURL(new Blob([importing(script, what)], { type: 'text/javascript' }));
  return portOf(new Worker(own, { name: 'rhm-lab' }), what, () => URL.revokeObjectURL(own));
}

/**
 * A classic script that imports a module and passes it the messages that arrived earlier. It is not a module because Chromium 147
 * starts no module worker from a blob in a frame without an origin (sandbox="allow-scripts").
 */
const importing = (script: URL, what: string) => `const early = [];
const keep = (event) => early.push(event);
addEventListener('message', keep);
import(${JSON.stringify(script.href)}).then(
  () => {
    removeEventListener('message', keep);
    for (const { data, ports } of early) dispatchEvent(new MessageEvent('message', { data, ports }));
  },
  (error) => setTimeout(() => {
    throw new Error(${JSON.stringify(`${what} could not be run`)} + ' (' + error.message + ')');
  }),
);`;

/** Whether a script has a different origin from the page. Bundlers may insert the address of a file, which says nothing. */
export function isForeign({ protocol, origin }: URL): boolean {
  const page = (globalThis as { location?: Location }).location?.origin;
  return page !== undefined && page !== 'null' && /^https?:$/.test(protocol) && origin !== page;
}

/** what: the script, in words. loaded: called once when it runs or has failed. */
function portOf(worker: Worker, what: string, loaded: () => void = () => {}): WorkerPort {
  let listener: (reason: string) => void = () => {};
  worker.addEventListener('message', loaded, { once: true });
  worker.addEventListener('error', (event) => {
    loaded();
    event.preventDefault(); // Deno ends the whole process otherwise
    listener(`The worker crashed: ${event.message || `${what} could not be run`}`);
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

/** The side of the worker. */
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
