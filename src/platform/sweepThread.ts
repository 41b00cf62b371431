/** Workers of a sweep as threads: worker_threads in Node, Web Workers in pages and Deno, each with its own device. */
import type { ChunkHooks, ChunkRun, RunOutcome, SweepWorker } from '../sweep/chunk.js';
import type { PackLimits } from '../sweep/pack.js';
import type { ExecutorChoice } from './executor.js';
import { connectWorker, type WorkerPort } from './worker.js';

/** The worker's functions that a sweep calls; part of the laboratory. */
export interface ChunkApi {
  /** Opens the executor for the worker's chunks. @throws AdapterError, InputError */
  prepareChunks(choice: ExecutorChoice): Promise<{ executor: string; limits: PackLimits }>;
  trainChunk(runs: readonly ChunkRun[], hooks: ChunkHooks): Promise<RunOutcome[]>;
}

/** A thread that trains chunks. @throws WorkerError if its script cannot be run; AdapterError, InputError */
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
      // A signal for this call only: the listener that carries it to the other side is never removed.
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
