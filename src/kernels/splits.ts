import sumSource from '../../shaders/sumSplits.wgsl';
import { type Dispatch, linearGrid, read, write } from '../gpu/dispatch.js';
import { unroll } from '../gpu/unroll.js';
import type { Tensor } from '../plan/types.js';

/** The dispatch that adds partial sums [splits, R, elements] in order into `output`; overwrites it unless `accumulate`. */
export function sumSplits(
  partial: Tensor,
  output: Tensor,
  elements: number,
  splits: number,
  accumulate = false,
): Dispatch {
  const replicas = output.shape[0];
  return {
    shader: 'sumSplits',
    source: unroll(sumSource, {}),
    uniforms: [elements, replicas, splits, output.replicaStride, Number(accumulate)],
    bindings: [read(partial), write(output)],
    workgroups: linearGrid(Math.ceil((elements * replicas) / 64)),
  };
}
