import { product } from './builder.js';
import { elementsPerReplica, type Tensor } from './types.js';

/** Matrices inside one replica of a tensor; strides in elements. */
export interface Region {
  offset: number;
  row: number;
  group: number;
  rows: number;
  columns: number;
  groups: number;
}

/** Whether a region is the whole tensor. */
export function covers({ offset, row, group, rows, columns, groups }: Region, tensor: Tensor): boolean {
  const dense = offset === 0 && groups * rows * columns === elementsPerReplica(tensor);
  const byGroups = row === columns && (groups === 1 || group === rows * columns);
  const byRows = row === groups * columns && group === columns;
  return dense && (byGroups || byRows || (rows === 1 && (groups === 1 || group === columns)));
}

/** Whether the regions cover every element exactly once. */
export function coveredOnce(tensor: Tensor, regions: readonly Region[]): boolean {
  const times = new Uint8Array(product(tensor.shape.slice(1)));
  for (const { offset, row, group, rows, columns, groups } of regions)
    for (let g = 0; g < groups; g++)
      for (let i = 0; i < rows; i++) {
        const start = offset + g * group + i * row;
        for (let j = start; j < start + columns; j++) times[j]++;
      }
  return times.every((n) => n === 1);
}
