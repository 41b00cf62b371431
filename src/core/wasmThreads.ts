/** Threads on one shared WebAssembly memory. How to start a thread depends on the platform, which passes it in. */
import { WorkerError } from './errors.js';

/** A started thread. An idle one must not keep the process alive. */
export interface Thread {
  postMessage(message: unknown): void;
  onMessage(receive: (message: unknown) => void): void;
  /** Called once when the thread crashes, is terminated, or could not be started. */
  onFailure(fail: (reason: string) => void): void;
  kill(): Promise<void>;
}

/**
 * Starts a thread that evaluates `source`, which defines `threadMain(message, post)`, and calls it with the first message it
 * receives. If that rejects, the thread must end with an error; when it resolves, the thread ends.
 */
export type SpawnThread = (source: string) => Thread;

/**
 * Starts a thread for each message and waits until all have answered. failed: called whenever one ends, including later, with its
 * number from 0; returns the message of the error. @throws WorkerError if one does not start; the others are terminated.
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
