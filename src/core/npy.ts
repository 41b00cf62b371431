/** NumPy's .npy files: a header in Python's notation, then the elements. Source: numpy.lib.format. */
import { type Bytes, bytesOf, copyOf } from './bytes.js';
import { DamageError, InputError } from './errors.js';

/** Little-endian types that are read and written as typed arrays. */
const arrays = {
  '|b1': Uint8Array,
  '|u1': Uint8Array,
  '|i1': Int8Array,
  '<u2': Uint16Array,
  '<i2': Int16Array,
  '<u4': Uint32Array,
  '<i4': Int32Array,
  '<u8': BigUint64Array,
  '<i8': BigInt64Array,
  '<f4': Float32Array,
  '<f8': Float64Array,
} as const;
type NpyType = keyof typeof arrays;

export interface NpyArray {
  shape: readonly number[];
  data: InstanceType<(typeof arrays)[NpyType]>; // in C order; booleans as 0 and 1
}

/** Header of a file, version 1.0; the elements follow in C order. */
export function npyHeader(dtype: NpyType, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Magic, version, length and text together fill a multiple of 64 bytes, padded with spaces and ended by a newline.
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = new Uint8Array(10 + length);
  header.set([...MAGIC, 1, 0, length & 255, length >> 8]);
  header.set(new TextEncoder().encode(`${text.padEnd(length - 1)}\n`), 10);
  return header;
}

const MAGIC = [0x93, ...new TextEncoder().encode('NUMPY')];

/** Whether the bytes begin like a .npy file. */
export const isNpy = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte);

/**
 * Reads a file of numbers, of any shape and byte order, in C or Fortran order. @throws FileError naming the damage; InputError
 * for elements that are not numbers.
 */
export function decodeNpy(input: Bytes, file = 'npy file'): NpyArray {
  const bytes = bytesOf(input);
  const fail = (what: string): never => {
    throw new DamageError(`${file}: ${what}; the file is damaged or not a .npy file`);
  };
  if (!isNpy(bytes)) fail('it does not begin like a .npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] >= 2; // versions 2.0 and 3.0 have longer headers
  const from = long ? 12 : 10;
  if (bytes.length < from) fail(`${bytes.length} bytes, shorter than a header`);
  const start = from + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  if (bytes.length < start) fail(`the header should end at byte ${start}, the file has ${bytes.length}`);
  const header = new TextDecoder().decode(copyOf(bytes.subarray(from, start)));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const tuple = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header)?.[1];
  if (order === undefined || tuple === undefined) return fail('no shape or order in its header');
  if (descr === undefined) throw new InputError(`${file}: its elements are records; save an array of numbers`);
  const shape = (tuple.match(/\d+/g) ?? []).map(Number);
  const type =
    (descr[1] + descr.slice(2)).startsWith('b') || descr.endsWith('1') ? `|${descr.slice(1)}` : `<${descr.slice(1)}`;
  if (!Object.hasOwn(arrays, type))
    throw new InputError(`${file}: its elements are ${descr}; save whole numbers or floats of 1 to 8 bytes`);
  const Class = arrays[type as NpyType];
  const count = shape.reduce((product, n) => product * n, 1);
  const wanted = start + count * Class.BYTES_PER_ELEMENT;
  if (bytes.length !== wanted) fail(`[${shape}] ${descr} ends at byte ${wanted}, the file has ${bytes.length}`);
  const own = copyOf(bytes.subarray(start));
  if (descr[0] === '>') swap(own, Class.BYTES_PER_ELEMENT);
  const data = new Class(own.buffer);
  return { shape, data: order === 'True' ? inRows(data, shape) : data };
}

/** Reverses the bytes of every element. */
function swap(bytes: Uint8Array, each: number): void {
  for (let at = 0; at < bytes.length; at += each) bytes.subarray(at, at + each).reverse();
}

/** The elements of an array that was stored with its first axis fastest. */
function inRows<A extends NpyArray['data']>(data: A, shape: readonly number[]): A {
  const out = data.slice() as A;
  const at = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * shape[axis] + at[axis];
    out[i] = data[from];
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
  return out;
}
