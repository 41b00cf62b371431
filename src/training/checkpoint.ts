import { InputError } from '../core/errors.js';
import type { TestRecord } from '../core/records.js';
import { decodeSafetensors, encodeSafetensors, type SafeSource, type SafeTensor } from '../core/safetensors.js';
import { diskSources, fromDisk } from '../models/disk.js';
import type { TrainingProgram } from './program.js';
import type { ReplicaState } from './trainer.js';

/** What the host knows of a replica beside its state on the device. */
export interface ReplicaProgress {
  bestLoss: number | null; // nats
  bestStep: number;
  ended: 'done' | 'diverged' | null;
  test?: TestResult; // of a run with a validation set that has ended
}

/** What the test set says of the best weights. */
export type TestResult = Pick<TestRecord, 'loss' | 'accuracy' | 'exact' | 'repeats' | 'leaked'>;

export interface Checkpoint {
  hash: string; // of the experiment
  init?: string; // digest of the weights that the run began with, where they came from a file
  step: number;
  elapsedMs: number;
  replicas: { state: ReplicaState; progress: ReplicaProgress }[];
}

const FORMAT = 'rhm-lab checkpoint 1';

/**
 * A checkpoint as safetensors. Weights have the names and shapes of the PyTorch reference (of several replicas, replica r
 * in front as `replica.r/`), moments and best weights the same names behind `optimiser/...` and `best/`.
 */
export function encodeCheckpoint(checkpoint: Checkpoint, training: TrainingProgram): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, SafeTensor | SafeSource>();
  const { model, program } = training;
  checkpoint.replicas.forEach(({ state }, r) => {
    const prefix = prefixOf(r, checkpoint.replicas.length);
    const put = (group: string, row: Float32Array | Float64Array) => {
      for (const [name, source] of diskSources(model.parameters, program, row))
        tensors.set(`${prefix}${group}${name}`, source);
    };
    put('', state.params);
    training.moments.forEach((tensor, i) => {
      put(`optimiser/${tensor.name}/`, state.moments[i]);
    });
    put('best/', state.best);
    tensors.set(`${prefix}state/clock`, { dtype: 'U32', shape: [state.clock.length], data: state.clock });
    const paceType = state.pace instanceof Float32Array ? 'F32' : 'F64';
    tensors.set(`${prefix}state/pace`, { dtype: paceType, shape: [state.pace.length], data: state.pace });
  });
  const { hash, init, step, elapsedMs, replicas } = checkpoint;
  const progress = replicas.map((r) => r.progress);
  const metadata = {
    format: FORMAT,
    hash,
    step: String(step),
    elapsed_ms: String(elapsedMs),
    progress: JSON.stringify(progress),
    ...(init !== undefined && { init }),
  };
  return encodeSafetensors({ metadata, tensors });
}

/** @throws InputError when it belongs to another experiment; FileError when it is damaged. */
export function decodeCheckpoint(
  bytes: Uint8Array,
  file: string,
  hash: string,
  replicas: number,
  training: TrainingProgram,
): Checkpoint {
  const safe = decodeSafetensors(bytes, file);
  const { metadata } = safe;
  if (metadata.format !== FORMAT) throw new InputError(`${file}: format ${metadata.format}, wanted ${FORMAT}`);
  if (metadata.hash !== hash)
    throw new InputError(
      `${file}: checkpoint of experiment ${metadata.hash}, this one is ${hash}; use the folder of the same experiment, or an empty one`,
    );
  const progress: ReplicaProgress[] = JSON.parse(metadata.progress);
  const { model, program } = training;
  return {
    hash,
    init: metadata.init,
    step: Number(metadata.step),
    elapsedMs: Number(metadata.elapsed_ms),
    replicas: Array.from({ length: replicas }, (_, r) => {
      const prefix = prefixOf(r, replicas);
      const row = (group: string) => {
        const values = new Float32Array(program.parameterCount);
        fromDisk(model.parameters, program, safe, values, `${prefix}${group}`);
        return values;
      };
      const raw = (name: string) => {
        const tensor = safe.tensors.get(`${prefix}state/${name}`);
        if (!tensor) throw new InputError(`${file}: no tensor ${prefix}state/${name}`);
        return tensor.data;
      };
      const state: ReplicaState = {
        params: row(''),
        moments: training.moments.map((tensor) => row(`optimiser/${tensor.name}/`)),
        best: row('best/'),
        clock: raw('clock') as Uint32Array,
        pace: raw('pace') as Float32Array,
      };
      return { state, progress: progress[r] };
    }),
  };
}

function prefixOf(replica: number, replicas: number): string {
  return replicas === 1 ? '' : `replica.${replica}/`;
}
