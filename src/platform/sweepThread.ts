/** Workers of a sweep as threads: worker_threads in Node, Web Workers in pages and Deno, each with its own device. */
import { digestsOf, type SentData, sentData } from '../core/ownData.js';
import type { ChunkHooks, ChunkRun, RunOutcome, SweepWorker } from '../sweep/chunk.js';
import type { PackLimits } from '../sweep/pack.js';
import type { ExecutorChoice } from './executor.js';
import { connectWorker, type WorkerPort } from './worker.js';

/** The worker's functions that a sweep calls; part of the laboratory. */
export interface ChunkApi {
  /** Opens the executor for the worker's chunks. @throws AdapterError, InputError */
  prepareChunks(choice: ExecutorChoice): Promise<{ executor: string; limits: PackLimits }>;
  /** Rows of tokens that chunks are trained on, before the first of them. @throws InputError */
  takeData(data: readonly SentData[]): Promise<void>;
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
  const sent = new DataSent();
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
        const data = sent.missing(runs);
        if (data.length) await api.takeData(data);
        return (await api.trainChunk(runs, hooks)) as RunOutcome[];
      } finally {
        signal?.removeEventListener('abort', pass);
      }
    },
    close: () => terminate(),
  };
}

/** Which rows a worker has been sent. */
export class DataSent {
  readonly #sent = new Set<string>();

  /** The rows that these runs are trained on and that it has not been sent yet. */
  missing(runs: readonly ChunkRun[]): SentData[] {
    const digests = digestsOf(runs.map(({ experiment }) => experiment)).filter((digest) => !this.#sent.has(digest));
    for (const digest of digests) this.#sent.add(digest);
    return sentData(digests);
  }
}
