/** The laboratory's functions in one object: the same on the main thread and, through comlink, in a worker. */
import { type ExperimentInput, parseExperiment } from '../core/experiment.js';
import type { RunRecord } from '../core/records.js';
import { type GrammarOptions, type GrammarShape, makeRules, type Rules } from '../core/rules.js';
import { decodeSafetensors } from '../core/safetensors.js';
import { streamKey } from '../core/threefry.js';
import type { AdapterSummary, GpuSession } from '../gpu/device.js';
import { createSampler } from '../grammar/index.js';
import { measures } from '../measures/index.js';
import { type DoctorReport, examine } from '../platform/doctor.js';
import { type ExecutorChoice, type OpenExecutor, openExecutor } from '../platform/executor.js';
import type { Platform } from '../platform/platform.js';
import type { ChunkApi } from '../platform/sweepThread.js';
import { releaseCallback, releaseOptions } from '../platform/worker.js';
import { type LossPlateaus, lossPlateaus } from '../theory/index.js';
import { examineInstance, type InstanceTheory } from '../theory/instances.js';
import { files, MemoryFolder } from '../training/folder.js';
import { type Progress, type TrainResult, train } from '../training/loop.js';
import { chunkApi } from './chunks.js';

/** Told what is being done, in one line. */
export type Report = (line: string) => void;

export interface LabOptions {
  /** `gpu`, `lavapipe`, `swiftshader` or an adapter's name; default: the best there is. */
  adapter?: string;
}

export interface SampleRequest {
  count: number; // sentences
  seed: number; // of the sentences
  start?: number; // number of the first sentence, default 0
}

export interface RunOptions extends ExecutorChoice {
  /** Told each record as it is made. */
  onRecord?: (record: RunRecord) => void;
  /** Told several times a second. */
  onProgress?: (progress: Progress) => void;
  /** Saves a checkpoint and ends the run with reason `interrupted`. */
  signal?: AbortSignal;
  /** Run folder: a path, or in a page a name in the browser's private file system. Default: in memory. */
  folder?: string;
  /** Continue the run that the folder holds. */
  resume?: boolean;
  /** Weights to start from: a safetensors file in the reference's names and shapes. */
  init?: Uint8Array;
}

export interface TrainedRun extends TrainResult {
  /** Weights and optimiser state as safetensors, in the names and shapes of the reference code. */
  checkpoint?: Uint8Array;
}

/** Each function may be called while others run; all take and return plain data. */
export interface Lab extends ChunkApi {
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
  /** Trains an experiment (the JSON of `rhm train`). @throws InputError before anything is opened; FileError; GpuError */
  train(experiment: ExperimentInput, options?: RunOptions): Promise<TrainedRun>;
}

/** @returns the functions, and `close`, which ends what they hold: training stops, GPU calls fail with DeviceLostError. */
export function createLab(platform: Platform): { lab: Lab; close: () => Promise<void> } {
  const open = new Set<GpuSession>();
  const runs = new Set<Promise<unknown>>();
  const closing = new AbortController();
  const chunks = chunkApi(platform, closing.signal);
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
  async function runExperiment(input: ExperimentInput, options: RunOptions): Promise<TrainedRun> {
    const { folder: path, init, signal, onRecord, onProgress, resume } = options;
    const experiment = parseExperiment(input);
    const weights = init && decodeSafetensors(init, 'init');
    const folder = path === undefined ? new MemoryFolder() : await platform.openFolder(path);
    let opened: OpenExecutor | undefined;
    try {
      const result = await train(experiment, {
        async executor() {
          opened = await openExecutor(platform, options);
          return opened.executor;
        },
        folder,
        measures,
        resume,
        init: weights,
        runtime: platform.runtime,
        signal: signal ? AbortSignal.any([signal, closing.signal]) : closing.signal,
        onRecord,
        onProgress,
      });
      return { ...result, checkpoint: await folder.read(files.checkpoint) };
    } finally {
      await opened?.release();
      await folder.release();
    }
  }
  return {
    lab: {
      ...chunks.api,
      adapter: (options = {}) => withGpu(options, undefined, async (session) => session.info),
      doctor: (options = {}, report) => withGpu(options, report, (session) => examine(session, report)),
      rules: async (shape, seed, options) => makeRules(shape, seed, options),
      async sample(rules, { count, seed, start = 0 }) {
        const sampler = await createSampler(rules);
        const source = { mode: 'stream', key: streamKey(seed, 'data'), size: 0n, first: 0, length: 0 } as const;
        sampler.checkRange(source, start, count);
        const tokens = new Uint32Array(count * sampler.tokensPerSentence);
        sampler.tokens(source, start, count, tokens);
        return tokens;
      },
      plateaus: async (rules) => lossPlateaus(rules),
      theory: async (shape, seed, options) => examineInstance(shape, seed, options),
      train(experiment, options = {}) {
        const run = runExperiment(experiment, options).finally(() => releaseOptions(options));
        runs.add(run);
        const forget = () => void runs.delete(run);
        run.then(forget, forget);
        return run;
      },
    },
    async close() {
      closing.abort();
      await chunks.close();
      await Promise.allSettled([...runs, ...[...open].map((session) => session.release())]);
    },
  };
}
