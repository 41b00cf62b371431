import sumSource from '../../shaders/sumSplits.wgsl';
import { type Dispatch, linearGrid, read, write } from '../gpu/dispatch.js';
import { unroll } from '../gpu/unroll.js';
import type { Tensor } from '../plan/types.js';

/**
 * The dispatch that adds partial sums [splits, R, elements] in order into `output`; overwrites it unless `accumulate`. pace:
 * takes a step of plain SGD along the sum instead (fuseUpdate.ts).
 */
export function sumSplits(
  partial: Tensor,
  output: Tensor,
  elements: number,
  splits: number,
  accumulate = false,
  pace?: Tensor,
): Dispatch {
  const replicas = output.shape[0];
  return {
    shader: 'sumSplits',
    source: unroll(sumSource, {}),
    constants: { UPDATE: Number(!!pace) },
    uniforms: [elements, replicas, splits, output.replicaStride, Number(accumulate)],
    bindings: [read(partial), write(output), read(pace)],
    workgroups: linearGrid(Math.ceil((elements * replicas) / 64)),
  };
}
