/** Observations of sentences: tokens, gaps, and noisy tokens as likelihoods. */
import { show } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { type GrammarShape, sentenceLength } from '../core/rules.js';

/** Observation of one leaf: its token; null or -1, hidden; or [v] likelihoods p(observation | token), up to a common factor. */
export type Observation = number | null | ArrayLike<number>;

/**
 * A batch of sentences: rows of s^L observations, or all numbers in one array with their shape, as `decodeNpy` returns them:
 * [count, s^L] tokens (-1 = hidden) or [count, s^L, v] likelihoods.
 */
export type Observations =
  | readonly (ArrayLike<number> | readonly Observation[])[]
  | { readonly shape: readonly number[]; readonly data: ArrayLike<number | bigint> };

/** Checked observations, written as log likelihoods one sentence at a time. */
export interface Leaves {
  readonly count: number;
  /** out [s^L, v]: natural logarithms of the likelihoods of sentence i. */
  fill(i: number, out: Float64Array): void;
}

const HIDDEN = -1;
const VECTOR = -2;

/**
 * @param noise Rate at which tokens were replaced before observation by one drawn uniformly from all v; likelihoods stay as given.
 * @throws InputError naming the sentence and the place
 */
export function leavesOf(shape: GrammarShape, input: Observations, noise = 0): Leaves {
  const { v } = shape;
  const d = sentenceLength(shape);
  if (typeof noise !== 'number' || !(noise >= 0 && noise <= 1))
    throw new InputError(`noise: got ${show(noise)}; pass a rate from 0 to 1`);
  const { count, at } = rowsIn(input, v, d);
  const tokens = new Int32Array(count * d);
  const vectors = new Map<number, Float64Array>(); // log likelihoods by sentence * d + place
  for (let i = 0; i < count; i++)
    for (let p = 0; p < d; p++) {
      const seen = at(i, p);
      if (typeof seen === 'object' && seen !== null) {
        tokens[i * d + p] = VECTOR;
        vectors.set(i * d + p, logLikelihood(seen, v, i, p));
      } else tokens[i * d + p] = tokenOf(seen, v, i, p);
    }
  const same = Math.log(1 - noise + noise / v);
  const other = Math.log(noise / v);
  return {
    count,
    fill(i, out) {
      for (let p = 0; p < d; p++) {
        const token = tokens[i * d + p];
        if (token === VECTOR) out.set(vectors.get(i * d + p)!, p * v);
        else {
          out.fill(token === HIDDEN ? 0 : other, p * v, (p + 1) * v);
          if (token >= 0) out[p * v + token] = same;
        }
      }
    },
  };
}

type At = (i: number, p: number) => Observation | bigint | undefined;

function rowsIn(input: Observations, v: number, d: number): { count: number; at: At } {
  const refuse = (what: string): never => {
    throw new InputError(
      `observations: ${what}; pass rows of s^L = ${d} tokens, [[...], ...], or { shape, data } of [rows, ${d}] tokens or [rows, ${d}, ${v}] likelihoods`,
    );
  };
  if (typeof input !== 'object' || input === null) return refuse(`got ${show(input)}`);
  if (Array.isArray(input)) {
    const rows = input as readonly (readonly Observation[])[];
    rows.forEach((row, i) => {
      if (row?.length !== d || typeof row === 'string')
        refuse(`sentence ${i} has ${row?.length ?? show(row)} positions`);
    });
    return { count: rows.length, at: (i, p) => rows[i][p] };
  }
  const { shape, data } = input as Exclude<Observations, readonly unknown[]>;
  if (!Array.isArray(shape) || typeof data?.length !== 'number') return refuse(`got ${show(Object.keys(input))}`);
  const [count, length, width] = shape;
  if (shape.length < 2 || shape.length > 3 || length !== d || (shape.length === 3 && width !== v))
    return refuse(`the shape is [${shape}]`);
  const wanted = shape.reduce((product, size) => product * size, 1);
  if (data.length !== wanted) return refuse(`[${shape}] needs ${wanted} numbers, there are ${data.length}`);
  if (shape.length === 2) return { count, at: (i, p) => data[i * d + p] };
  const vector = (from: number) => Float64Array.from({ length: v }, (_, x) => Number(data[from + x]));
  return { count, at: (i, p) => vector((i * d + p) * v) };
}

function tokenOf(seen: unknown, v: number, i: number, p: number): number {
  if (seen === null) return HIDDEN;
  const token = typeof seen === 'bigint' ? Number(seen) : seen;
  if (typeof token === 'number' && Number.isInteger(token) && token >= HIDDEN && token < v) return token;
  throw new InputError(
    `observations: sentence ${i}, position ${p}: got ${show(token)}; pass a token from 0 to v - 1 = ${v - 1}, null or -1 for a hidden one, or ${v} likelihoods`,
  );
}

function logLikelihood(seen: ArrayLike<number>, v: number, i: number, p: number): Float64Array {
  const where = `observations: sentence ${i}, position ${p}`;
  if (seen.length !== v) throw new InputError(`${where}: got ${seen.length} likelihoods; pass v = ${v}`);
  return Float64Array.from({ length: v }, (_, x) => {
    const value = seen[x];
    if (typeof value !== 'number' || !(value >= 0 && value < Number.POSITIVE_INFINITY))
      throw new InputError(
        `${where}: the likelihood of token ${x} is ${show(value)}; pass finite numbers of at least 0`,
      );
    return Math.log(value);
  });
}
