import { digestOf } from '../core/canonical.js';
import { DamageError, InputError } from '../core/errors.js';
import type { RunEnd, TestRecord } from '../core/records.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafeSource,
  type SafeTensor,
  safetensorsMetadata,
} from '../core/safetensors.js';
import { checkSimd, type Simd } from '../core/simd.js';
import { biasMark, checkBiases, diskSources, fromDisk } from '../models/disk.js';
import type { TrainingProgram } from './program.js';
import { makeState, type ReplicaState, stateParts } from './replicaState.js';

/** The host's record of a replica, besides its state on the device. */
export interface ReplicaProgress {
  bestLoss: number | null; // nats
  bestStep: number;
  ended: RunEnd | null;
  test?: TestResult; // of an ended run with a validation set
}

/** Results of the best weights on the test set. */
export type TestResult = Pick<TestRecord, 'loss' | 'accuracy' | 'exact' | 'repeats' | 'leaked'>;

export interface Checkpoint {
  hash: string; // hash of the experiment
  init?: string; // digest of the initial weights, if they came from a file
  simd?: Simd; // arithmetic of wasm's multiply-adds that the run began with; absent: not run on wasm yet, or written by an earlier version
  step: number;
  elapsedMs: number;
  records?: number; // evaluations and measures in the records at the time of writing
  replicas: { state: ReplicaState; progress: ReplicaProgress }[];
}

const FORMAT = 'rhm-lab checkpoint 2';
const FORMAT_WITHOUT_DIGEST = 'rhm-lab checkpoint 1';
const NO_DIGEST = '0'.repeat(16); // placeholder while the digest is computed

/**
 * A checkpoint as safetensors. Weights have the names and shapes of the PyTorch reference (with several replicas, prefixed with
 * `replica.r/`); moments and best weights have the same names after `optimiser/...` and `best/`. Its `digest` is that of the whole file
 * with zeros in place of the digest.
 */
export async function encodeCheckpoint(
  checkpoint: Checkpoint,
  training: TrainingProgram,
): Promise<Uint8Array<ArrayBuffer>> {
  const tensors = new Map<string, SafeTensor | SafeSource>();
  const { model, program } = training;
  checkpoint.replicas.forEach(({ state }, r) => {
    const prefix = prefixOf(r, checkpoint.replicas.length);
    for (const { name, group } of stateParts(training)) {
      const row = state[name];
      if (group === undefined)
        tensors.set(`${prefix}state/${name}`, { dtype: dtypeOf(row), shape: [row.length], data: row });
      else
        for (const [parameter, source] of diskSources(model.parameters, program, row as Float32Array))
          tensors.set(`${prefix}${group}${parameter}`, source);
    }
  });
  const { hash, init, simd, step, elapsedMs, records, replicas } = checkpoint;
  const progress = replicas.map((r) => r.progress);
  const metadata = {
    format: FORMAT,
    digest: NO_DIGEST,
    hash,
    step: String(step),
    elapsed_ms: String(elapsedMs),
    progress: JSON.stringify(progress),
    ...(records !== undefined && { records: String(records) }),
    ...(init !== undefined && { init }),
    ...(simd !== undefined && { simd }),
    ...biasMark(tensors.keys()),
  };
  const bytes = encodeSafetensors({ metadata, tensors });
  bytes.set(utf8.encode(await digestOf(bytes)), digestPlace(bytes));
  return bytes;
}

/**
 * `unchecked`: it was written by an earlier version, without a digest. @throws DamageError if its bytes have changed since it was
 * written, or its structure is invalid; InputError if it is not a checkpoint.
 */
export async function verifyCheckpoint(
  bytes: Uint8Array,
  file: string,
): Promise<{ checked: boolean; metadata: Record<string, string> }> {
  const metadata = safetensorsMetadata(bytes, file);
  if (metadata.format === FORMAT_WITHOUT_DIGEST) return { checked: false, metadata };
  if (metadata.format !== FORMAT)
    throw new DamageError(
      `${file}: format ${metadata.format}, expected ${FORMAT}; the file is damaged, not a checkpoint, or of a newer version`,
    );
  const place = digestPlace(bytes);
  if (place < 0 || !metadata.digest) throw new DamageError(`${file}: no digest in it; the file is damaged`);
  const copy = new Uint8Array(bytes);
  copy.set(utf8.encode(NO_DIGEST), place);
  const digest = await digestOf(copy);
  if (digest !== metadata.digest)
    throw new DamageError(`${file}: its digest is ${metadata.digest}, its bytes give ${digest}; the file is damaged`);
  return { checked: true, metadata };
}

const utf8 = new TextEncoder();
const DIGEST_KEY = utf8.encode('"digest":"');

/** Offset of the digest's first digit; -1: not found. Metadata come first in the header, with the digest second among them. */
function digestPlace(bytes: Uint8Array): number {
  const limit = Math.min(bytes.length, 256) - DIGEST_KEY.length;
  for (let at = 8; at < limit; at++)
    if (DIGEST_KEY.every((byte, i) => bytes[at + i] === byte)) return at + DIGEST_KEY.length;
  return -1;
}

/**
 * Does not check the bytes: verifyCheckpoint tells whether they have changed since they were written. @throws InputError if it belongs to
 * another experiment; FileError if it is damaged.
 */
export function decodeCheckpoint(
  bytes: Uint8Array,
  file: string,
  hash: string,
  replicas: number,
  training: TrainingProgram,
): Checkpoint {
  const safe = decodeSafetensors(bytes, file);
  const { metadata } = safe;
  if (metadata.format !== FORMAT && metadata.format !== FORMAT_WITHOUT_DIGEST)
    throw new InputError(
      `${file}: format ${metadata.format}, expected ${FORMAT}; use a checkpoint that this version or an earlier one wrote`,
    );
  if (metadata.hash !== hash)
    throw new InputError(
      `${file}: checkpoint of experiment ${metadata.hash}, this one is ${hash}; use the folder of the same experiment, or an empty one`,
    );
  const progress: ReplicaProgress[] = JSON.parse(metadata.progress);
  const { model, program } = training;
  checkBiases(safe, file);
  return {
    hash,
    init: metadata.init,
    simd: checkSimd(metadata.simd, `${file}: simd`),
    step: Number(metadata.step),
    elapsedMs: Number(metadata.elapsed_ms),
    records: metadata.records === undefined ? undefined : Number(metadata.records),
    replicas: Array.from({ length: replicas }, (_, r) => {
      const prefix = prefixOf(r, replicas);
      const state = makeState(training, ({ name, group }) => {
        if (group === undefined) {
          const tensor = safe.tensors.get(`${prefix}state/${name}`);
          if (!tensor)
            throw new InputError(
              `${file}: no tensor ${prefix}state/${name}; restore a copy of the file, or remove it to train from the start`,
            );
          return tensor.data as Uint32Array | Float32Array;
        }
        const values = new Float32Array(program.parameterCount);
        fromDisk(model.parameters, program, safe, values, `${prefix}${group}`);
        return values;
      });
      return { state, progress: progress[r] };
    }),
  };
}

function dtypeOf(row: ReplicaState[string]): 'U32' | 'F32' | 'F64' {
  return row instanceof Uint32Array ? 'U32' : row instanceof Float32Array ? 'F32' : 'F64';
}

function prefixOf(replica: number, replicas: number): string {
  return replicas === 1 ? '' : `replica.${replica}/`;
}
