/** Common parts of operations with half-precision factors: rounding on the host and in WebAssembly. */
import { scalingWords } from '../../core/clock.js';
import { overflowsHalf, roundToHalf } from '../../core/half.js';
import { elementsPerReplica, type Tensor } from '../../plan/types.js';
import { at, partsFor, type ShareScratch, type WasmWord } from '../../wasm/command.js';

/** A rounded copy of one replica's factor; sets `scaling` if a number does not fit. */
export function roundFactor(factor: Float64Array, scaling?: Uint32Array): Float64Array {
  if (scaling && factor.some(overflowsHalf)) scaling[scalingWords.overflow] = 1;
  return factor.map(roundToHalf);
}

/** Words of the layout of an operation that rounds in WebAssembly: see assembly/half.ts. */
export const roundWords = {
  rounded: 'address',
  factor: 'address',
  factorReplica: 'u32',
  factorElements: 'u32',
} as const;
export const NO_FACTOR = { rounded: 0, factor: 0, factorReplica: 0, factorElements: 0 };

/** A command that rounds a factor into memory shared by the call's commands, and the location of its replicas there. */
export function roundedFactor(kernel: string, factor: Tensor, replicas: number, scratch: ShareScratch) {
  const elements = elementsPerReplica(factor);
  const rounded: WasmWord = scratch(4 * replicas * elements);
  const words = { rounded, factor: at(factor), factorReplica: factor.replicaStride, factorElements: elements };
  return { at: rounded, replicaStride: elements, command: { kernel, words, parts: partsFor(replicas * elements) } };
}
