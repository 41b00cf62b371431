import { type Bytes, bytesOf, copyOf } from './bytes.js';
import { DamageError } from './errors.js';

/** The safetensors format: 8 bytes header length, JSON header, raw little-endian data. Source: huggingface/safetensors. */
export type SafeDType = 'F32' | 'F64' | 'U32' | 'I32' | 'U8' | 'I64';
export type SafeArray = Float32Array | Float64Array | Uint32Array | Int32Array | Uint8Array | BigInt64Array;

export interface SafeTensor {
  dtype: SafeDType | OtherType;
  shape: readonly number[];
  data: SafeArray; // other types: their bytes as in the file
}

export interface SafeFile {
  metadata: Record<string, string>;
  tensors: Map<string, SafeTensor>;
}

/** A tensor whose numbers are computed once its offset in the file is known. */
export interface SafeSource {
  dtype: SafeDType;
  shape: readonly number[];
  /** out: array of the dtype's type, filled with zeros; a view of the file's own bytes if they are aligned. */
  fill(out: SafeArray): void;
}

const arrays = {
  F32: Float32Array,
  F64: Float64Array,
  U32: Uint32Array,
  I32: Int32Array,
  U8: Uint8Array,
  I64: BigInt64Array,
} as const;

/**
 * Types that can be read but not computed with, and their bytes per element. F16 and BF16 become F32, which represents all their
 * values.
 */
const others = { BOOL: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, I16: 2, U16: 2, U64: 8, C64: 8 } as const;
export type OtherType = keyof typeof others;
type HalfType = 'F16' | 'BF16';

const halves: Readonly<Record<HalfType, (bits: number) => number>> = { F16: fromF16, BF16: fromBF16 };

function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

const word = new DataView(new ArrayBuffer(4));

function fromBF16(bits: number): number {
  word.setUint16(0, bits);
  return word.getFloat32(0);
}

const isKnown = (dtype: unknown): dtype is SafeDType => Object.hasOwn(arrays, String(dtype));

/** Undefined for a type that is not part of the format. */
function elementBytes(dtype: unknown): number | undefined {
  if (isKnown(dtype)) return arrays[dtype].BYTES_PER_ELEMENT;
  if (Object.hasOwn(halves, String(dtype))) return 2;
  return Object.hasOwn(others, String(dtype)) ? others[dtype as OtherType] : undefined;
}

export function encodeSafetensors({
  metadata,
  tensors,
}: {
  metadata: SafeFile['metadata'];
  tensors: ReadonlyMap<string, SafeTensor | SafeSource>;
}): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [name, tensor] of tensors) {
    const { dtype, shape } = tensor;
    const bytes =
      'data' in tensor ? tensor.data.byteLength : elementsOf(tensor) * arrays[tensor.dtype].BYTES_PER_ELEMENT;
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const text = JSON.stringify(header);
  // The data starts at a multiple of 8 so that readers may map it.
  const json = new TextEncoder().encode(text + ' '.repeat((8 - (new TextEncoder().encode(text).length % 8)) % 8));
  const bytes = new Uint8Array(8 + json.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  at = 8 + json.length;
  for (const tensor of tensors.values()) {
    const data = 'data' in tensor ? tensor.data : filled(tensor, bytes.buffer, at);
    if (data.buffer !== bytes.buffer) bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

function filled(tensor: SafeSource, file: ArrayBuffer, at: number): SafeArray {
  const ArrayType = arrays[tensor.dtype];
  const elements = elementsOf(tensor);
  const aligned = at % ArrayType.BYTES_PER_ELEMENT === 0;
  const out = aligned ? new ArrayType(file, at, elements) : new ArrayType(elements);
  tensor.fill(out);
  return out;
}

function elementsOf(tensor: SafeTensor | SafeSource): number {
  return 'data' in tensor ? tensor.data.length : tensor.shape.reduce((a, b) => a * b, 1);
}

/**
 * Tensors follow each other without gaps and fill the file, as the format's own reader requires: no tensor can refer to another's
 * bytes.
 * @throws FileError naming the file and its fault: truncated, no header, an invalid shape, a tensor outside its range.
 */
export function decodeSafetensors(input: Bytes, file = 'safetensors file'): SafeFile {
  const bytes = bytesOf(input);
  const { entries, metadata, start } = readHeader(bytes, file, bytes.length);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const { buffer } = copyOf(bytes.subarray(start + data_offsets[0], start + data_offsets[1]));
    const half = halves[dtype as HalfType];
    if (half) tensors.set(name, { dtype: 'F32', shape, data: Float32Array.from(new Uint16Array(buffer), half) });
    else if (isKnown(dtype)) tensors.set(name, { dtype, shape, data: new arrays[dtype](buffer) });
    else tensors.set(name, { dtype: dtype as OtherType, shape, data: new Uint8Array(buffer) });
  }
  return { metadata, tensors };
}

/**
 * The metadata alone; the rest of the header is checked too. fileBytes: size of the file if `bytes` are only its beginning. @throws
 * FileError
 */
export function safetensorsMetadata(
  bytes: Bytes,
  file = 'safetensors file',
  fileBytes = bytes.byteLength,
): Record<string, string> {
  return readHeader(bytesOf(bytes), file, fileBytes).metadata;
}

function readHeader(bytes: Uint8Array, file: string, fileBytes: number) {
  const fail = (what: string): never => {
    throw new DamageError(`${file}: ${what}; the file is damaged or not a safetensors file`);
  };
  if (bytes.length < 8) fail(`${bytes.length} bytes, shorter than the 8 of the header length`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (!(length <= bytes.length - 8)) fail(`the header should be ${length} bytes, the file has ${fileBytes}`);
  if (length > HEADER_LIMIT) fail(`the header is ${length} bytes, at most ${HEADER_LIMIT} are allowed`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(copyOf(bytes.subarray(8, 8 + length))));
  } catch {
    fail('the header is not JSON');
  }
  if (!isObject(header)) return fail('the header is not a JSON object');
  const start = 8 + length;
  const entries = new Map<string, Entry>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isObject(entry) || !Object.values(entry).every((value) => typeof value === 'string'))
        return fail('__metadata__ is not an object of texts');
      metadata = entry as Record<string, string>;
    } else {
      const wrong = wrongWith(entry, fileBytes - start);
      if (wrong) fail(`tensor ${name} ${wrong}`);
      entries.set(name, entry as unknown as Entry);
    }
  }
  let end = 0;
  const places = [...entries].map(([name, { data_offsets }]) => ({ name, from: data_offsets[0], to: data_offsets[1] }));
  for (const { name, from, to } of places.sort((a, b) => a.from - b.from || a.to - b.to)) {
    if (from !== end) fail(`tensor ${name} begins at byte ${from} of the data, the one before it ends at ${end}`);
    end = to;
  }
  if (start + end !== fileBytes) fail(`the tensors end at byte ${start + end}, the file has ${fileBytes}`);
  return { entries, metadata, start };
}

const HEADER_LIMIT = 100_000_000; // bytes; the limit of the format's own reader

interface Entry {
  dtype: SafeDType | HalfType | OtherType;
  shape: number[];
  data_offsets: [number, number];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The fault of a tensor's entry in the header; dataBytes: of all tensors. */
function wrongWith(entry: unknown, dataBytes: number): string | undefined {
  if (!isObject(entry)) return 'has no dtype and shape';
  const { dtype, shape, data_offsets } = entry as Partial<Entry>;
  const each = elementBytes(dtype);
  if (each === undefined) return `has the unknown dtype ${JSON.stringify(dtype)}`;
  if (!Array.isArray(shape) || !shape.every(isCount)) return `has the shape ${JSON.stringify(shape)}`;
  if (!Array.isArray(data_offsets) || data_offsets.length !== 2 || !data_offsets.every(isCount))
    return `has the data_offsets ${JSON.stringify(data_offsets)}`;
  const [from, to] = data_offsets;
  if (to < from || to > dataBytes) return `is at bytes ${from} to ${to} of the data, which has ${dataBytes}`;
  const wanted = shape.reduce((product, n) => product * n, each);
  return to - from === wanted ? undefined : `[${shape}] ${dtype} has ${to - from} bytes, it needs ${wanted}`;
}
