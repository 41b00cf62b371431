/**
 * Decoupled weight decay, then Adam with bias correction, epsilon outside the root; the twin of shaders/adamw.wgsl.
 * A thread owns a range of every replica's block.
 */
import {
  CORRECTION1,
  CORRECTION2,
  ELEMENTS,
  EPSILON,
  firstElement,
  GRADS,
  hyperOf,
  ONE_MINUS_BETA1,
  ONE_MINUS_BETA2,
  PARAMS,
  paceOf,
  RATE,
  REPLICAS,
  STATE1,
  STATE2,
  WEIGHT_DECAY,
} from './optimisers';

export function adamw(p: usize, thread: u32, threads: u32): void {
  const from = firstElement(p, thread, threads);
  const to = firstElement(p, thread + 1, threads);
  const elements = load<u32>(p, ELEMENTS);
  for (let r: u32 = 0; r < load<u32>(p, REPLICAS); r++) {
    const hyper = hyperOf(p, r);
    const pace = paceOf(p, r);
    const rate = load<f32>(pace, RATE);
    const keep = f32x4.splat(1 - rate * load<f32>(hyper, WEIGHT_DECAY));
    const step = f32x4.splat(rate / load<f32>(pace, CORRECTION1));
    const correction2 = f32x4.splat(load<f32>(pace, CORRECTION2));
    const epsilon = f32x4.splat(load<f32>(hyper, EPSILON));
    const new1 = f32x4.splat(load<f32>(hyper, ONE_MINUS_BETA1));
    const new2 = f32x4.splat(load<f32>(hyper, ONE_MINUS_BETA2));
    const row = 4 * r * elements;
    const params = load<u32>(p, PARAMS) + row;
    const grads = load<u32>(p, GRADS) + row;
    const moments1 = load<u32>(p, STATE1) + row;
    const moments2 = load<u32>(p, STATE2) + row;
    for (let at: usize = 4 * from; at < 4 * to; at += 16) {
      const g = v128.load(grads + at);
      let m = v128.load(moments1 + at);
      let v = v128.load(moments2 + at);
      m = f32x4.add(m, f32x4.mul(new1, f32x4.sub(g, m)));
      v = f32x4.add(v, f32x4.mul(new2, f32x4.sub(f32x4.mul(g, g), v)));
      v128.store(moments1 + at, m);
      v128.store(moments2 + at, v);
      const root = f32x4.add(f32x4.sqrt(f32x4.div(v, correction2)), epsilon);
      const change = f32x4.mul(step, f32x4.div(m, root));
      v128.store(params + at, f32x4.sub(f32x4.mul(v128.load(params + at), keep), change));
    }
  }
}
