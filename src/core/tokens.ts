/** Sentences from outside, as rows of tokens. */
import { show } from './check.js';
import { InputError } from './errors.js';

/**
 * Rows of tokens: a list of rows, or all numbers in one array with their shape, as `decodeNpy` returns them. All rows have the
 * same length.
 */
export type TokenRows =
  | readonly ArrayLike<number>[]
  | { readonly shape: readonly number[]; readonly data: ArrayLike<number | bigint> };

export interface Rows {
  count: number;
  length: number; // tokens per row
  data: Uint32Array<ArrayBuffer>; // [count, length]
}

/**
 * Checks and copies. field: for messages. v: tokens are 0 to v - 1. masks: tokens may be hidden, written as -1 and turned into v.
 * @throws InputError naming the row and the position
 */
export function rowsOf(input: TokenRows, v: number, field = 'tokens', masks = false): Rows {
  const { count, length, at } = layoutOf(input, field);
  const data = new Uint32Array(count * length);
  for (let row = 0; row < count; row++)
    for (let i = 0; i < length; i++) {
      const value = at(row, i);
      const given = typeof value === 'bigint' ? Number(value) : value;
      const token = masks && given === -1 ? v : given;
      const known = masks ? v + 1 : v; // also v itself, as in batches
      if (!(Number.isInteger(token) && token >= 0 && token < known))
        throw new InputError(
          `${field}: row ${row}, position ${i}: got ${show(token)}; pass whole numbers from 0 to v - 1 = ${v - 1}${masks ? ', or -1 for a masked token' : ''}`,
        );
      data[row * length + i] = token;
    }
  return { count, length, data };
}

function layoutOf(
  input: TokenRows,
  field: string,
): { count: number; length: number; at: (row: number, i: number) => number | bigint } {
  const refuse = (what: string): never => {
    throw new InputError(`${field}: ${what}; pass rows of tokens, [[...], ...] or { shape: [rows, tokens], data }`);
  };
  if (typeof input !== 'object' || input === null) return refuse(`got ${show(input)}`);
  if (!Array.isArray(input)) {
    const { shape, data } = input as Exclude<TokenRows, readonly unknown[]>;
    if (!Array.isArray(shape) || typeof data?.length !== 'number') return refuse(`got ${show(Object.keys(input))}`);
    if (shape.length !== 2) return refuse(`its shape is [${shape}]`);
    const [count, length] = shape;
    if (count * length !== data.length)
      return refuse(`[${shape}] needs ${count * length} numbers, it has ${data.length}`);
    return { count, length, at: (row, i) => data[row * length + i] };
  }
  const rows = input as readonly ArrayLike<number>[];
  const length = rows[0]?.length;
  if (rows.length && typeof length !== 'number') return refuse(`its first row is ${show(rows[0])}`);
  const odd = rows.findIndex((row) => row?.length !== length);
  if (odd >= 0) return refuse(`row 0 has ${length} tokens, row ${odd} ${rows[odd]?.length}`);
  return { count: rows.length, length: length ?? 0, at: (row, i) => rows[row][i] };
}
