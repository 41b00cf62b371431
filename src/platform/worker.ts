/**
 * Calls between workers by comlink, made safe: errors keep their class; a worker that throws, crashes or is terminated rejects
 * its pending calls with the reason; and a worker ends only after its GPU work is done (ending a thread with a pending GPU wait
 * aborted the whole process in 12 of 12 runs).
 */
import * as Comlink from 'comlink';
import * as errors from '../core/errors.js';
import { RhmError, WorkerError } from '../core/errors.js';

/** One end of a worker's message channel; the adapters for Node and for web workers are in nodeWorker.ts and webWorker.ts. */
export interface WorkerPort {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onMessage(listener: (data: unknown) => void): void;
  /** Called once with the reason when the other side has crashed or ended. Only the starting side has it. */
  onFailure?(listener: (reason: string) => void): void;
  /** Ends the worker at once. Only the starting side has it. */
  kill?(): Promise<void>;
}

/** Functions as called from the other side: each returns a promise. */
export type Remote<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Arguments) => infer Result
    ? (...args: Arguments) => Promise<Awaited<Result>>
    : Promise<Api[Name]>;
};

export interface WorkerHandle<Api> {
  /** The worker's functions; each returns a promise. Pass callbacks as `progress(callback)`. */
  readonly api: Remote<Api>;
  /** Resolves with the reason once the worker has failed or was terminated. */
  readonly ended: Promise<string>;
  /**
   * Rejects pending calls with a WorkerError, waits until the worker's GPU work is done, then ends it. It does not resolve while
   * a shader runs that never ends: such work belongs in a child process.
   */
  terminate(reason?: string): Promise<void>;
}

/** Marks a callback for a call into a worker; it runs on the caller's side. */
export const progress = <F extends (...args: never[]) => unknown>(callback: F): F => Comlink.proxy(callback);

/** Releases a callback from the other side, so that its channel does not keep a process alive. */
export function releaseCallback(callback: unknown): void {
  if (typeof callback !== 'function') return;
  const release = (callback as { [Comlink.releaseProxy]?: unknown })[Comlink.releaseProxy];
  if (typeof release === 'function') release();
}

const ports = new WeakMap<AbortSignal, MessagePort>(); // ports of signals from the other side

/**
 * Waits until the other side has answered all calls of the callbacks in an options object that it sent, then releases them and
 * its signals. A result sent earlier could overtake the last call, because each callback has a separate channel.
 */
export async function releaseOptions(options: object): Promise<void> {
  for (const value of Object.values(options)) {
    if (typeof value === 'function') await callbacks.get(value)?.();
    if (value instanceof AbortSignal) ports.get(value)?.close();
  }
}

const callbacks = new WeakMap<object, () => Promise<void>>(); // functions that release callbacks from the other side

/** A callback of the other side whose calls are counted until they are answered. */
function countedCallback(port: MessagePort): (...args: unknown[]) => void {
  const remote = Comlink.wrap<(...args: unknown[]) => unknown>(port);
  const unanswered = new Set<Promise<unknown>>();
  const call = (...args: unknown[]) => {
    const answer: Promise<unknown> = remote(...args).finally(() => unanswered.delete(answer));
    unanswered.add(answer);
  };
  callbacks.set(call, async () => {
    await Promise.allSettled(unanswered);
    releaseCallback(remote);
  });
  return call;
}

type OnTheWire = [key: string, kind: 'value' | 'callback' | 'signal', value: unknown][];

/** Options that contain callbacks and an AbortSignal: both keep working on the other side. */
const optionsHandler: Comlink.TransferHandler<Record<string, unknown>, OnTheWire> = {
  canHandle: (value): value is Record<string, unknown> =>
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).some((v) => typeof v === 'function' || v instanceof AbortSignal),
  serialize(options) {
    const transfer: Transferable[] = [];
    const wire = Object.entries(options).map(([key, value]): OnTheWire[number] => {
      if (typeof value !== 'function' && !(value instanceof AbortSignal)) return [key, 'value', value];
      const { port1, port2 } = new MessageChannel();
      transfer.push(port2);
      if (typeof value === 'function') {
        Comlink.expose(value, port1);
        return [key, 'callback', port2];
      }
      const abort = () => port1.postMessage(typeof value.reason === 'string' ? value.reason : undefined);
      if (value.aborted) abort();
      else value.addEventListener('abort', abort, { once: true });
      return [key, 'signal', port2];
    });
    return [wire, transfer];
  },
  deserialize: (wire) =>
    Object.fromEntries(
      wire.map(([key, kind, value]) => {
        if (kind === 'value') return [key, value];
        if (kind === 'callback') return [key, countedCallback(value as MessagePort)];
        const controller = new AbortController();
        const port = value as MessagePort;
        port.onmessage = ({ data }) => controller.abort(data); // text, or nothing
        ports.set(controller.signal, port);
        return [key, controller.signal];
      }),
    ),
};

interface Control {
  rhm: 'ready' | 'crashed' | 'close' | 'closed';
  reason?: string;
}
const isControl = (data: unknown): data is Control => typeof data === 'object' && data !== null && 'rhm' in data;

/** The starting side. Resolves when the worker is ready. @throws WorkerError if its script cannot be run. */
export async function connectWorker<Api>(port: WorkerPort): Promise<WorkerHandle<Api>> {
  teachComlink();
  const listeners = new Set<(event: MessageEvent) => void>();
  const pending = new Set<string>();
  let failure: WorkerError | undefined;
  let closed: () => void = () => {};
  let gone = false; // no answer to expect
  let terminating: Promise<void> | undefined;
  let end: (reason: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  const deliver = (data: unknown) => {
    for (const listener of [...listeners]) listener({ data } as MessageEvent);
  };
  // Comlink waits forever for an answer: calls that will not get one are given a `throw` answer here.
  const refuse = (id: string) => {
    pending.delete(id);
    const { name, message, stack } = failure!;
    deliver({ id, type: 'HANDLER', name: 'throw', value: { isError: true, value: { name, message, stack } } });
  };
  const fail = (reason: string) => {
    if (failure) return;
    failure = new WorkerError(reason);
    end(reason);
    for (const id of [...pending]) refuse(id);
  };
  const endpoint: Comlink.Endpoint = {
    postMessage(message: { id: string }, transfer?: Transferable[]) {
      pending.add(message.id);
      if (failure) queueMicrotask(() => refuse(message.id));
      else port.postMessage(message, transfer);
    },
    addEventListener: (_type, listener) => listeners.add(listener as (event: MessageEvent) => void),
    removeEventListener: (_type, listener) => listeners.delete(listener as (event: MessageEvent) => void),
  };
  const terminate = (reason = 'The worker was terminated') => {
    terminating ??= (async () => {
      fail(reason);
      const drained = new Promise<void>((resolve) => {
        closed = resolve;
      });
      if (!gone) {
        port.postMessage({ rhm: 'close' } satisfies Control);
        await drained;
      }
      await port.kill?.();
    })();
    return terminating;
  };
  const ready = new Promise<void>((resolve, reject) => {
    port.onMessage((data) => {
      if (isControl(data)) {
        if (data.rhm === 'ready') resolve();
        else if (data.rhm === 'closed') closed();
        else if (data.rhm === 'crashed') {
          fail(`The worker crashed: ${data.reason}`);
          void terminate(); // its GPU work ends meanwhile
        }
      } else if (!failure) {
        pending.delete((data as { id: string }).id);
        deliver(data);
      }
    });
    port.onFailure?.((reason) => {
      gone = true;
      fail(reason);
      reject(failure);
      closed();
    });
    ended.then(() => reject(failure));
  });
  try {
    await ready;
  } catch (error) {
    await port.kill?.(); // the remains of a worker whose script could not be run
    throw error;
  }
  return { api: Comlink.wrap<Api>(endpoint) as unknown as Remote<Api>, ended, terminate };
}

/**
 * The worker's side: answers calls to `api`. `close` releases its resources; it runs before the worker ends, also after an
 * uncaught error. Call `crashed` from the runtime's handler of such errors.
 */
export function serveWorker<Api extends object>(
  port: WorkerPort,
  api: Api,
  close: () => Promise<void>,
): { crashed(error: unknown): Promise<void> } {
  teachComlink();
  const listeners = new Set<(event: MessageEvent) => void>();
  const endpoint: Comlink.Endpoint = {
    postMessage: (message, transfer) => port.postMessage(message, transfer),
    addEventListener: (_type, listener) => listeners.add(listener as (event: MessageEvent) => void),
    removeEventListener: (_type, listener) => listeners.delete(listener as (event: MessageEvent) => void),
  };
  const say = (control: Control) => port.postMessage(control);
  port.onMessage((data) => {
    if (!isControl(data)) for (const listener of [...listeners]) listener({ data } as MessageEvent);
    else if (data.rhm === 'close')
      close()
        .catch(() => {})
        .then(() => say({ rhm: 'closed' }));
  });
  Comlink.expose(api, endpoint);
  say({ rhm: 'ready' });
  return {
    async crashed(error) {
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      say({ rhm: 'crashed', reason });
      await close().catch(() => {});
    },
  };
}

/** The error classes by the names in their errors; if two have the same name, the more general one. */
const classes = new Map<string, new (message: string) => Error>();
for (const Class of Object.values(errors))
  if (typeof Class === 'function' && (Class === RhmError || Class.prototype instanceof RhmError)) {
    const { name } = Class.prototype as RhmError;
    const known = classes.get(name);
    if (!known || known.prototype instanceof Class) classes.set(name, Class as new (message: string) => Error);
  }

interface ThrownOnTheWire {
  isError: boolean;
  value: { name: string; message: string; stack?: string };
}

/**
 * Registers handlers that comlink needs on both sides. It sends errors as plain ones and loses their class: a known name is turned back
 * into its class.
 */
function teachComlink(): void {
  Comlink.transferHandlers.set('rhm-options', optionsHandler);
  const standard = Comlink.transferHandlers.get('throw');
  if (!standard || 'rhm' in standard) return;
  Comlink.transferHandlers.set('throw', {
    ...standard,
    rhm: true,
    deserialize(thrown: ThrownOnTheWire) {
      const Class = thrown.isError ? classes.get(thrown.value.name) : undefined;
      if (!Class) return standard.deserialize(thrown);
      const error = new Class(thrown.value.message);
      if (thrown.value.stack) error.stack = thrown.value.stack;
      throw error;
    },
  } as Comlink.TransferHandler<unknown, unknown>);
}
