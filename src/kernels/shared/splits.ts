import sumSource from '../../../shaders/sumSplits.wgsl';
import { type Dispatch, dispatchOf, linearGrid, namedWords, read, write } from '../../gpu/dispatch.js';
import { unroll } from '../../gpu/unroll.js';
import type { Tensor } from '../../plan/types.js';
import { pace as paceNames, wordConstants } from './words.js';

/**
 * Ranges of rows whose sums over a column are computed separately. They depend only on one replica's shape, so that its bits do not depend
 * on its neighbours.
 */
export function rowSplits(rows: number): { rowsPerSplit: number; splits: number } {
  const rowsPerSplit = Math.max(32, Math.ceil(rows / 128));
  return { rowsPerSplit, splits: Math.ceil(rows / rowsPerSplit) };
}

/**
 * The dispatch that adds partial sums [splits, R, elements] in order into `output`; overwrites it unless `accumulate`. pace: take
 * a step of plain SGD along the sum instead (fuseUpdate.ts).
 */
export function sumSplits(
  partial: Tensor,
  output: Tensor,
  elements: number,
  splits: number,
  accumulate = false,
  pace?: Tensor,
  scaled = false,
): Dispatch {
  const replicas = output.shape[0];
  return dispatchOf({
    shader: 'sumSplits',
    source: wordConstants(paceNames) + unroll(sumSource, {}),
    constants: { UPDATE: Number(!!pace), SCALED: Number(scaled && !!pace) },
    words: namedWords({
      ...{ elements, replicas, splits, outputReplica: output.replicaStride },
      accumulate: Number(accumulate),
    }),
    bind: { partial: read(partial), output: write(output), pace: read(pace) },
    workgroups: linearGrid(Math.ceil((elements * replicas) / 64)),
  });
}
