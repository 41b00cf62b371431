import type { Bytes } from '../../src/core/bytes.js';

/** The same bytes in every possible form: Buffer, views at odd offsets, buffers, shared memory. */
export function bytesOfEveryKind(file: Uint8Array): Record<string, Bytes> {
  const n = file.length;
  const within = (memory: ArrayBuffer | SharedArrayBuffer, at: number) => {
    new Uint8Array(memory).fill(0xa5);
    const view = new Uint8Array(memory, at, n);
    view.set(file);
    return view;
  };
  return {
    Buffer: Buffer.from(file), // a part of memory that Node shares among small buffers
    'Buffer at an odd place': Buffer.concat([Buffer.from('abc'), file, Buffer.from('xyz')]).subarray(3, 3 + n),
    'array at an odd place': within(new ArrayBuffer(n + 9), 5),
    'shared memory at an odd place': within(new SharedArrayBuffer(n + 9), 1),
    ArrayBuffer: within(new ArrayBuffer(n), 0).buffer,
    SharedArrayBuffer: within(new SharedArrayBuffer(n), 0).buffer,
    DataView: new DataView(within(new ArrayBuffer(n + 9), 7).buffer, 7, n),
  };
}
