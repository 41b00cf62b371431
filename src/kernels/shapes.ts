import { ShapeError } from '../core/errors.js';
import type { DType, Tensor } from '../plan/types.js';

/** Throws a ShapeError naming the operation, the tensor and both shapes unless the tensor is [...shape] of dtype. */
export function expectShape(
  op: string,
  label: string,
  name: string,
  tensor: Tensor,
  shape: readonly number[],
  dtype: DType = 'f32',
): void {
  if (tensor.dtype !== dtype) throw new ShapeError(`${op} (${label}): ${name} is ${tensor.dtype}; pass ${dtype}`);
  if (tensor.shape.length !== shape.length || !tensor.shape.every((n, i) => n === shape[i]))
    throw new ShapeError(`${op} (${label}): ${name} is [${tensor.shape}]; pass [${shape}]`);
}

/** Throws unless the tensor has this many dimensions, the replica's included. `wanted` spells them out. */
export function expectRank(op: string, label: string, name: string, tensor: Tensor, wanted: string): void {
  if (tensor.shape.length !== wanted.split(',').length || !tensor.shape.every((n) => n >= 1))
    throw new ShapeError(`${op} (${label}): ${name} is [${tensor.shape}]; pass [${wanted}], no dimension 0`);
}

/** Throws unless each value is a whole number >= least. */
export function expectWhole(op: string, label: string, values: Readonly<Record<string, number>>, least = 1): void {
  for (const [name, value] of Object.entries(values))
    if (!(Number.isInteger(value) && value >= least))
      throw new ShapeError(`${op} (${label}): ${name} = ${value}; pass a whole number >= ${least}`);
}
