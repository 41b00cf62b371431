/** Workers of a sweep as threads: worker_threads in Node, Web Workers in pages and Deno, each with a device of its own. */
import type { ChunkHooks, ChunkRun, RunOutcome, SweepWorker } from '../sweep/chunk.js';
import type { PackLimits } from '../sweep/pack.js';
import type { ExecutorChoice } from './executor.js';
import { connectWorker, type WorkerPort } from './worker.js';

/** The worker's functions that a sweep calls; part of the laboratory. */
export interface ChunkApi {
  /** Opens what the worker's chunks are computed on. @throws AdapterError, InputError */
  prepareChunks(choice: ExecutorChoice): Promise<{ executor: string; limits: PackLimits }>;
  trainChunk(runs: readonly ChunkRun[], hooks: ChunkHooks): Promise<RunOutcome[]>;
}

/** A thread that trains chunks. @throws WorkerError when its script cannot be run; AdapterError, InputError */
export async function startSweepThread(
  port: WorkerPort,
  choice: ExecutorChoice,
  onStart?: (executor: string) => void,
): Promise<SweepWorker> {
  const { api, terminate } = await connectWorker<ChunkApi>(port);
  let limits: PackLimits;
  try {
    const prepared = await api.prepareChunks(choice);
    limits = prepared.limits;
    onStart?.(prepared.executor);
  } catch (error) {
    await terminate();
    throw error;
  }
  return {
    limits,
    async train(runs, { signal, onProgress, onOutcome, checkpointMs }) {
      // A signal of this call alone: what carries it across listens to it for ever.
      const abort = new AbortController();
      const pass = () => abort.abort();
      if (signal?.aborted) pass();
      signal?.addEventListener('abort', pass);
      const given = { signal: abort.signal, onProgress, onOutcome, checkpointMs };
      const hooks = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
      try {
        return (await api.trainChunk(runs, hooks)) as RunOutcome[];
      } finally {
        signal?.removeEventListener('abort', pass);
      }
    },
    close: () => terminate(),
  };
}
