/**
 * velocity = momentum * velocity + grad + decay * param;  param -= rate * velocity. The twin of shaders/sgd.wgsl.
 * A thread owns a range of every replica's block.
 */
import {
  ELEMENTS,
  firstElement,
  GRADS,
  hyperOf,
  MOMENTUM,
  PARAMS,
  paceOf,
  RATE,
  REPLICAS,
  STATE1,
  WEIGHT_DECAY,
} from './optimisers';

export function sgd(p: usize, thread: u32, threads: u32): void {
  const from = firstElement(p, thread, threads);
  const to = firstElement(p, thread + 1, threads);
  const elements = load<u32>(p, ELEMENTS);
  for (let r: u32 = 0; r < load<u32>(p, REPLICAS); r++) {
    const momentum = f32x4.splat(load<f32>(hyperOf(p, r), MOMENTUM));
    const decay = f32x4.splat(load<f32>(hyperOf(p, r), WEIGHT_DECAY));
    const rate = f32x4.splat(load<f32>(paceOf(p, r), RATE));
    const row = 4 * r * elements;
    const params = load<u32>(p, PARAMS) + row;
    const grads = load<u32>(p, GRADS) + row;
    const velocities = load<u32>(p, STATE1) + row;
    for (let at: usize = 4 * from; at < 4 * to; at += 16) {
      const x = v128.load(params + at);
      const kept = f32x4.add(f32x4.mul(momentum, v128.load(velocities + at)), v128.load(grads + at));
      const velocity = f32x4.add(kept, f32x4.mul(decay, x));
      v128.store(velocities + at, velocity);
      v128.store(params + at, f32x4.sub(x, f32x4.mul(rate, velocity)));
    }
  }
}
