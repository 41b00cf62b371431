import forwardSource from '../../shaders/embed.wgsl';
import coreSource from '../../shaders/embed_core.wgsl';
import memorySource from '../../shaders/embed_memory.wgsl';
import halvesSource from '../../shaders/halves.wgsl';
import { type AdapterTraits, read, variantOf, write } from '../gpu/dispatch.js';
import { constantLines, unroll } from '../gpu/unroll.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/embed.js';
import { partsFor } from '../wasm/command.js';
import { type CaseShape, embedShapes } from './shared/embed.cases.js';
import { defineOperation } from './shared/operation.js';
import { bool, f32, i32, u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';

/** The parameters of both directions. */
export const embedParams = {
  v: u32({ least: 2 }), // symbols of the vocabulary
  filter: u32({ least: 1 }), // tokens per window
  stride: u32({ optional: true, least: 1 }), // default: filter
  padding: u32({ default: 0 }),
  firstToken: u32({ default: 0 }), // first token used
  length: u32({ optional: true }), // number of tokens used; default: all from firstToken on
  masked: i32({ default: -1 }), // index of the masked token among the used ones, which is replaced by the constant vector; -1: none
  local: bool(), // a separate filter for every window
  whitened: bool(),
  scale: f32(),
  relu: bool(),
  positionInside: bool(), // added before scaling instead
  exactInputs: bool(), // the reference whitens in float64 instead of f32
};

/** weight: elements of one replica's filters. */
export const embedSizes = {
  stride: ({ stride, filter }: { stride?: number; filter: number }) => stride ?? filter,
  length: ({ length, tokenRow, firstToken }: { length?: number; tokenRow: number; firstToken: number }) =>
    length ?? tokenRow - firstToken,
  weights: (o: { local: boolean; windows: number; filter: number; v: number; width: number }) =>
    (o.local ? o.windows : 1) * o.filter * o.v * o.width,
};

/** Sizes of a call in either direction. */
export interface EmbedCall extends reference.EmbedShape {
  batch: number;
  scale: number;
}

/** Refuses windows that reach beyond the tokens. */
export function checkEmbed(
  o: Pick<EmbedCall, 'windows' | 'filter' | 'stride' | 'padding' | 'firstToken' | 'length' | 'tokenRow'>,
  refuse: (why: string) => never,
): void {
  if (o.firstToken + o.length > o.tokenRow)
    refuse(`tokens ${o.firstToken} to ${o.firstToken + o.length} of rows of ${o.tokenRow}`);
  if ((o.windows - 1) * o.stride + o.filter > o.length + 2 * o.padding)
    refuse(
      `${o.windows} windows of ${o.filter}, stride ${o.stride}, padding ${o.padding} do not fit ${o.length} tokens`,
    );
}

/** In WebAssembly: 1 / sqrt(1 - 1/v) or 1, 1/v or 0, v^-1/2. */
export const whiteningTypes = { unit: 'f32', share: 'f32', constant: 'f32' } as const;
export function whitening({ v, whitened }: { v: number; whitened: boolean }) {
  return { unit: whitened ? (1 - 1 / v) ** -0.5 : 1, share: whitened ? 1 / v : 0, constant: v ** -0.5 };
}

/**
 * The first layer: output = relu(scale * x W + position) or relu(scale * (x W + position)), where x is the one-hot (whitened or
 * not) windows of the tokens. weight is [R, filter * v, w], or [R, T', filter * v, w] when local; position [R, T', w], or [R, w]
 * for all windows. Overwrites output.
 */
export const embed = defineOperation({
  name: 'embed',
  inputs: { tokens: 'u32 R batch tokenRow', weight: 'R ...weights', position: 'R ... ?' },
  outputs: { output: 'R batch windows width' },
  params: embedParams,
  sizes: {
    ...embedSizes,
    positionRows: ({ position, width }) => (position ? Math.floor(elementsPerReplica(position) / width) : 0),
  },
  check(o, refuse) {
    const { position, positionRows: rows, windows, width } = o;
    checkEmbed(o, refuse);
    if (position && !((rows === windows || rows === 1) && rows * width === elementsPerReplica(position)))
      refuse(`position is [${position.shape}]; pass [R, ${windows}, ${width}] or [R, ${width}]`);
  },
  reference: ({ tokens, weight, position, output }, p) =>
    reference.embed(p, p.batch, tokens, weight, position, p.positionRows, output),
  webgpu(call, traits) {
    const { inputs, outputs, params: s, replicas } = call;
    const { tokens, weight, position } = inputs;
    const { output } = outputs;
    const { rows, batches } = gridOf(s, replicas);
    const { lanes, prelude, words } = valuesOf(s.width, { weight, position, output });
    const constants = { ...shaderConstants(s), POSITION_INSIDE: Number(s.positionInside) };
    const shared = {
      words,
      bind: {
        tokens,
        weight: read(weight, 'Value'),
        position: read(position, 'Value'),
        output: write(output, output.half ? 'vec2u' : 'Value'),
      },
    };
    const tile = memoryChoice(call, traits);
    if (tile) {
      const numbers = { ...tile, HALF: Number(!!output.half), FULL: Number(!output.half) };
      return [
        call.launch({
          ...shared,
          shader: 'embed_memory',
          enable: output.half ? 'f16' : undefined,
          source:
            prelude +
            coreSource +
            (output.half ? halvesSource : '') +
            constantLines(tile) +
            unroll(memorySource, numbers),
          constants: { ...constants, SYMBOLS: s.v },
          workgroups: [Math.ceil(s.width / 4 / tile.QUADS), Math.ceil(rows / tile.TILE), batches],
        }),
      ];
    }
    const columns = Math.ceil(s.width / lanes / 64);
    // With many windows per thread the column sums are reused; few windows per thread fill a GPU. No output depends on the
    // choice, nor on how many loads are TOGETHER. lavapipe takes 9 s to compile 16 rows, 1 s for 4 rows, and both run in the same
    // time.
    const ROWS = traits.software ? 4 : ([16, 8].find((n) => columns * (rows / n) * batches >= 1024) ?? 4);
    const TOGETHER = traits.software ? 2 : 8;
    return [
      call.launch({
        ...shared,
        source: prelude + coreSource + constantLines({ ROWS, TOGETHER }) + unroll(forwardSource, { ROWS, TOGETHER }),
        constants,
        workgroups: [columns, Math.ceil(rows / ROWS), batches],
      }),
    ];
  },
  wasm: {
    scratch: true,
    words: whiteningTypes,
    launch: ({ params: s, replicas }) => [
      {
        words: whitening(s),
        parts: partsFor((replicas * s.batch * s.windows * s.width * (s.filter + 2)) / 4),
        threadBytes: 4 * (s.width * (s.filter + 1) + s.filter),
      },
    ],
  },
  cost({ batch, windows, width, filter, weights }) {
    const outputs = batch * windows * width;
    return { flops: 2 * outputs * filter, bytes: 4 * (outputs + weights) };
  },
  cases: () => embedShapes.map(([name, options]) => embedCase(name, options)),
});

/** The part of a call that the choice of the kernel depends on. */
interface Choosing {
  inputs: { weight: Tensor; position?: Tensor };
  outputs: { output: Tensor };
  params: EmbedCall;
  replicas: number;
}

/** rows: windows that one workgroup row of the grid covers; batches: replicas, times windows if each has its own filter. */
function gridOf(s: EmbedCall, replicas: number) {
  return { rows: s.local ? s.batch : s.batch * s.windows, batches: replicas * (s.local ? s.windows : 1) };
}

/** The tile of embed_memory.wgsl; undefined if another kernel runs. */
function memoryChoice(
  { inputs: { weight, position }, outputs: { output }, params: s, replicas }: Choosing,
  traits: AdapterTraits,
) {
  const { rows, batches } = gridOf(s, replicas);
  const { lanes } = valuesOf(s.width, { weight, position, output });
  const tile = lanes === 4 ? memoryTile(s, rows, batches, traits) : undefined;
  const usual = traits.software ? 'rows' : 'memory';
  return tile && variantOf(traits, 'embed', ['rows', 'memory'], usual) === 'memory' ? tile : undefined;
}

/** Whether the call can store its output as f16 (shared/storedHalves.ts). */
export function storesHalves(call: Choosing, traits: AdapterTraits): boolean {
  return memoryChoice(call, traits) !== undefined;
}

/** The overrides of both shaders. */
export function shaderConstants(s: Pick<EmbedCall, 'local' | 'windows' | 'whitened' | 'relu'>): Record<string, number> {
  return { PER_SENTENCE: s.local ? 1 : s.windows, WHITENED: Number(s.whitened), RELU: Number(s.relu) };
}

/**
 * Channels are processed four at a time if every stride allows it: what a shader needs before its text, the sizes that then count
 * Values, and the tensors bound as arrays of Values.
 */
export function valuesOf(width: number, tensors: Readonly<Record<string, Tensor | undefined>>) {
  const strides = Object.entries(tensors).map(([name, t]) => [`${name}Replica`, t?.replicaStride ?? 0] as const);
  const lanes = [width, ...strides.map(([, n]) => n)].every((n) => n % 4 === 0) ? 4 : 1;
  const words = Object.fromEntries([['width', width / lanes], ...strides.map(([name, n]) => [name, n / lanes])]);
  return { lanes, prelude: `alias Value = ${lanes === 4 ? 'vec4f' : 'f32'};\n`, words };
}

/**
 * How embed_memory.wgsl is divided; no output depends on it. Undefined if the filters of 32 quads of channels do not fit, which
 * does not depend on the number of replicas: the two kernels may round differently.
 */
function memoryTile(s: EmbedCall, rows: number, batches: number, traits: AdapterTraits) {
  const [QUADS, PARTS, most] = [32, 8, 128];
  const bytes = 4 * s.filter * (4 * (s.v + 3) * QUADS + most);
  if (bytes > traits.maxWorkgroupStorageBytes || QUADS * PARTS > traits.maxInvocations) return undefined;
  const columns = Math.ceil(s.width / 4 / QUADS);
  // With many windows one reading of the filters is reused; few windows fill a GPU: four workgroups for each of 132
  // multiprocessors.
  const TILE = [most, 64].find((n) => columns * (rows / n) * batches >= 512) ?? 32;
  return { QUADS, PARTS, J: s.filter, TILE };
}

function embedCase(name: string, shape: CaseShape): KernelCase {
  const { v, width, batch, d, windows, position, ...options } = shape;
  return {
    name,
    replicas: 2,
    fill: { tokens: (_i, random) => Math.floor(random() * v) },
    // A sum of filter * (v + 1) terms of order 1, in f32.
    rtol: 2 ** -20,
    atol: 8 * options.filter * (v + 1) * 2 ** -24,
    build(plan) {
      const p = plan.program;
      embed(plan, {
        ...options,
        label: 'case',
        v,
        tokens: p.persistent('tokens', [batch, d], 'u32'),
        weight: p.persistent('weight', [(options.local ? windows : 1) * options.filter * v, width]),
        position: position ? p.persistent('position', [position, width]) : undefined,
        output: p.persistent('output', [batch, windows, width]),
      });
    },
  };
}
