/** Threads on one shared WebAssembly memory. How a thread is started is the platform's business: it is handed in. */
import { WorkerError } from './errors.js';

/** A started thread. An idle one must not keep the process alive. */
export interface Thread {
  postMessage(message: unknown): void;
  onMessage(receive: (message: unknown) => void): void;
  /** Called once when the thread crashed, was ended, or could not be started. */
  onFailure(fail: (reason: string) => void): void;
  kill(): Promise<void>;
}

/**
 * Starts a thread that evaluates `source`, which defines `threadMain(message, post)`, and calls it with the first message
 * it is sent. A rejection must end the thread with an error; when it resolves the thread ends.
 */
export type SpawnThread = (source: string) => Thread;

/**
 * Starts a thread for each message and waits until all have answered. failed: told whenever one ends, also later, with its
 * number from 0; returns the message of the error. @throws WorkerError when one does not start; the others are ended then.
 */
export async function startThreads(
  spawn: SpawnThread,
  source: string,
  messages: readonly unknown[],
  failed: (thread: number, reason: string) => string,
): Promise<Thread[]> {
  const threads = messages.map(() => spawn(source));
  const started = threads.map(
    (thread, i) =>
      new Promise<void>((ready, fail) => {
        thread.onMessage(() => ready());
        thread.onFailure((reason) => fail(new WorkerError(failed(i, reason))));
        thread.postMessage(messages[i]);
      }),
  );
  try {
    await Promise.all(started);
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.kill()));
    throw error;
  }
  return threads;
}
