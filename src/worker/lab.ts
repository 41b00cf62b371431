/** The laboratory's functions in one object: the same on the main thread and, through comlink, in a worker. */
import type { ExperimentInput } from '../core/experiment.js';
import type { DefinedKind } from '../core/modelTypes.js';
import { type GrammarOptions, type GrammarShape, makeRules, type Rules } from '../core/rules.js';
import { streamKey } from '../core/threefry.js';
import type { TokenRows } from '../core/tokens.js';
import type { AdapterSummary, GpuSession } from '../gpu/device.js';
import type { DoctorReport } from '../platform/doctor.js';
import type { Platform } from '../platform/platform.js';
import type { ChunkApi } from '../platform/sweepThread.js';
import { releaseCallback, releaseOptions } from '../platform/worker.js';
import { type LossPlateaus, lossPlateaus } from '../theory/index.js';
import { examineInstance, type InstanceTheory } from '../theory/instances.js';
import type { Logits } from '../training/logits.js';
import type { LogitsOptions, Network } from './logits.js';
import type * as Parts from './parts.js';
import type { GroupRunOptions, GroupRunRequest, RunOptions, TrainedRun } from './runs.js';

export type { GivenNetwork, LogitsOptions, Network, StoredNetwork } from './logits.js';
export type { GroupRunOptions, GroupRunRequest, RunOptions, RunPlace, TrainedRun } from './runs.js';

/** Called with what is being done, in one line. */
export type Report = (line: string) => void;

export interface LabOptions {
  /** `gpu`, `lavapipe`, `swiftshader` or an adapter's name; default: the best available. */
  adapter?: string;
}

export interface SampleRequest {
  count: number; // sentences
  seed: number; // of the sentences
  start?: number; // number of the first sentence, default 0
}

/** A run that was stopped by its input or folder. */
export interface RefusedRun {
  reason: 'failed';
  error: { name: string; message: string };
}

/** Each function may be called while others run; all take and return plain data. */
export interface Lab extends ChunkApi {
  /**
   * Defines the models that modules export, by the modules' URLs: a worker has separate definitions. @returns their names.
   * @throws InputError
   */
  loadModels(urls: string[]): Promise<DefinedKind[]>;
  /** The adapter that would be used. @throws AdapterError */
  adapter(options?: LabOptions): Promise<AdapterSummary>;
  /** Checks every kernel and measures speeds. @throws AdapterError, GpuError, DeviceLostError */
  doctor(options?: LabOptions, report?: Report): Promise<DoctorReport>;
  /** A random grammar. @throws InputError */
  rules(shape: GrammarShape, seed: number, options?: GrammarOptions): Promise<Rules>;
  /** Sentences start .. start+count-1, tokens [count, s^L]. @throws InputError */
  sample(rules: Rules, request: SampleRequest): Promise<Uint32Array>;
  /** Exact losses H(ell) of the last token, nats. @throws InputError */
  plateaus(rules: Rules): Promise<LossPlateaus>;
  /** Exact losses and covariances of the random grammar of a seed. @throws InputError */
  theory(shape: GrammarShape, seed: number, options?: GrammarOptions): Promise<InstanceTheory>;
  /**
   * Logits of sentences, tokens [B, s^L] to [B, classes], or [B, T - 1, v] for the task `auto`, and hidden layers by name.
   * @throws InputError naming what does not fit; FileError; AdapterError; GpuError
   */
  logits(network: Network, tokens: TokenRows, options?: LogitsOptions): Promise<Logits>;
  /** Trains an experiment (the JSON of `rhm train`). @throws InputError before anything is opened; FileError; GpuError */
  train(experiment: ExperimentInput, options?: RunOptions): Promise<TrainedRun>;
  /**
   * Trains experiments of one groupKey side by side, each to the result it has alone; one that fails does not stop the others.
   * @throws InputError if they cannot share a plan; GpuError
   */
  trainGroup(requests: GroupRunRequest[], options?: GroupRunOptions): Promise<(TrainedRun | RefusedRun)[]>;
}

/**
 * load: loads parts.ts, called when a function first needs it. @returns the functions, and `close`, which releases their
 * resources: training stops, GPU calls fail with DeviceLostError.
 */
export function labOf(platform: Platform, load: () => Promise<typeof Parts>): { lab: Lab; close: () => Promise<void> } {
  const open = new Set<GpuSession>();
  const runs = new Set<Promise<unknown>>();
  const closing = new AbortController();
  let chunks: ReturnType<typeof Parts.chunkApi> | undefined;
  async function openChunks(): Promise<ChunkApi> {
    const { chunkApi } = await load();
    chunks ??= chunkApi(platform, closing.signal);
    return chunks.api;
  }
  async function withGpu<T>(
    options: LabOptions,
    report: Report | undefined,
    work: (session: GpuSession) => Promise<T>,
  ): Promise<T> {
    let session: GpuSession | undefined;
    try {
      session = await platform.openGpu({ adapter: options.adapter, report });
      open.add(session);
      if (closing.signal.aborted) void session.release();
      return await work(session);
    } finally {
      await session?.release();
      if (session) open.delete(session);
      releaseCallback(report);
    }
  }
  async function tracked<T>(options: object, work: Promise<T>): Promise<T> {
    runs.add(work);
    try {
      return await work;
    } finally {
      runs.delete(work);
      await releaseOptions(options);
    }
  }
  const together = (requests: readonly GroupRunRequest[], options: GroupRunOptions) =>
    tracked(
      options,
      load().then(({ runTogether }) => runTogether(platform, closing.signal, requests, options)),
    );
  return {
    lab: {
      prepareChunks: async (choice) => (await openChunks()).prepareChunks(choice),
      takeData: async (data) => (await openChunks()).takeData(data),
      trainChunk: async (runs, hooks) => (await openChunks()).trainChunk(runs, hooks),
      loadModels: async (urls) => (await load()).loadModels(urls),
      adapter: (options = {}) => withGpu(options, undefined, async (session) => session.info),
      doctor: (options = {}, report) =>
        withGpu(options, report, async (session) => {
          const { examine } = await load();
          return examine(session, report);
        }),
      rules: async (shape, seed, options) => makeRules(shape, seed, options),
      async sample(rules, { count, seed, start = 0 }) {
        const { createSampler } = await load();
        const sampler = await createSampler(rules);
        const source = { mode: 'stream', key: streamKey(seed, 'data'), size: 0n, first: 0, length: 0 } as const;
        sampler.checkRange(source, start, count);
        const tokens = new Uint32Array(count * sampler.tokensPerSentence);
        sampler.tokens(source, start, count, tokens);
        return tokens;
      },
      plateaus: async (rules) => lossPlateaus(rules),
      theory: async (shape, seed, options) => examineInstance(shape, seed, options),
      logits: (network, tokens, options = {}) =>
        tracked(
          options,
          load().then(({ networkLogits }) => networkLogits(platform, network, tokens, options)),
        ),
      async train(experiment, options = {}) {
        const { folder, resume, init, data } = options;
        const [result] = await together([{ experiment, folder, resume, init, data }], options);
        if (result.reason === 'failed') throw result.error;
        return result;
      },
      async trainGroup(requests, options = {}) {
        const results = await together(requests, options);
        return results.map((result) =>
          result.reason === 'failed' ? { ...result, error: errorData(result.error) } : result,
        );
      },
    },
    async close() {
      closing.abort();
      await chunks?.close();
      await Promise.allSettled([...runs, ...[...open].map((session) => session.release())]);
    },
  };
}

/** The parts of an error that can be posted between threads unchanged. */
function errorData(error: unknown): RefusedRun['error'] {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { name, message };
}
