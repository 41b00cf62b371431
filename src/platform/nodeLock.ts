/** Lets one thread at a time open a device: the Vulkan loader reads the process's environment meanwhile. */
import { workerData } from 'node:worker_threads';

/** Passed to each thread as workerData.rhmLock. */
export const environmentLock: SharedArrayBuffer =
  (workerData as { rhmLock?: SharedArrayBuffer } | null)?.rhmLock ?? new SharedArrayBuffer(4);

const patienceMs = 60_000; // a thread that was killed while holding the lock must not stop the others forever

/** Runs `work` while no other thread runs its own. */
export async function withEnvironment<T>(work: () => Promise<T>): Promise<T> {
  const lock = new Int32Array(environmentLock);
  const deadline = performance.now() + patienceMs;
  while (Atomics.compareExchange(lock, 0, 0, 1) !== 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 3));
  try {
    return await work();
  } finally {
    Atomics.store(lock, 0, 0);
  }
}
