import memorySource from '../../shaders/embedBackward.wgsl';
import coreSource from '../../shaders/embedBackward_core.wgsl';
import registersSource from '../../shaders/embedBackward_registers.wgsl';
import rowsSource from '../../shaders/embedBackward_rows.wgsl';
import { PACE_WORDS } from '../core/clock.js';
import { type AdapterTraits, type Dispatch, read, type Scratch, variantOf, write } from '../gpu/dispatch.js';
import { constantLines, opaqueBounds, unroll } from '../gpu/unroll.js';
import { reshape } from '../plan/builder.js';
import { elementsPerReplica } from '../plan/types.js';
import * as reference from '../reference/embed.js';
import { partsFor } from '../wasm/command.js';
import { columnSum } from './columnSum.js';
import {
  checkEmbed,
  type EmbedCall,
  embed,
  embedParams,
  embedSizes,
  shaderConstants,
  valuesOf,
  whitening,
  whiteningTypes,
} from './embed.js';
import { type CaseShape, embedShapes } from './shared/embed.cases.js';
import { type BackwardCall, productDispatch, productFits, productPays } from './shared/embedBackwardProduct.js';
import { defineOperation, gradientOf, type Launch } from './shared/operation.js';
import { bool } from './shared/params.js';
import { sumSplits } from './shared/splits.js';
import type { KernelCase } from './shared/types.js';

/**
 * Gradient of embed's weight; overwrites dWeight, which has the shape of weight. The position table's gradient is a columnSum of
 * dOutput. output: after the ReLU; needed with relu.
 */
export const embedBackward = defineOperation({
  name: 'embedBackward',
  inputs: {
    tokens: 'u32 R batch tokenRow',
    dOutput: 'R batch windows width',
    output: 'R batch windows width ?',
    pace: `R ${PACE_WORDS} ?`, // take a step of plain SGD along the gradient instead (shared/fuseUpdate.ts)
  },
  outputs: { dWeight: 'R ...weights' },
  params: { ...embedParams, scaled: bool() }, // scaled: pace unscales
  sizes: embedSizes,
  check(o, refuse) {
    checkEmbed(o, refuse);
    if (o.relu && !o.output) refuse(`output is missing; with relu pass it, shaped as dOutput [${o.dOutput.shape}]`);
  },
  reference: ({ tokens, output, dOutput, dWeight }, p) =>
    reference.embedBackward(p, p.batch, tokens, p.relu ? output : undefined, dOutput, dWeight),
  webgpu: lower,
  wasm: {
    scratch: true,
    words: whiteningTypes,
    launch: ({ params: s, replicas }) => [
      {
        words: whitening(s),
        parts: partsFor((replicas * s.batch * s.windows * s.width * (s.filter + 1)) / 2),
        threadBytes: 4 * s.width * (s.filter + 2),
      },
    ],
  },
  cost({ batch, windows, width, filter, relu }) {
    const rows = batch * windows * width;
    return { flops: 2 * rows * filter, bytes: 4 * rows * (relu ? 2 : 1) };
  },
  cases: () => [
    ...embedShapes.map(([name, shape]) => backwardCase(name, shape)),
    // Large enough for a GPU to compute it as a product.
    backwardCase('product', {
      ...{ v: 32, width: 256, batch: 32, d: 16, windows: 8, filter: 2 },
      ...{ whitened: true, masked: 15, scale: 0.3, relu: true },
    }),
  ],
});

gradientOf(embed, ({ label, inputs: { tokens, weight, position }, outputs: { output }, params: p }, pass) => {
  if (pass.wants(position)) {
    const columns = elementsPerReplica(position);
    pass.add({
      input: position,
      accumulates: true,
      write: ({ tensor, accumulate }) =>
        columnSum(pass.plan, {
          label: `${position.name} gradient`,
          input: reshape(pass.of(output), [(p.batch * p.windows * p.width) / columns, columns]),
          output: reshape(tensor, [columns]),
          scale: p.positionInside ? p.scale : 1,
          accumulate,
        }),
    });
  }
  const { v, filter, stride, padding, firstToken, length, masked, local, whitened, scale } = p;
  pass.add({
    input: weight,
    write: ({ tensor: dWeight }) =>
      embedBackward(pass.plan, {
        ...{ v, filter, stride, padding, firstToken, length, masked, local, whitened, scale },
        ...{ label: `${label} gradient`, tokens, dOutput: pass.of(output), dWeight },
      }),
  });
});

type Variant = 'product' | 'memory' | 'registers' | 'rows';

/**
 * Which kernel runs: the choice in `tuned` under the operation's name, otherwise rows on the CPU, and on a GPU the first of
 * product, memory and registers that supports the shape. product: the matmul kernel with one-hot rows made from the tokens.
 * memory: sums in workgroup memory indexed by the token. registers: a product with one-hot rows for little memory. rows: sums in
 * the result itself. Two cores, 8192 windows of 512 channels, v = 16: rows compile on lavapipe in 0.4 s while registers of 2 rows
 * take 3 s, and run as fast there and nine times as fast on SwiftShader.
 */
export function embedBackwardVariant(call: BackwardCall, traits: AdapterTraits): Variant {
  const fitting: Variant[] = ['rows', 'registers'];
  if (memoryTile(call.params, traits)) fitting.push('memory');
  if (productFits(call)) fitting.push('product');
  return variantOf(traits, 'embedBackward', fitting, usualVariant(call, traits));
}

function usualVariant(call: BackwardCall, traits: AdapterTraits): Variant {
  const tuned = traits.tuned?.get('embedBackward');
  if (tuned === 'rows' || tuned === 'registers') return tuned;
  if (!tuned && traits.software) return 'rows';
  if (tuned !== 'memory' && productFits(call) && (tuned || productPays(call.params))) return 'product';
  return memoryTile(call.params, traits) ? 'memory' : 'registers';
}

/** How embedBackward.wgsl is divided. This changes the order of sums, so it depends only on one replica's shape and the adapter. */
export interface MemoryTile {
  PARTS: number; // warps of a workgroup, each with separate sums
  J: number; // places of the window that use one load of a row together
  ROWS: number; // windows of a thread whose loads are in flight at once
  TILE: number; // windows whose tokens are looked up together
  splits: number; // ranges of windows, added by sumSplits
  rowsPerSplit: number;
}

const CHANNELS = 32; // a warp reads 128 contiguous bytes of a row

/** All places of the window at once (at most four) if two parts fit; then as many parts as fit, at most 8. */
export function memoryTile(s: EmbedCall, traits: AdapterTraits): MemoryTile | undefined {
  for (const fewest of [2, 1])
    for (let shares = Math.ceil(s.filter / 4); shares <= s.filter; shares++) {
      const J = Math.ceil(s.filter / shares);
      const TILE = J <= 2 ? 256 : 128; // tokens take at most 2 KiB
      for (const PARTS of [8, 4, 2, 1].filter((parts) => parts >= fewest)) {
        const bytes = 4 * J * (PARTS * (s.v + 3) * CHANNELS + TILE);
        if (bytes <= traits.maxWorkgroupStorageBytes && PARTS * CHANNELS <= traits.maxInvocations)
          return cut(s, { PARTS, J, TILE });
      }
    }
  return undefined;
}

/**
 * Number of ranges of windows, which are added up. They fill the GPU when one replica trains alone, but cost a second dispatch (3
 * us on an H200, the time of 6 loads of ROWS) and partial sums, written and read: at most a quarter of the data read.
 */
function cut(s: EmbedCall, { PARTS, J, TILE }: Pick<MemoryTile, 'PARTS' | 'J' | 'TILE'>): MemoryTile {
  const rows = s.local ? s.batch : s.batch * s.windows;
  const ROWS = [16, 8].find((n) => n * PARTS <= rows) ?? 4;
  const chunk = PARTS * ROWS;
  const workgroups = Math.ceil(s.width / CHANNELS) * Math.ceil(s.filter / J) * (s.local ? s.windows : 1);
  const traffic = (rows * (s.relu ? 2 : 1)) / (8 * s.filter * s.v);
  const wanted = Math.min(64, traffic, 256 / workgroups, rows / chunk / 4);
  // A thread that adds thousands of rows one after another loses precision.
  const splits = Math.max(wanted < 3 ? 1 : Math.floor(wanted), Math.min(64, Math.ceil(rows / (1024 * PARTS))));
  const rowsPerSplit = Math.ceil(rows / splits / chunk) * chunk;
  return { PARTS, J, ROWS, TILE, splits: Math.ceil(rows / rowsPerSplit), rowsPerSplit };
}

function lower(call: BackwardCall, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const { params: s, replicas } = call;
  const { tokens, output, dOutput, pace } = call.inputs;
  const { dWeight } = call.outputs;
  const variant = embedBackwardVariant(call, traits);
  if (variant === 'product') return [productDispatch(call, traits)];
  const tile = variant === 'memory' ? memoryTile(s, traits) : undefined;
  const { splits, grid, type, ...kernel } = tile
    ? memoryKernel(s, tile)
    : variant === 'rows'
      ? rowsKernel(call)
      : registersKernel(call);
  const groups = s.local ? s.windows : 1;
  const elements = elementsPerReplica(dWeight);
  const inPlace = splits === 1 && !pace;
  const target = inPlace ? dWeight : scratch(0, [splits, replicas * elements]);
  // Elements between the replicas of a gradient that is not split: if an update follows, it is written to scratch memory.
  const dWeightReplica = pace ? elements : dWeight.replicaStride;
  const main = call.launch({
    ...kernel,
    words: { dWeightReplica, ...kernel.words, splits },
    bind: { tokens, output: read(output, type), dOutput: read(dOutput, type), dWeight: write(target, type) },
    workgroups: [...grid, replicas * groups * splits],
  });
  return inPlace ? [main] : [main, sumSplits(target, dWeight, elements, splits, false, pace, s.scaled)];
}

/** The differences between the kernels. type: of the elements; grid: workgroups along the channels, and along places and symbols. */
interface Kernel extends Omit<Launch, 'bind' | 'workgroups'> {
  type: string;
  splits: number;
  grid: readonly [number, number];
}

function memoryKernel(s: EmbedCall, tile: MemoryTile): Kernel {
  const { splits, rowsPerSplit, PARTS, J, ROWS, TILE } = tile;
  return {
    shader: 'embedBackward',
    source: withConstants(memorySource, { CHANNELS, PARTS, OTHERS: PARTS - 1, J, TILE, ROWS, QUADS: ROWS / 4 }),
    words: { rowsPerSplit },
    constants: { ...shaderConstants(s), SYMBOLS: s.v },
    type: 'f32',
    splits,
    grid: [Math.ceil(s.width / CHANNELS), Math.ceil(s.filter / J)],
  };
}

function registersKernel(call: BackwardCall): Kernel {
  const { params: s } = call;
  const { lanes, prelude, words } = valuesOfCall(call);
  // A workgroup of at most 256 threads: 4 Values of channels, up to 32 symbols in groups of eight, the rest parts of the windows.
  const QUADS = 4;
  const PAIRS = Math.min(4, Math.ceil(s.v / 2));
  const SPANS = [1, 2, 4].find((spans) => spans * PAIRS * 2 >= s.v) ?? 4;
  const constants = { QUADS, PARTS: 256 / (QUADS * SPANS), PAIRS, PAIRS_AND_SPARE: PAIRS + 1, SPANS, ROWS: 8 };
  const columns = Math.ceil(s.width / lanes / QUADS);
  const shares = s.filter * Math.ceil(s.v / (SPANS * PAIRS * 2));
  return {
    shader: 'embedBackward_registers',
    source: prelude + coreSource + opaqueBounds(true, 'p.v') + withConstants(registersSource, constants),
    constants: shaderConstants(s),
    ...ranges(s, words, columns, shares),
  };
}

function rowsKernel(call: BackwardCall): Kernel {
  const { params: s } = call;
  const { lanes, prelude, words } = valuesOfCall(call);
  return {
    shader: 'embedBackward_rows',
    source: prelude + coreSource + rowsSource,
    constants: shaderConstants(s),
    ...ranges(s, words, Math.ceil(s.width / lanes / 64), s.filter),
  };
}

function valuesOfCall({ inputs, outputs, params }: BackwardCall) {
  const { lanes, prelude, words } = valuesOf(params.width, {
    output: inputs.output,
    dOutput: inputs.dOutput,
    dWeight: outputs.dWeight,
  });
  const stride = inputs.pace ? elementsPerReplica(outputs.dWeight) : outputs.dWeight.replicaStride;
  return { lanes, prelude, words: { ...words, dWeightReplica: stride / lanes } };
}

/**
 * Ranges of windows for the kernels on Values. They cost a second dispatch, so they are used only for long sums or few
 * workgroups.
 */
function ranges(s: EmbedCall, words: Readonly<Record<string, number>>, columns: number, shares: number) {
  const rows = s.local ? s.batch : s.batch * s.windows;
  const groups = s.local ? s.windows : 1;
  // Depends only on one replica's shape.
  const wanted = Math.max(rows / 2048, Math.min(64 / (columns * shares * groups), rows / 512));
  const rowsPerSplit = Math.ceil(rows / Math.max(1, Math.min(64, Math.floor(wanted))));
  const splits = Math.ceil(rows / rowsPerSplit);
  return { words: { ...words, rowsPerSplit }, type: 'Value', splits, grid: [columns, shares] as const };
}

/** The unrolled text after its constants. */
function withConstants(source: string, constants: Readonly<Record<string, number>>): string {
  return constantLines(constants) + unroll(source, constants);
}

/** A case of this shape; tokens within the vocabulary. */
export function backwardCase(name: string, shape: CaseShape): KernelCase {
  const { v, width, batch, d, windows, position: _, ...options } = shape;
  const rows = batch * windows;
  return {
    name,
    replicas: 2,
    fill: { tokens: (_i, random) => Math.floor(random() * v) },
    // Sums over all windows in f32; the whitening subtracts a mean of the same order.
    rtol: 2 ** -20,
    atol: 8 * rows * options.filter * 2 ** -24,
    build(plan) {
      const p = plan.program;
      embedBackward(plan, {
        ...options,
        label: 'case',
        v,
        tokens: p.persistent('tokens', [batch, d], 'u32'),
        output: options.relu ? p.persistent('output', [batch, windows, width]) : undefined,
        dOutput: p.persistent('dOutput', [batch, windows, width]),
        dWeight: p.persistent('dWeight', [(options.local ? windows : 1) * options.filter * v, width]),
      });
    },
  };
}
