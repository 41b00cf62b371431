/** The laboratory in worker threads, for commands whose work consists of independent parts. */
import { existsSync, realpathSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Platform } from '../platform/platform.js';
import { connectWorker, type WorkerHandle } from '../platform/worker.js';

/**
 * Does parts 0 .. count-1, each by one call into a worker, and returns the results in that order. There are as many workers as the
 * machine runs at once. Api: the functions of src/worker/lab.ts that `part` calls. Returns undefined if the script of the workers is
 * missing. @throws any error of a part.
 */
export async function inWorkers<Api, T>(
  platform: Platform,
  count: number,
  part: (lab: WorkerHandle<Api>['api'], index: number) => Promise<T>,
  done: (finished: number) => void,
): Promise<T[] | undefined> {
  const script = join(dirname(realpathSync(process.argv[1])), `worker.${platform.name}.js`);
  const threads = Math.min(availableParallelism(), count);
  if (threads < 2 || !existsSync(script)) return undefined;
  const start =
    platform.name === 'node'
      ? (await import('../platform/nodeWorker.js')).startNodeWorker
      : (await import('../platform/webWorker.js')).startWebWorker;
  const results = new Array<T>(count);
  const workers: WorkerHandle<Api>[] = [];
  let next = 0;
  let finished = 0;
  try {
    const serve = async () => {
      const worker = await connectWorker<Api>(start(pathToFileURL(script)));
      workers.push(worker);
      for (let i = next++; i < count; i = next++) {
        results[i] = await part(worker.api, i);
        done(++finished);
      }
    };
    const serving = Array.from({ length: threads }, () =>
      serve().catch((error) => {
        next = count; // the others end after their current part
        throw error;
      }),
    );
    const ends = await Promise.allSettled(serving); // all of them: one that connects later must also be ended
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results;
}
