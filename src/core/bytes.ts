/** What bytes may come as: buffers, shared or not, and views of a part of one, such as Node's Buffer. */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** The bytes themselves, not a copy. */
export function bytesOf(input: Bytes): Uint8Array {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
}

/**
 * A copy in memory of its own, so that any array may be laid over it: slice() of a Node Buffer is a view of memory that it
 * shares, at any offset. It is never shared memory, which TextDecoder and others refuse.
 */
export const copyOf = (input: Bytes): Uint8Array<ArrayBuffer> => new Uint8Array(bytesOf(input));
