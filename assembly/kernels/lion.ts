/**
 * Lion: the sign of an interpolation of moment and gradient, decoupled weight decay; the twin of shaders/lion.wgsl.
 * A thread owns a range of every replica's block.
 */
import { Lion } from '../../build/assembly/layouts';
import {
  HYPER_ONE_MINUS_BETA1,
  HYPER_ONE_MINUS_BETA2,
  HYPER_WEIGHT_DECAY,
  PACE_RATE,
} from '../../build/assembly/words';
import { firstElement, unscaleOf } from './optimisers';

export function lion(p: Lion, thread: u32, threads: u32): void {
  const from = firstElement(p.elements, thread, threads);
  const to = firstElement(p.elements, thread + 1, threads);
  const zero = f32x4.splat(0);
  for (let r: u32 = 0; r < p.replicas; r++) {
    const unscale = unscaleOf(p.paceAt(r), p.scaled);
    if (unscale == 0) continue;
    const unscales = f32x4.splat(unscale);
    const hyper = p.hyperAt(r);
    const rate = load<f32>(p.paceAt(r), PACE_RATE);
    const keep = f32x4.splat(1 - rate * load<f32>(hyper, HYPER_WEIGHT_DECAY));
    const step = f32x4.splat(rate);
    const new1 = f32x4.splat(load<f32>(hyper, HYPER_ONE_MINUS_BETA1));
    const new2 = f32x4.splat(load<f32>(hyper, HYPER_ONE_MINUS_BETA2));
    const params = p.paramsAt(r);
    const grads = p.gradsAt(r);
    const moments = p.momentAt(r);
    for (let at: usize = 4 * from; at < 4 * to; at += 16) {
      const m = v128.load(moments + at);
      const change = f32x4.sub(f32x4.mul(v128.load(grads + at), unscales), m);
      const direction = f32x4.add(m, f32x4.mul(new1, change));
      v128.store(moments + at, f32x4.add(m, f32x4.mul(new2, change)));
      const up = v128.and(f32x4.gt(direction, zero), step);
      const down = v128.and(f32x4.lt(direction, zero), step);
      const kept = f32x4.mul(v128.load(params + at), keep);
      v128.store(params + at, f32x4.sub(kept, f32x4.sub(up, down)));
    }
  }
}
