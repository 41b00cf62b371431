/**
 * out = a out + b x over flat blocks [R, P], or with relu its positive part; a term with weight 0 is not read. The twin of shaders/blend.wgsl.
 * A thread owns a range of every replica's block.
 */
import { Blend } from '../../build/assembly/layouts';
import { shareOf } from '../share';

export function blend(p: Blend, thread: u32, threads: u32): void {
  const quads = p.elements / 4;
  const from = 16 * shareOf(quads, thread, threads);
  const to = 16 * shareOf(quads, thread + 1, threads);
  for (let r: u32 = 0; r < p.replicas; r++) {
    let a = p.a;
    let b = p.b;
    if (p.weights) {
      const weights = p.weightsAt(r);
      a = load<f32>(weights, 0);
      b = load<f32>(weights, 4);
    }
    const relu = p.relu != 0;
    if (a == 1 && b == 0 && !relu) continue;
    const x = p.xAt(r);
    const out = p.outAt(r);
    const as = f32x4.splat(a);
    const bs = f32x4.splat(b);
    for (let at = from; at < to; at += 16) {
      let y = f32x4.splat(0);
      if (a != 0) y = f32x4.mul(as, v128.load(out + at));
      if (b != 0) y = f32x4.add(y, f32x4.mul(bs, v128.load(x + at)));
      if (relu) y = f32x4.max(y, f32x4.splat(0));
      v128.store(out + at, y);
    }
  }
}
