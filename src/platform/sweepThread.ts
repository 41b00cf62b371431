/** Workers of a sweep as threads: worker_threads in Node, Web Workers in pages and Deno, each with a device of its own. */
import type { ChunkHooks, ChunkRun, RunOutcome, SweepWorker } from '../sweep/chunk.js';
import type { ExecutorChoice } from './executor.js';
import { connectWorker, type WorkerPort } from './worker.js';

/** The worker's functions that a sweep calls; part of the laboratory. */
export interface ChunkApi {
  /** Opens what the worker's chunks are computed on; returns its description. @throws AdapterError, InputError */
  prepareChunks(choice: ExecutorChoice): Promise<string>;
  trainChunk(runs: readonly ChunkRun[], hooks: ChunkHooks): Promise<RunOutcome[]>;
}

/** A thread that trains chunks. @throws WorkerError when its script cannot be run; AdapterError, InputError */
export async function startSweepThread(
  port: WorkerPort,
  choice: ExecutorChoice,
  onStart?: (executor: string) => void,
): Promise<SweepWorker> {
  const { api, terminate } = await connectWorker<ChunkApi>(port);
  try {
    onStart?.(await api.prepareChunks(choice));
  } catch (error) {
    await terminate();
    throw error;
  }
  return {
    // Comlink's own wrapping of options carries callbacks and the signal across.
    train: (runs, hooks) => api.trainChunk(runs, defined(hooks)) as Promise<RunOutcome[]>,
    close: () => terminate(),
  };
}

const defined = (hooks: ChunkHooks): ChunkHooks =>
  Object.fromEntries(Object.entries(hooks).filter(([, value]) => value !== undefined));
