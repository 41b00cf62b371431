/** Access to the hidden layers in the training program: a plan that leaves their activations in separate buffers. */
import type { Experiment } from '../../core/experiment.js';
import { blend } from '../../kernels/blend.js';
import { addTestBatch, declareClock } from '../../measures/batch.js';
import type { MeasureContext } from '../../models/measure.js';
import { declare, type Model, type ModelShape } from '../../models/types.js';
import { ProgramBuilder } from '../../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../../plan/types.js';

export interface HiddenLayer {
  name: string;
  positions: number;
  units: number;
  tensor: Tensor; // [R, B, positions, units]
  spans: Span[]; // tokens below each position, in the whole sentence
}

/** Tokens [start, end). */
export interface Span {
  start: number;
  end: number;
}

export interface AttentionLayer {
  layer: number; // from 0
  qkv: Tensor; // [R, sentences, T, 3C]
  heads: number;
  scale: number;
  queries: number; // T, or 1: only the last one
}

export interface Probe {
  plan: string;
  replicas: number; // R
  batch: number; // B, sentences
  layers: HiddenLayer[];
  attention: AttentionLayer[];
  symbols: Tensor; // u32 [R, B, nodes], above the tokens
  tokens: Tensor; // u32 [R, B, d]
  first?: Tensor; // [R, ...], weights of the first layer if it is a convolution
}

const ELEMENTS = 2 ** 18; // maximum for one layer: reading it must be cheap
const ATTENTION_SENTENCES = 16; // number of sentences over which a map is averaged

/** Adds the plan `view` over the first sentences of the test set. */
export function addProbe(context: MeasureContext, kind: Experiment['model']['kind']): Probe {
  const { builder, model, shape } = context;
  const { d, s } = shape;
  const widest = Math.max(1, ...sizesOf(model, d).map((h) => h.positions * h.units));
  // A multiple of 64, so that each replica begins at an offset that a GPU can bind.
  const batch = 64 * Math.floor(Math.max(128, Math.min(512, ELEMENTS / widest)) / 64);
  const plan = builder.plan('view');
  const tokens = builder.persistent('view/tokens', [batch, d], 'u32');
  const symbols = builder.persistent('view/symbols', [batch, (d - 1) / (s - 1)], 'u32');
  const seen = addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, 'view') });
  const { hidden } = model.forward(plan, { tokens: seen, batch, training: false });
  const keep = (name: string, from: Tensor, size: readonly number[]): Tensor => {
    const out = builder.persistent(`view/${name}`, size);
    const x = { ...from, shape: [out.shape[0], elementsPerReplica(out)] };
    blend(plan, { label: name, x, out, weights: { a: 0, b: 1 } });
    return out;
  };
  const calls = plan.calls.filter((call) => call.op === 'attention');
  const layers = hidden.map(({ name, activation, positions, units }) => ({
    name,
    positions,
    units,
    tensor: keep(name, activation, [batch, positions, units]),
    spans: spansOf(shape, positions, calls.length > 0),
  }));
  const attention = calls.map((call, layer) => {
    const { qkv } = call.inputs;
    const [, , T, width] = qkv.shape;
    const kept = keep(`qkv.${layer}`, qkv, [ATTENTION_SENTENCES, T, width]);
    const { heads, scale } = call.params as { heads: number; scale: number };
    return { layer, qkv: kept, heads, scale, queries: call.outputs.out.shape[2] };
  });
  return {
    plan: plan.name,
    replicas: tokens.shape[0],
    batch,
    layers,
    attention,
    symbols,
    tokens,
    first: kind === 'hcnn' ? builder.parameter('hidden.0') : undefined,
  };
}

/** One replica of a tensor that has a buffer. */
export function ofReplica(tensor: Tensor, replica: number): Tensor {
  const offset = tensor.offset + replica * tensor.replicaStride;
  return { ...tensor, offset, shape: [1, ...tensor.shape.slice(1)] };
}

/** Attention keeps one position per token, and in its last layer only the last one; a convolution merges positions. */
function spansOf({ d, firstToken, length }: ModelShape, positions: number, attends: boolean): Span[] {
  if (attends && positions === 1) return [{ start: d - 1, end: d }];
  const size = length / positions;
  const at = (p: number) => firstToken + Math.floor(p * size);
  return Array.from({ length: positions }, (_, p) => ({ start: at(p), end: at(p + 1) }));
}

/**
 * Position of the node to which a span belongs, at a level counted from the leaves. If the span contains several: the last but
 * one, which is where the measures of representation change a symbol.
 */
export function nodeOver(s: number, level: number, { start, end }: Span): number {
  const [first, last] = [Math.floor(start / s ** level), Math.floor((end - 1) / s ** level)];
  return first < last ? last - 1 : first;
}

/** The hidden layers of a model, from a plan that is then discarded. */
function sizesOf(model: Model, d: number): { positions: number; units: number }[] {
  const builder = new ProgramBuilder(1);
  declare(builder, model.parameters);
  const tokens = builder.persistent('tokens', [1, d], 'u32');
  return model.forward(builder.plan('sizes'), { tokens, batch: 1, training: false }).hidden;
}

/**
 * Attention, [queries, T]: softmax(scale q k^T). qkv: of one replica. only: one head or one of the sentences; default: the mean over
 * all of them.
 */
export function attentionMap(
  { qkv, heads, scale, queries }: AttentionLayer,
  data: Float32Array,
  only: { head?: number; sentence?: number } = {},
): Float32Array {
  const { head: oneHead = -1, sentence = -1 } = only;
  const [, sentences, T, width] = qkv.shape;
  const C = width / 3;
  const D = C / heads;
  const map = new Float32Array(queries * T);
  const scores = new Float64Array(T);
  const range = (one: number, count: number) => (one >= 0 && one < count ? [one] : [...Array(count).keys()]);
  const [chosenSentences, chosenHeads] = [range(sentence, sentences), range(oneHead, heads)];
  const share = 1 / (chosenSentences.length * chosenHeads.length);
  for (const b of chosenSentences)
    for (const head of chosenHeads)
      for (let i = 0; i < queries; i++) {
        const q = (b * T + (queries === 1 ? T - 1 : i)) * width + head * D;
        for (let j = 0; j < T; j++) {
          const k = (b * T + j) * width + C + head * D;
          let dot = 0;
          for (let u = 0; u < D; u++) dot += data[q + u] * data[k + u];
          scores[j] = scale * dot;
        }
        const top = Math.max(...scores);
        let sum = 0;
        for (let j = 0; j < T; j++) sum += scores[j] = Math.exp(scores[j] - top);
        for (let j = 0; j < T; j++) map[i * T + j] += (share * scores[j]) / sum;
      }
  return map;
}
