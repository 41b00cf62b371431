/** Logits and hidden layers of a trained network, for the laboratory. */
import type { Bytes } from '../core/bytes.js';
import { InputError } from '../core/errors.js';
import { type Experiment, type ExperimentInput, parseExperiment } from '../core/experiment.js';
import { decodeSafetensors, type SafeFile } from '../core/safetensors.js';
import type { TokenRows } from '../core/tokens.js';
import { loadModels } from '../models/define.js';
import { type ExecutorChoice, openExecutor } from '../platform/executor.js';
import type { Platform } from '../platform/platform.js';
import { readFinishedRun } from '../training/finishedRun.js';
import { type Logits, logitsOf } from '../training/logits.js';
import { type WeightsChoice, weightsOf } from '../training/weights.js';

/** A trained network: a run folder, or an experiment with weights. */
export type Network = StoredNetwork | GivenNetwork;

export interface StoredNetwork extends WeightsChoice {
  /** Run folder: a path, or in a page a name in the browser's private file system. */
  run: string;
}

export interface GivenNetwork extends WeightsChoice {
  experiment: ExperimentInput;
  /** A safetensors file: weights alone, with the names and shapes of the PyTorch reference, or a run's checkpoint. */
  weights: Bytes;
}

export interface LogitsOptions extends ExecutorChoice {
  /** Hidden layers to return too: names, or true for all. */
  hidden?: true | readonly string[];
}

/**
 * @throws InputError, DamageError before an executor is opened, except for tokens, shapes and layers that do not fit; AdapterError;
 * GpuError
 */
export async function networkLogits(
  platform: Platform,
  network: Network,
  tokens: TokenRows,
  options: LogitsOptions,
): Promise<Logits> {
  await loadModels(options.models ?? []);
  const { experiment, weights } = await networkOf(platform, network);
  const { executor, release } = await openExecutor(platform, options);
  try {
    return await logitsOf(experiment, weights, tokens, executor, options.hidden);
  } finally {
    await release();
  }
}

async function networkOf(platform: Platform, network: Network): Promise<{ experiment: Experiment; weights: SafeFile }> {
  const { which, replica } = network;
  if ('run' in network) {
    const { run } = network;
    if (typeof run !== 'string') throw new InputError(`run: got ${typeof run}; pass the folder of a run`);
    const found = await readFinishedRun(run, (file) => platform.readRunFile(run, file));
    return {
      experiment: found.experiment,
      weights: weightsOf(found.checkpoint, found.checkpointFile, { which, replica }),
    };
  }
  const experiment = parseExperiment(network.experiment);
  if (!network.weights)
    throw new InputError('weights: missing; pass the bytes of a safetensors file, or { run } with the folder of a run');
  const weights = decodeSafetensors(network.weights, 'weights');
  const isCheckpoint = weights.metadata.progress !== undefined;
  return { experiment, weights: isCheckpoint ? weightsOf(network.weights, 'weights', { which, replica }) : weights };
}
