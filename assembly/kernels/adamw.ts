/**
 * Decoupled weight decay, then Adam with bias correction, epsilon outside the root; the twin of shaders/adamw.wgsl.
 * A thread owns a range of every replica's block.
 */
import { Adamw } from '../../build/assembly/layouts';
import {
  HYPER_EPSILON,
  HYPER_ONE_MINUS_BETA1,
  HYPER_ONE_MINUS_BETA2,
  HYPER_WEIGHT_DECAY,
  PACE_CORRECTION1,
  PACE_CORRECTION2,
  PACE_RATE,
} from '../../build/assembly/words';
import { firstElement, unscaleOf } from './optimisers';

export function adamw(p: Adamw, thread: u32, threads: u32): void {
  const from = firstElement(p.elements, thread, threads);
  const to = firstElement(p.elements, thread + 1, threads);
  for (let r: u32 = 0; r < p.replicas; r++) {
    const unscale = unscaleOf(p.paceAt(r), p.scaled);
    if (unscale == 0) continue;
    const unscales = f32x4.splat(unscale);
    const hyper = p.hyperAt(r);
    const pace = p.paceAt(r);
    const rate = load<f32>(pace, PACE_RATE);
    const keep = f32x4.splat(1 - rate * load<f32>(hyper, HYPER_WEIGHT_DECAY));
    const step = f32x4.splat(rate / load<f32>(pace, PACE_CORRECTION1));
    const correction2 = f32x4.splat(load<f32>(pace, PACE_CORRECTION2));
    const epsilon = f32x4.splat(load<f32>(hyper, HYPER_EPSILON));
    const new1 = f32x4.splat(load<f32>(hyper, HYPER_ONE_MINUS_BETA1));
    const new2 = f32x4.splat(load<f32>(hyper, HYPER_ONE_MINUS_BETA2));
    const params = p.paramsAt(r);
    const grads = p.gradsAt(r);
    const moments1 = p.moment1At(r);
    const moments2 = p.moment2At(r);
    for (let at: usize = 4 * from; at < 4 * to; at += 16) {
      const g = f32x4.mul(v128.load(grads + at), unscales);
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
