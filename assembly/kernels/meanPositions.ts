/**
 * output [R, B, C] = mean over T of input [R, B, T, C]; the twin of shaders/meanPositions.wgsl. A thread owns sentences.
 */
import { MeanPositions } from '../../build/assembly/layouts';
import { shareOf } from '../share';

export function meanPositions(p: MeanPositions, thread: u32, threads: u32): void {
  const batch = p.batch;
  const positions = p.positions;
  const channels = p.channels;
  const count = <f32>positions;
  const counts = f32x4.splat(count);
  const all = batch * p.replicas;
  const end = shareOf(all, thread + 1, threads);
  for (let i = shareOf(all, thread, threads); i < end; i++) {
    const r = i / batch;
    const b = i % batch;
    const input = p.inputAt(r) + 4 * b * positions * channels;
    const output = p.outputAt(r) + 4 * b * channels;
    let c: u32 = 0;
    for (; c + 4 <= channels; c += 4) {
      let from = input + 4 * c;
      let sum = f32x4.splat(0);
      for (let t: u32 = 0; t < positions; t++, from += 4 * channels) sum = f32x4.add(sum, v128.load(from));
      v128.store(output + 4 * c, f32x4.div(sum, counts));
    }
    for (; c < channels; c++) {
      let from = input + 4 * c;
      let sum: f32 = 0;
      for (let t: u32 = 0; t < positions; t++, from += 4 * channels) sum += load<f32>(from);
      store<f32>(output + 4 * c, sum / count);
    }
  }
}
