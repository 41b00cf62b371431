/**
 * out = a out + b x over flat blocks [R, P]; a term with weight 0 is not read. The twin of shaders/blend.wgsl.
 * A thread owns a range of every replica's block.
 */
import { shareOf } from '../share';

// Parameter words (src/kernels/blend.ts). Addresses in bytes, strides in elements.
const X: usize = 0;
const OUT: usize = 4;
const WEIGHTS: usize = 8; // 0: the same A and B for all replicas
const X_REPLICA: usize = 12;
const OUT_REPLICA: usize = 16;
const WEIGHTS_REPLICA: usize = 20;
const REPLICAS: usize = 24;
const QUADS: usize = 28; // a quarter of P
const WEIGHT_A: usize = 32; // f32
const WEIGHT_B: usize = 36; // f32

export function blend(p: usize, thread: u32, threads: u32): void {
  const quads = load<u32>(p, QUADS);
  const from = 16 * shareOf(quads, thread, threads);
  const to = 16 * shareOf(quads, thread + 1, threads);
  for (let r: u32 = 0; r < load<u32>(p, REPLICAS); r++) {
    let a = load<f32>(p, WEIGHT_A);
    let b = load<f32>(p, WEIGHT_B);
    if (load<u32>(p, WEIGHTS)) {
      const weights = load<u32>(p, WEIGHTS) + 4 * r * load<u32>(p, WEIGHTS_REPLICA);
      a = load<f32>(weights, 0);
      b = load<f32>(weights, 4);
    }
    if (a == 1 && b == 0) continue;
    const x = load<u32>(p, X) + 4 * r * load<u32>(p, X_REPLICA);
    const out = load<u32>(p, OUT) + 4 * r * load<u32>(p, OUT_REPLICA);
    const as = f32x4.splat(a);
    const bs = f32x4.splat(b);
    for (let at = from; at < to; at += 16) {
      let y = f32x4.splat(0);
      if (a != 0) y = f32x4.mul(as, v128.load(out + at));
      if (b != 0) y = f32x4.add(y, f32x4.mul(bs, v128.load(x + at)));
      v128.store(out + at, y);
    }
  }
}
