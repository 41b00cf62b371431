/**
 * The recording that the page plays: networks on one grammar, each trained on P distinct sentences, for many P. One safetensors file,
 * with its texts as JSON in the metadata.
 */
import { checkSeed, show } from '../core/check.js';
import { DamageError } from '../core/errors.js';
import { parseJson } from '../core/outside.js';
import { checkShape, type GrammarShape, sentenceLength } from '../core/rules.js';
import { decodeSafetensors, encodeSafetensors, type SafeArray, type SafeDType } from '../core/safetensors.js';

export type RecordedFamily = 'cnn' | 'transformer';
export const recordedFamilies: readonly RecordedFamily[] = ['cnn', 'transformer'];

/** Points of a hidden layer, coloured by the symbol of one level. */
export interface RecordedCloud {
  level: number; // of the symbols, counted from the leaves
  node: number; // in the tree that contains them, root first
}

export interface RecordedNetwork {
  kind: string; // of the model
  model: Record<string, unknown>; // its other fields
  optimiser: Record<string, unknown>;
  batch: number;
  layers: readonly string[]; // hidden ones
  clouds: readonly RecordedCloud[];
  sentences: number[]; // P of each run, increasing
  loss: Float32Array; // [K] test loss at the best validation loss, nats: H(L) and the excess over the exact predictor's
  epochs: Float32Array; // [K] passes over the P sentences to the best validation loss
  limited: Uint8Array; // [K] 1: with more steps the loss may be lower
  within: Float32Array; // [K, clouds] fraction of the variance that is within the symbols
  places: Uint8Array; // [K, clouds, 2] index of the layer, and position within it, of the points
  points: Uint8Array; // [K, clouds, N, 3] coordinates: -REACH to REACH in steps of 2 REACH / 255
}

export interface Recording {
  made: string; // day, executor
  grammar: GrammarShape & { seed: number };
  H: readonly number[]; // [L + 1] exact plateaus, nats
  P: Readonly<Record<RecordedFamily, readonly number[]>>; // [L] sample complexities, up to a factor
  /** Root-mean-square covariance of the last token with what a network of the family can use, by level of the common ancestor. */
  signal: Readonly<Record<RecordedFamily, readonly number[]>>; // [L] exact
  sentences: number[]; // all P, increasing
  measured: Readonly<Record<RecordedFamily, Float32Array>>; // [P, L] the same measured on the first P training sentences
  tokens: Uint8Array; // [N, d] test sentences
  symbols: Uint8Array; // [N, nodes] hidden symbols of their trees, root first
  count: number; // N
  networks: RecordedNetwork[];
}

/** Largest distance of coordinates from the centre, in units of the root mean square distance; points beyond it are moved there. */
export const REACH = 2.5;
/** A coordinate as it is stored in the file, and the inverse. */
export const packCoordinate = (x: number): number =>
  Math.round((255 * (Math.min(REACH, Math.max(-REACH, x)) + REACH)) / (2 * REACH));
export const coordinate = (byte: number): number => (2 * REACH * byte) / 255 - REACH;

const FORMAT = 'rhm-lab recording 1';

export function encodeRecording(recording: Recording): Uint8Array<ArrayBuffer> {
  const { made, grammar, H, P, signal, networks, count } = recording;
  const about = {
    format: FORMAT,
    made,
    grammar,
    H,
    P,
    signal,
    networks: networks.map(({ kind, model, optimiser, batch, layers, clouds }) => ({
      ...{ kind, model, optimiser, batch, layers, clouds },
    })),
  };
  const tensors = new Map<string, { dtype: SafeDType; shape: number[]; data: SafeArray }>();
  const put = (name: string, dtype: SafeDType, shape: number[], data: SafeArray) =>
    tensors.set(name, { dtype, shape, data });
  const sizes = recording.sentences.length;
  put('sentences', 'U32', [sizes], Uint32Array.from(recording.sentences));
  for (const family of recordedFamilies)
    put(`measured.${family}`, 'F32', [sizes, grammar.L], recording.measured[family]);
  put('tokens', 'U8', [count, recording.tokens.length / count], recording.tokens);
  put('symbols', 'U8', [count, recording.symbols.length / count], recording.symbols);
  for (const [i, network] of networks.entries()) {
    const K = network.sentences.length;
    const clouds = network.clouds.length;
    put(`${i}.sentences`, 'U32', [K], Uint32Array.from(network.sentences));
    put(`${i}.loss`, 'F32', [K], network.loss);
    put(`${i}.epochs`, 'F32', [K], network.epochs);
    put(`${i}.limited`, 'U8', [K], network.limited);
    put(`${i}.within`, 'F32', [K, clouds], network.within);
    put(`${i}.places`, 'U8', [K, clouds, 2], network.places);
    put(`${i}.points`, 'U8', [K, clouds, count, 3], network.points);
  }
  return encodeSafetensors({ metadata: { recording: JSON.stringify(about) }, tensors });
}

/** @throws DamageError naming the fault */
export function decodeRecording(bytes: Uint8Array, file = 'recording'): Recording {
  const { metadata, tensors } = decodeSafetensors(bytes, file);
  const fail = (what: string): never => {
    throw new DamageError(`${file}: ${what}; make it again with rhm recording`);
  };
  const about = parseJson(metadata.recording ?? 'null', file) as Partial<Recording> & { format?: unknown };
  if (about?.format !== FORMAT) fail(`its format is ${show(about?.format)}, expected ${show(FORMAT)}`);
  const { made, grammar, H, P, signal, networks } = about as Recording;
  checkShape(grammar);
  const { L, s } = grammar;
  const take = <A extends SafeArray>(name: string, dtype: SafeDType, ...shape: (number | undefined)[]): A => {
    const tensor = tensors.get(name);
    const fits =
      tensor?.dtype === dtype &&
      tensor.shape.length === shape.length &&
      tensor.shape.every((size, i) => shape[i] === undefined || shape[i] === size);
    if (!fits)
      fail(
        `tensor ${name} is ${tensor ? `${tensor.dtype} [${tensor.shape}]` : 'missing'}, expected ${dtype} [${shape.map((n) => n ?? '*')}]`,
      );
    return tensor!.data as A;
  };
  const numbers = (name: string, list: unknown, length: number): number[] => {
    if (!Array.isArray(list) || list.length !== length || !list.every((x) => Number.isFinite(x)))
      fail(`${name} is ${show(list)}, expected ${length} numbers`);
    return list as number[];
  };
  const increasing = (name: string, list: number[]): number[] => {
    if (list.some((x, i) => !(x > (list[i - 1] ?? 0)))) fail(`${name}: P do not increase`);
    return list;
  };
  const byFamily = <T>(of: (family: RecordedFamily) => T): Record<RecordedFamily, T> => ({
    cnn: of('cnn'),
    transformer: of('transformer'),
  });
  const sentences = increasing('sentences', [...take<Uint32Array>('sentences', 'U32', undefined)]);
  const d = sentenceLength(grammar);
  const tokens = take<Uint8Array>('tokens', 'U8', undefined, d);
  const count = tokens.length / d;
  const symbols = take<Uint8Array>('symbols', 'U8', count, (d - 1) / (s - 1));
  if ([...tokens, ...symbols].some((a) => a >= Math.max(grammar.v, grammar.n)))
    fail('a symbol does not belong to the grammar');
  if (!Array.isArray(networks) || !networks.length) fail('it holds no networks');
  return {
    made: String(made),
    grammar: { ...grammar, seed: checkSeed(grammar.seed) },
    H: numbers('H', H, L + 1),
    P: byFamily((family) => numbers(`P.${family}`, P?.[family], L)),
    signal: byFamily((family) => numbers(`signal.${family}`, signal?.[family], L)),
    sentences,
    measured: byFamily((family) => take<Float32Array>(`measured.${family}`, 'F32', sentences.length, L)),
    tokens,
    symbols,
    count,
    networks: networks.map(({ kind, model, optimiser, batch, layers, clouds }, i) => {
      const own = increasing(`${i}.sentences`, [...take<Uint32Array>(`${i}.sentences`, 'U32', undefined)]);
      const K = own.length;
      if (!Array.isArray(clouds) || !Array.isArray(layers)) fail(`network ${i} has no clouds or no layers`);
      const places = take<Uint8Array>(`${i}.places`, 'U8', K, clouds.length, 2);
      if (places.some((at, j) => j % 2 === 0 && at >= layers.length)) fail(`network ${i}: a cloud is of no layer`);
      return {
        ...{ kind, model, optimiser, batch, layers, clouds, places, sentences: own },
        loss: take<Float32Array>(`${i}.loss`, 'F32', K),
        epochs: take<Float32Array>(`${i}.epochs`, 'F32', K),
        limited: take<Uint8Array>(`${i}.limited`, 'U8', K),
        within: take<Float32Array>(`${i}.within`, 'F32', K, clouds.length),
        points: take<Uint8Array>(`${i}.points`, 'U8', K, clouds.length, count, 3),
      };
    }),
  };
}
