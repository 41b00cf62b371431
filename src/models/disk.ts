import { InputError } from '../core/errors.js';
import type { SafeFile, SafeTensor } from '../core/safetensors.js';
import type { Program } from '../plan/types.js';
import type { ParameterSpec } from './types.js';

/** Elements of a multi-index space in row-major order. */
function* indices(shape: readonly number[]): Generator<number[]> {
  const index = shape.map(() => 0);
  const total = shape.reduce((a, b) => a * b, 1);
  for (let i = 0; i < total; i++) {
    yield index;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

/**
 * One replica's row of the parameter block as tensors in the PyTorch reference's names and shapes.
 * row: [P] (parameters, gradients or moments), offsets from the program.
 */
export function toDisk<A extends Float32Array | Float64Array>(
  parameters: readonly ParameterSpec[],
  program: Program,
  row: A,
): Map<string, { shape: readonly number[]; data: A }> {
  const tensors = new Map<string, { shape: readonly number[]; data: A }>();
  for (const parameter of parameters) {
    const { offset } = program.tensors.get(parameter.name)!;
    for (const { name, shape, at } of parameter.disk) {
      const data = new (row.constructor as new (n: number) => A)(shape.reduce((a, b) => a * b, 1));
      let i = 0;
      for (const index of indices(shape)) data[i++] = row[offset + at(index)];
      tensors.set(name, { shape, data });
    }
  }
  return tensors;
}

/** Fills a row [P] from tensors on disk. @throws InputError naming a missing tensor or both shapes. */
export function fromDisk(
  parameters: readonly ParameterSpec[],
  program: Program,
  file: SafeFile,
  row: Float32Array | Float64Array,
  prefix = '',
): void {
  for (const parameter of parameters) {
    const { offset } = program.tensors.get(parameter.name)!;
    for (const { name, shape, at } of parameter.disk) {
      const tensor = file.tensors.get(prefix + name);
      if (!tensor) throw new InputError(`weights: no tensor ${prefix}${name}; the model wants [${shape}] there`);
      if (tensor.shape.join() !== shape.join())
        throw new InputError(`weights: ${prefix}${name} is [${tensor.shape}], the model wants [${shape}]`);
      const data = numbers(tensor);
      let i = 0;
      for (const index of indices(shape)) row[offset + at(index)] = data[i++];
    }
  }
}

function numbers(tensor: SafeTensor): Float32Array | Float64Array {
  if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array) return tensor.data;
  throw new InputError(`weights: a tensor is ${tensor.dtype}; pass F32 or F64`);
}
