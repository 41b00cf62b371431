/**
 * dInput [R, B, T, C] = dOutput [R, B, C] / T, 0 where the mask is not > 0; the twin of shaders/meanPositionsBackward.wgsl.
 * A thread owns sentences.
 */
import { MeanPositionsBackward } from '../../build/assembly/layouts';
import { shareOf } from '../share';

export function meanPositionsBackward(p: MeanPositionsBackward, thread: u32, threads: u32): void {
  const batch = p.batch;
  const positions = p.positions;
  const channels = p.channels;
  const count = <f32>positions;
  const counts = f32x4.splat(count);
  const zero = f32x4.splat(0);
  const all = batch * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / batch;
    const b = i % batch;
    const from = p.dOutputAt(r) + 4 * b * channels;
    let to = p.dInputAt(r) + 4 * b * positions * channels;
    let mask = p.mask;
    if (mask) mask += 4 * (r * p.maskReplica + b * positions * channels);
    for (let t: u32 = 0; t < positions; t++, to += 4 * channels) {
      let c: u32 = 0;
      for (; c + 4 <= channels; c += 4) {
        let x = f32x4.div(v128.load(from + 4 * c), counts);
        if (mask) x = v128.and(x, f32x4.gt(v128.load(mask + 4 * c), zero));
        v128.store(to + 4 * c, x);
      }
      for (; c < channels; c++) {
        const open = !mask || load<f32>(mask + 4 * c) > 0;
        store<f32>(to + 4 * c, open ? load<f32>(from + 4 * c) / count : 0);
      }
      if (mask) mask += 4 * channels;
    }
  }
}
