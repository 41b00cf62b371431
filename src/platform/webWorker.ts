/** Web Workers as WorkerPort, both sides: browsers and Deno. */
import type { WorkerPort } from './worker.js';

/** What a worker is started from: the address of its script, or a worker that is running already. */
export type WorkerScript = URL | Worker;

/** Starts a module worker, or takes one that was started. */
export function startWebWorker(script: WorkerScript): WorkerPort {
  if (!(script instanceof URL)) return portOf(script, 'its script');
  const options = { type: 'module', name: 'rhm-lab' } as const;
  if (!isForeign(script)) return portOf(new Worker(script, options), `its script ${script}`);
  // A page may start workers from its own origin alone; a module of another one can be imported, where its server allows it.
  const own = URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)};`], { type: 'text/javascript' }));
  return portOf(new Worker(own, options), `its script ${script}, of another origin,`, () => URL.revokeObjectURL(own));
}

/** Whether a script comes from another origin than the page. Bundlers may write a file's address: it says nothing. */
export function isForeign({ protocol, origin }: URL): boolean {
  const page = (globalThis as { location?: Location }).location?.origin;
  return page !== undefined && page !== 'null' && /^https?:$/.test(protocol) && origin !== page;
}

/** what: the script, in words. loaded: called once when it runs or cannot. */
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
