/** Accepted forms of bytes: buffers, shared or not, and views of part of one, such as Node's Buffer. */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** The bytes themselves, not a copy. */
export function bytesOf(input: Bytes): Uint8Array {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
}

/**
 * A copy in unshared memory with an offset of 0, so that any typed array can be laid over it. slice() of a Node Buffer is a view
 * of the same memory, at any offset. TextDecoder and others refuse shared memory.
 */
export const copyOf = (input: Bytes): Uint8Array<ArrayBuffer> => new Uint8Array(bytesOf(input));
