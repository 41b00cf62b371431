/** The laboratory's training runs: one, or several side by side in one plan. */
import type { Bytes } from '../core/bytes.js';
import { type ExperimentInput, parseExperiment } from '../core/experiment.js';
import { type OwnData, withData } from '../core/ownData.js';
import type { RunRecord } from '../core/records.js';
import { decodeSafetensors } from '../core/safetensors.js';
import { measures } from '../measures/index.js';
import { loadModels } from '../models/define.js';
import { type ExecutorChoice, type OpenExecutor, openExecutor } from '../platform/executor.js';
import type { Platform } from '../platform/platform.js';
import { files, MemoryFolder, type RunFolder } from '../training/folder.js';
import { type FailedRun, type Progress, type TrainResult, trainGroup } from '../training/loop.js';

export interface RunPlace {
  /** Run folder: a path, or in a page a name in the browser's private file system. Default: in memory. */
  folder?: string;
  /** Continue the run in the folder. */
  resume?: boolean;
  /** Initial weights: a safetensors file with the reference's names and shapes, as bytes of any kind. */
  init?: Bytes;
  /**
   * Rows of tokens to train on instead of a grammar's sentences: any sequences over grammar.v symbols, of length grammar.s^L.
   * Measures and theory that need a grammar are refused or left out.
   */
  data?: OwnData;
}

export interface RunOptions extends ExecutorChoice, RunPlace {
  /** Called with each record as it is made. */
  onRecord?: (record: RunRecord) => void;
  /** Called several times per second. */
  onProgress?: (progress: Progress) => void;
  /**
   * Saves a checkpoint and ends the run: `abort('learnt')` with reason `stopped` and that text as its message, `abort()` with
   * `interrupted`. Both can be continued.
   */
  signal?: AbortSignal;
}

export interface GroupRunRequest extends RunPlace {
  experiment: ExperimentInput;
}

/** Like RunOptions; callbacks get the number of the run, from 0. */
export interface GroupRunOptions extends ExecutorChoice {
  onRecord?: (record: RunRecord, index: number) => void;
  onProgress?: (progress: Progress, index: number) => void;
  signal?: AbortSignal;
}

export interface TrainedRun extends TrainResult {
  /** Weights and optimiser state as safetensors, with the names and shapes of the reference code. */
  checkpoint?: Uint8Array;
}

/** Results in the order of the requests. @throws InputError for bad input or runs that cannot share a plan, before anything is opened. */
export async function runTogether(
  platform: Platform,
  closing: AbortSignal,
  requests: readonly GroupRunRequest[],
  options: GroupRunOptions,
): Promise<(TrainedRun | FailedRun)[]> {
  const { signal, onRecord, onProgress } = options;
  await loadModels(options.models ?? []);
  const filled = await Promise.all(
    requests.map(async (request) => {
      const { experiment, data } = request;
      return { ...request, experiment: data ? await withData(experiment, data) : experiment };
    }),
  );
  const inputs = filled.map(({ experiment, folder, resume, init }) => ({
    experiment: parseExperiment(experiment),
    path: folder,
    resume,
    init: init && decodeSafetensors(init, 'init'),
  }));
  const results: (TrainedRun | FailedRun)[] = new Array(inputs.length);
  const runs: { index: number; folder: RunFolder; input: (typeof inputs)[number] }[] = [];
  for (const [index, input] of inputs.entries())
    try {
      const folder = input.path === undefined ? new MemoryFolder() : await platform.openFolder(input.path);
      runs.push({ index, folder, input });
    } catch (error) {
      results[index] = { reason: 'failed', error };
    }
  const held = new Set(runs.map((run) => run.folder));
  let opened: OpenExecutor | undefined;
  try {
    await trainGroup(
      runs.map(({ folder, input: { experiment, resume, init } }) => ({ experiment, folder, resume, init })),
      {
        async executor() {
          opened = await openExecutor(platform, options);
          return opened.executor;
        },
        measures,
        host: platform.host(),
        signal: signal ? AbortSignal.any([signal, closing]) : closing,
        onRecord: onRecord && ((record, i) => onRecord(record, runs[i].index)),
        onProgress: onProgress && ((progress, i) => onProgress(progress, runs[i].index)),
        async onEnd(result, i) {
          const { folder, index } = runs[i];
          if (result.reason === 'failed') results[index] = result;
          else results[index] = { ...result, checkpoint: await folder.read(files.checkpoint) };
          held.delete(folder);
          await folder.release();
        },
      },
    );
  } finally {
    await opened?.release();
    for (const folder of held) await folder.release();
  }
  return results;
}
