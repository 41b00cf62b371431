/**
 * block = block * min(1, maxNorm / norm) with a separate norm for each replica, from the sum of squares computed by reduce; a
 * norm that is not finite leaves the block unchanged. The twin of shaders/clip.wgsl. A thread owns a range of every replica's
 * block.
 */
import { Clip } from '../../build/assembly/layouts';
import { PACE_UNSCALE } from '../../build/assembly/words';
import { shareOf } from '../share';

export function clip(p: Clip, thread: u32, threads: u32): void {
  const elements = p.elements;
  const limit = p.maxNorm;
  const from = shareOf(elements, thread, threads);
  const to = shareOf(elements, thread + 1, threads);
  for (let r: u32 = 0; r < p.replicas; r++) {
    const unscale: f32 = p.pace ? load<f32>(p.paceAt(r), PACE_UNSCALE) : 1;
    const norm: f32 = Mathf.sqrt(load<f32>(p.sumsAt(r), 4)) * unscale;
    if (norm - norm != 0 || !(norm > limit)) continue;
    const factor = limit / norm;
    const block = p.blockAt(r);
    for (let i = from; i < to; i++) store<f32>(block + 4 * i, load<f32>(block + 4 * i) * factor);
  }
}
