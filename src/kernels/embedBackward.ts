import memorySource from '../../shaders/embedBackward.wgsl';
import coreSource from '../../shaders/embedBackward_core.wgsl';
import registersSource from '../../shaders/embedBackward_registers.wgsl';
import rowsSource from '../../shaders/embedBackward_rows.wgsl';
import { ShapeError } from '../core/errors.js';
import { type AdapterTraits, type Dispatch, f32, read, type Scratch, variantOf, write } from '../gpu/dispatch.js';
import { constantLines, opaqueBounds, unroll } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/embed.js';
import { partsFor } from '../wasm/command.js';
import { type CaseShape, embedShapes } from './embed.cases.js';
import { type EmbedOptions, type EmbedParams, shaderConstants, shapeOf, valueType, wasmWords } from './embed.js';
import { productDispatch, productFits, productPays } from './embedBackwardProduct.js';
import { sumSplits } from './splits.js';
import type { HostViews, KernelCase, KernelSpec } from './types.js';

export interface EmbedBackwardOptions extends Omit<EmbedOptions, 'output' | 'weight' | 'position'> {
  output?: Tensor; // [R, B, T', w] after the ReLU; needed with relu
  dOutput: Tensor; // [R, B, T', w]
  dWeight: Tensor; // as weight
}

/** Adds the gradient of embed's weight; overwrites dWeight. The position table's gradient is a columnSum of dOutput. */
export function embedBackward(plan: PlanBuilder, o: EmbedBackwardOptions): void {
  const params = shapeOf('embedBackward', { ...o, weight: o.dWeight }, o.dOutput);
  const inputs: Record<string, Tensor> = { tokens: o.tokens, dOutput: o.dOutput };
  if (o.relu) {
    if (!o.output || elementsPerReplica(o.output) !== elementsPerReplica(o.dOutput))
      throw new ShapeError(`embedBackward (${o.label}): with relu pass output, shaped as dOutput [${o.dOutput.shape}]`);
    inputs.output = o.output;
  }
  plan.call({ op: 'embedBackward', label: o.label, inputs, outputs: { dWeight: o.dWeight }, params: { ...params } });
}

export const embedBackwardKernel: KernelSpec = {
  op: 'embedBackward',
  reference(call: Call, views: HostViews) {
    const s = call.params as unknown as EmbedParams;
    for (let r = 0; r < call.outputs.dWeight.shape[0]; r++)
      reference.embedBackward(
        s,
        s.batch,
        views.tokens.data.subarray(r * views.tokens.stride) as Uint32Array,
        views.output?.data.subarray(r * views.output.stride) as Float64Array | undefined,
        views.dOutput.data.subarray(r * views.dOutput.stride) as Float64Array,
        views.dWeight.data.subarray(r * views.dWeight.stride) as Float64Array,
      );
  },
  webgpu: lower,
  wasm(call: Call) {
    const s = call.params as unknown as EmbedParams;
    const { tokens, output, dOutput } = call.inputs;
    const weight = call.outputs.dWeight;
    const work = (weight.shape[0] * s.batch * s.windows * s.width * (s.filter + 1)) / 2;
    return [
      {
        kernel: 'embedBackward',
        words: wasmWords(s, { tokens, weight, output, dOutput }),
        parts: partsFor(work),
        threadBytes: 4 * s.width * (s.filter + 2),
      },
    ];
  },
  cost(call: Call) {
    const s = call.params as unknown as EmbedParams;
    const rows = call.outputs.dWeight.shape[0] * s.batch * s.windows * s.width;
    return { flops: 2 * rows * s.filter, bytes: 4 * rows * (s.relu ? 2 : 1) };
  },
  cases: [
    ...embedShapes.map(([name, shape]) => backwardCase(name, shape)),
    // Large enough for a GPU to take it as a product.
    backwardCase('product', {
      ...{ v: 32, width: 256, batch: 32, d: 16, windows: 8, filter: 2 },
      ...{ whitened: true, masked: 15, scale: 0.3, relu: true },
    }),
  ],
};

type Variant = 'product' | 'memory' | 'registers' | 'rows';

/**
 * Which kernel runs: the choice in `tuned` under the operation's name, else rows on the CPU, and on a GPU the first of product,
 * memory and registers that takes the shape. product: the matmul kernel with one-hot rows made from the tokens. memory: sums in
 * workgroup memory indexed by the token. registers: a product with one-hot rows for little memory. rows: sums in the result
 * itself. Two cores, 8192 windows of 512 channels, v = 16: rows compile on lavapipe in 0.4 s where registers of 2 rows take 3 s,
 * and run as fast there and nine times as fast on SwiftShader.
 */
export function embedBackwardVariant(call: Call, traits: AdapterTraits): Variant {
  const s = call.params as unknown as EmbedParams;
  const fitting: Variant[] = ['rows', 'registers'];
  if (memoryTile(s, traits)) fitting.push('memory');
  if (productFits(call, s)) fitting.push('product');
  return variantOf(traits, 'embedBackward', fitting, usualVariant(call, s, traits));
}

function usualVariant(call: Call, s: EmbedParams, traits: AdapterTraits): Variant {
  const tuned = traits.tuned?.get('embedBackward');
  if (tuned === 'rows' || tuned === 'registers') return tuned;
  if (!tuned && traits.software) return 'rows';
  if (tuned !== 'memory' && productFits(call, s) && (tuned || productPays(s))) return 'product';
  return memoryTile(s, traits) ? 'memory' : 'registers';
}

/** How embedBackward.wgsl is cut. It changes the order of sums, so it depends on one replica's shape and the adapter only. */
export interface MemoryTile {
  PARTS: number; // warps of a workgroup, each with sums of its own
  J: number; // places of the window that share one load of a row
  ROWS: number; // windows of a thread whose loads are under way at once
  TILE: number; // windows whose tokens are looked up together
  splits: number; // ranges of windows, added by sumSplits
  rowsPerSplit: number;
}

const CHANNELS = 32; // a warp reads 128 contiguous bytes of a row

/** All places of the window at once (four at most) if two parts fit; then as many parts as fit, 8 at most. */
export function memoryTile(s: EmbedParams, traits: AdapterTraits): MemoryTile | undefined {
  for (const fewest of [2, 1])
    for (let shares = Math.ceil(s.filter / 4); shares <= s.filter; shares++) {
      const J = Math.ceil(s.filter / shares);
      const TILE = J <= 2 ? 256 : 128; // tokens take 2 KiB at most
      for (const PARTS of [8, 4, 2, 1].filter((parts) => parts >= fewest)) {
        const bytes = 4 * J * (PARTS * (s.v + 3) * CHANNELS + TILE);
        if (bytes <= traits.maxWorkgroupStorageBytes && PARTS * CHANNELS <= traits.maxInvocations)
          return cut(s, { PARTS, J, TILE });
      }
    }
  return undefined;
}

/**
 * Adds the ranges of windows. They fill the GPU when one replica trains alone, but cost a second dispatch (3 us on an H200,
 * the time of 6 loads of ROWS) and partial sums, written and read: a quarter of what is read at most.
 */
function cut(s: EmbedParams, { PARTS, J, TILE }: Pick<MemoryTile, 'PARTS' | 'J' | 'TILE'>): MemoryTile {
  const rows = s.local ? s.batch : s.batch * s.windows;
  const ROWS = [16, 8].find((n) => n * PARTS <= rows) ?? 4;
  const chunk = PARTS * ROWS;
  const workgroups = Math.ceil(s.width / CHANNELS) * Math.ceil(s.filter / J) * (s.local ? s.windows : 1);
  const traffic = (rows * (s.relu ? 2 : 1)) / (8 * s.filter * s.v);
  const wanted = Math.min(64, traffic, 256 / workgroups, rows / chunk / 4);
  // A thread that adds thousands of rows one after another loses digits.
  const splits = Math.max(wanted < 3 ? 1 : Math.floor(wanted), Math.min(64, Math.ceil(rows / (1024 * PARTS))));
  const rowsPerSplit = Math.ceil(rows / splits / chunk) * chunk;
  return { PARTS, J, ROWS, TILE, splits: Math.ceil(rows / rowsPerSplit), rowsPerSplit };
}

function lower(call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const s = call.params as unknown as EmbedParams;
  const { tokens, output, dOutput, pace } = call.inputs;
  const { dWeight } = call.outputs;
  const variant = embedBackwardVariant(call, traits);
  if (variant === 'product') return [productDispatch(call, s, traits)];
  const tile = variant === 'memory' ? memoryTile(s, traits) : undefined;
  const { splits, grid, ...kernel } = tile
    ? memoryKernel(call, s, tile)
    : variant === 'rows'
      ? rowsKernel(call, s)
      : registersKernel(call, s);
  const replicas = dWeight.shape[0];
  const groups = s.local ? s.windows : 1;
  const elements = elementsPerReplica(dWeight);
  const inPlace = splits === 1 && !pace;
  const target = inPlace ? dWeight : scratch(0, [splits, replicas * elements]);
  const main: Dispatch = {
    ...kernel,
    bindings: [read(tokens), read(output), read(dOutput), write(target)],
    workgroups: [...grid, replicas * groups * splits],
  };
  return inPlace ? [main] : [main, sumSplits(target, dWeight, elements, splits, false, pace)];
}

/** Elements between the replicas of a gradient that is not split: where an update follows, it is written to scratch memory. */
function resultStride({ inputs, outputs: { dWeight } }: Call): number {
  return inputs.pace ? elementsPerReplica(dWeight) : dWeight.replicaStride;
}

/** What the two kernels differ in. grid: workgroups along the channels, and along places and symbols. */
interface Kernel extends Omit<Dispatch, 'bindings' | 'workgroups'> {
  splits: number;
  grid: readonly [number, number];
}

function memoryKernel(call: Call, s: EmbedParams, tile: MemoryTile): Kernel {
  const { tokens, output, dOutput } = call.inputs;
  const { splits, rowsPerSplit, PARTS, J, ROWS, TILE } = tile;
  return {
    shader: 'embedBackward',
    source: withConstants(memorySource, { CHANNELS, PARTS, OTHERS: PARTS - 1, J, TILE, ROWS, QUADS: ROWS / 4 }),
    uniforms: [
      ...[s.batch, s.windows, s.length, s.width],
      ...[s.filter, s.stride, s.padding, s.firstToken],
      ...[s.tokenRow, s.masked, Number(s.local), rowsPerSplit],
      ...[tokens.replicaStride, output?.replicaStride ?? 0, dOutput.replicaStride, resultStride(call)],
      ...[f32(s.scale), splits, call.outputs.dWeight.shape[0]],
    ],
    constants: { ...shaderConstants(s), SYMBOLS: s.v },
    splits,
    grid: [Math.ceil(s.width / CHANNELS), Math.ceil(s.filter / J)],
  };
}

function registersKernel(call: Call, s: EmbedParams): Kernel {
  const { lanes, prelude } = valueTypeOf(call, s);
  // A workgroup of at most 256 threads: 4 Values of channels, up to 32 symbols by eights, the rest parts of the windows.
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
    ...ranges(call, s, lanes, columns, shares),
  };
}

function rowsKernel(call: Call, s: EmbedParams): Kernel {
  const { lanes, prelude } = valueTypeOf(call, s);
  return {
    shader: 'embedBackward_rows',
    source: prelude + coreSource + rowsSource,
    constants: shaderConstants(s),
    ...ranges(call, s, lanes, Math.ceil(s.width / lanes / 64), s.filter),
  };
}

function valueTypeOf({ inputs, outputs }: Call, s: EmbedParams) {
  return valueType(s.width, [inputs.output, inputs.dOutput, outputs.dWeight]);
}

/** Ranges of windows and the uniforms of the kernels on Values. They cost a second dispatch: only for long sums or few workgroups. */
function ranges(call: Call, s: EmbedParams, lanes: number, columns: number, shares: number) {
  const { tokens, output, dOutput } = call.inputs;
  const rows = s.local ? s.batch : s.batch * s.windows;
  const groups = s.local ? s.windows : 1;
  // Depends on one replica's shape only.
  const wanted = Math.max(rows / 2048, Math.min(64 / (columns * shares * groups), rows / 512));
  const rowsPerSplit = Math.ceil(rows / Math.max(1, Math.min(64, Math.floor(wanted))));
  const splits = Math.ceil(rows / rowsPerSplit);
  return {
    uniforms: [
      ...[s.batch, s.windows, s.length, s.width / lanes],
      ...[s.v, s.filter, s.stride, s.padding],
      ...[s.firstToken, s.tokenRow, s.masked, Number(s.local)],
      ...[tokens.replicaStride, (output?.replicaStride ?? 0) / lanes, dOutput.replicaStride / lanes],
      ...[resultStride(call) / lanes, f32(s.scale), rowsPerSplit, splits, call.outputs.dWeight.shape[0]],
    ],
    splits,
    grid: [columns, shares] as const,
  };
}

/** The written-out text behind its constants. */
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
