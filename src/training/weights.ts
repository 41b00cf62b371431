import type { Bytes } from '../core/bytes.js';
import { digestOf } from '../core/canonical.js';
import { clockWords } from '../core/clock.js';
import { FileError, InputError } from '../core/errors.js';
import { decodeSafetensors, encodeSafetensors, type SafeFile } from '../core/safetensors.js';
import { biasMark, checkBiases } from '../models/disk.js';
import type { Model } from '../models/types.js';

export interface WeightsChoice {
  which?: 'best' | 'last'; // weights of the lowest test loss, or of the last step; default best
  replica?: number; // default 0
}

/**
 * The weights of a checkpoint alone: names and shapes of the PyTorch reference, with their origin in the metadata.
 * @throws FileError if it is damaged; InputError if there is no such replica.
 */
export function weightsOf(checkpoint: Bytes, file: string, { which = 'best', replica = 0 }: WeightsChoice): SafeFile {
  const safe = decodeSafetensors(checkpoint, file);
  const { metadata, tensors } = safe;
  if (metadata.progress === undefined) throw new FileError(`${file}: not a checkpoint of a run; pass a run's folder`);
  checkBiases(safe, file);
  const progress: { bestStep: number; bestLoss: number | null }[] = JSON.parse(metadata.progress);
  const replicas = progress.length;
  if (!(Number.isInteger(replica) && replica >= 0 && replica < replicas))
    throw new InputError(`replica: got ${replica}, ${file} contains ${replicas}; pass 0 to ${replicas - 1}`);
  const mine = replicas > 1 ? `replica.${replica}/` : '';
  const prefix = `${mine}${which === 'best' ? 'best/' : ''}`;
  const chosen: SafeFile['tensors'] = new Map();
  for (const [name, tensor] of tensors) {
    const rest = name.slice(prefix.length);
    if (name.startsWith(prefix) && !rest.includes('/')) chosen.set(rest, tensor);
  }
  const { bestStep, bestLoss } = progress[replica];
  // A replica that ended before the others keeps the weights of its own last step.
  const last = Number(tensors.get(`${mine}state/clock`)?.data[clockWords.step] ?? metadata.step);
  const step = which === 'best' ? bestStep : last;
  return {
    metadata: {
      format: 'pt',
      experiment: metadata.hash,
      weights: which,
      replica: String(replica),
      step: String(step),
      ...biasMark(chosen.keys()),
      ...(which === 'best' && bestLoss !== null && { loss: String(bestLoss) }),
    },
    tensors: chosen,
  };
}

/**
 * A name for initial weights: computed from the tensors that the model takes from the file, as f32; the rest of the file is
 * ignored.
 */
export async function weightsDigest(model: Model, init: SafeFile): Promise<string> {
  const tensors: SafeFile['tensors'] = new Map();
  for (const { name } of model.parameters.flatMap(({ disk }) => disk)) {
    const tensor = init.tensors.get(name);
    if (tensor?.dtype === 'F32' || tensor?.dtype === 'F64')
      tensors.set(name, { ...tensor, dtype: 'F32', data: Float32Array.from(tensor.data as Float64Array) });
  }
  return digestOf(encodeSafetensors({ metadata: {}, tensors }));
}
