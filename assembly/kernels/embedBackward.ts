/**
 * dWeight of embed, overwritten; the twin of shaders/embedBackward.wgsl. With D[j, u] the sum of dOutput over the windows
 * whose place j has token u, and E[j] over those where it is masked:
 *   dWeight[j, u] = scale * ((D[j, u] - sum_u D[j, u] / v) / sqrt(1 - 1/v) + E[j] / sqrt(v))
 * D is accumulated in dWeight itself, windows in ascending order. A thread owns a block of columns of a replica (and window, when local).
 */
import { EmbedBackward } from '../../build/assembly/layouts';
import { shareOf } from '../share';
import { clearWords } from '../words';
import { addRow, blockOf } from './embed';

/** Scratch: gradient of one window [block], E [filter, block], sum over the vocabulary [block]. */
export function embedBackward(p: EmbedBackward, thread: u32, threads: u32, scratch: usize): void {
  const width = p.width;
  const groups = p.local ? p.windows : 1;
  const block = blockOf(width, groups * p.replicas, threads);
  const blocks = (width + block - 1) / block;
  const units = blocks * groups * p.replicas;
  const end = shareOf(units, thread + 1, threads);
  for (let unit = shareOf(units, thread, threads); unit < end; unit++) {
    const from = (unit % blocks) * block;
    const group = (unit / blocks) % groups;
    backward(p, unit / blocks / groups, group, from, min(block, width - from), scratch);
  }
}

function backward(p: EmbedBackward, r: u32, group: u32, from: u32, cols: u32, scratch: usize): void {
  const width = p.width;
  const stride = 4 * width;
  const filter = p.filter;
  const windows = p.windows;
  const batch = p.batch;
  const v = p.v;
  const local = p.local != 0;
  const length = <i32>p.length;
  const masked = p.whitened ? p.masked : -1;
  const tokens = p.tokensAt(r) + 4 * p.firstToken;
  const dOutput = p.dOutputAt(r) + 4 * from;
  let output: usize = p.relu ? p.output : 0;
  if (output) output += 4 * (r * p.outputReplica + from);
  const weight = p.dWeightAt(r) + 4 * (group * filter * v * width + from);
  const firstWindow: u32 = local ? group : 0;
  const endWindow: u32 = local ? group + 1 : windows;
  const gradient = scratch;
  const maskedSums = gradient + 4 * cols;
  const totals = maskedSums + 4 * cols * filter;
  clearWords(maskedSums, cols * filter);
  for (let row: u32 = 0; row < filter * v; row++) clearWords(weight + row * stride, cols);

  for (let b: u32 = 0; b < batch; b++) {
    const sentence = tokens + 4 * b * p.tokenRow;
    for (let t = firstWindow; t < endWindow; t++) {
      const at = 4 * (b * windows + t) * width;
      let g = dOutput + at;
      if (output) {
        maskRow(g, output + at, cols, gradient);
        g = gradient;
      }
      const first = <i32>(t * p.stride) - <i32>p.padding;
      for (let j: u32 = 0; j < filter; j++) {
        const position = first + <i32>j;
        if (position < 0 || position >= length) continue;
        if (position == masked) addRow(g, cols, maskedSums + 4 * cols * j);
        else addRow(g, cols, weight + stride * (j * v + load<u32>(sentence + 4 * position)));
      }
    }
  }

  const scale = p.scale;
  const unit = scale * p.unit;
  const share = p.share;
  const constant = scale * p.constant;
  for (let j: u32 = 0; j < filter; j++) {
    const rows = weight + j * v * stride;
    clearWords(totals, cols);
    for (let u: u32 = 0; u < v; u++) addRow(rows + u * stride, cols, totals);
    for (let u: u32 = 0; u < v; u++)
      for (let c: u32 = 0; c < cols; c++) {
        const to = rows + u * stride + 4 * c;
        const centred = load<f32>(to) - share * load<f32>(totals + 4 * c);
        store<f32>(to, unit * centred + constant * load<f32>(maskedSums + 4 * (j * cols + c)));
      }
  }
}

/** to = from where y > 0, else 0. */
function maskRow(from: usize, y: usize, cols: u32, to: usize): void {
  const zero = f32x4.splat(0);
  let c: u32 = 0;
  for (; c + 4 <= cols; c += 4)
    v128.store(to + 4 * c, v128.and(v128.load(from + 4 * c), f32x4.gt(v128.load(y + 4 * c), zero)));
  for (; c < cols; c++) store<f32>(to + 4 * c, load<f32>(y + 4 * c) > 0 ? load<f32>(from + 4 * c) : 0);
}
