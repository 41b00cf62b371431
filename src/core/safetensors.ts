import { FileError } from './errors.js';

/** The safetensors format: 8 bytes header length, JSON header, raw little-endian data. Source: huggingface/safetensors. */
export type SafeDType = 'F32' | 'F64' | 'U32' | 'I32' | 'U8' | 'I64';
export type SafeArray = Float32Array | Float64Array | Uint32Array | Int32Array | Uint8Array | BigInt64Array;

export interface SafeTensor {
  dtype: SafeDType;
  shape: readonly number[];
  data: SafeArray;
}

export interface SafeFile {
  metadata: Record<string, string>;
  tensors: Map<string, SafeTensor>;
}

/** A tensor whose numbers are made when their place in the file is known. */
export interface SafeSource {
  dtype: SafeDType;
  shape: readonly number[];
  /** out: of the dtype's array type, zeros; the file's own bytes wherever they are aligned. */
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
    const bytes = elementsOf(tensor) * arrays[dtype].BYTES_PER_ELEMENT;
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

/** @throws FileError naming the file and what is wrong with it: truncated, no header, a tensor outside the file. */
export function decodeSafetensors(bytes: Uint8Array, file = 'safetensors file'): SafeFile {
  const fail = (what: string): never => {
    throw new FileError(`${file}: ${what}; the file is damaged or no safetensors file`);
  };
  if (bytes.length < 8) fail(`${bytes.length} bytes, shorter than the 8 of the header length`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (!(length <= bytes.length - 8)) fail(`the header should be ${length} bytes, the file has ${bytes.length}`);
  let header: Record<string, { dtype: SafeDType; shape: number[]; data_offsets: [number, number] }> = {};
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    fail('the header is no JSON');
  }
  const start = 8 + length;
  const tensors = new Map<string, SafeTensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = entry as unknown as Record<string, string>;
      continue;
    }
    const ArrayType = arrays[entry?.dtype];
    const offsets = entry?.data_offsets;
    if (!ArrayType || !Array.isArray(entry.shape) || !Array.isArray(offsets))
      fail(`tensor ${name}: unknown dtype or no shape`);
    const [from, to] = offsets;
    const elements = entry.shape.reduce((a, b) => a * b, 1);
    if (!(from >= 0 && to >= from && start + to <= bytes.length))
      fail(`tensor ${name} ends at byte ${start + to}, the file has ${bytes.length}`);
    if (to - from !== elements * ArrayType.BYTES_PER_ELEMENT)
      fail(`tensor ${name} [${entry.shape}] ${entry.dtype} has ${to - from} bytes`);
    const data = new ArrayType(bytes.slice(start + from, start + to).buffer);
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, data });
  }
  return { metadata, tensors };
}
