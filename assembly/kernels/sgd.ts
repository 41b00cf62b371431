/**
 * velocity = momentum * velocity + grad + decay * param;  param -= rate * velocity. The twin of shaders/sgd.wgsl.
 * A thread owns a range of every replica's block.
 */
import { Sgd } from '../../build/assembly/layouts';
import { HYPER_MOMENTUM, HYPER_WEIGHT_DECAY, PACE_RATE } from '../../build/assembly/words';
import { madd } from '../madd';
import { firstElement, unscaleOf } from './optimisers';

export function sgd(p: Sgd, thread: u32, threads: u32): void {
  const from = firstElement(p.elements, thread, threads);
  const to = firstElement(p.elements, thread + 1, threads);
  for (let r: u32 = 0; r < p.replicas; r++) {
    const unscale = unscaleOf(p.paceAt(r), p.scaled);
    if (unscale == 0) continue;
    const unscales = f32x4.splat(unscale);
    const momentum = f32x4.splat(load<f32>(p.hyperAt(r), HYPER_MOMENTUM));
    const decay = f32x4.splat(load<f32>(p.hyperAt(r), HYPER_WEIGHT_DECAY));
    const step = f32x4.splat(-load<f32>(p.paceAt(r), PACE_RATE));
    const params = p.paramsAt(r);
    const grads = p.gradsAt(r);
    const velocities = p.velocityAt(r);
    for (let at: usize = 4 * from; at < 4 * to; at += 16) {
      const x = v128.load(params + at);
      const kept = madd(momentum, v128.load(velocities + at), f32x4.mul(v128.load(grads + at), unscales));
      const velocity = madd(decay, x, kept);
      v128.store(velocities + at, velocity);
      v128.store(params + at, madd(step, velocity, x));
    }
  }
}
