/**
 * TensorBoard's event files: records with check sums, each containing a protocol buffer `Event` with scalars. Written here because no
 * maintained package does. Sources: tensorflow/core/lib/io/record_writer.h, core/util/event.proto, core/framework/summary.proto.
 */
import { crc32c } from './crc32c.js';

export interface ScalarEvent {
  wallTime: number; // seconds since 1970
  step: number;
  scalars: readonly (readonly [tag: string, value: number])[];
}

/** A whole file: its version, then the events. Values are f32. */
export function encodeEvents(events: readonly ScalarEvent[]): Uint8Array<ArrayBuffer> {
  const file = new Bytes();
  const version = new Bytes().double(1, events[0]?.wallTime ?? 0).text(3, 'brain.Event:2');
  record(file, version.taken());
  for (const { wallTime, step, scalars } of events) {
    const summary = new Bytes();
    for (const [tag, value] of scalars) summary.bytes(1, new Bytes().text(1, tag).float(2, value).taken());
    record(file, new Bytes().double(1, wallTime).whole(2, step).bytes(5, summary.taken()).taken());
  }
  return file.taken();
}

/** Length, check sum of the length, data, check sum of the data. */
function record(file: Bytes, data: Uint8Array): void {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, BigInt(data.length), true);
  file.raw(head).raw(masked(head)).raw(data).raw(masked(data));
}

/** The masked check sum: rotated and shifted, so that a record that contains records has a different one. */
function masked(data: Uint8Array): Uint8Array {
  const crc = crc32c(data);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, ((crc >>> 15) | (crc << 17)) + 0xa282ead8, true);
  return bytes;
}

const utf8 = new TextEncoder();

/** A growing buffer with the fields of a protocol buffer, addressed by field number. */
class Bytes {
  #buffer = new Uint8Array(64);
  #length = 0;

  raw(bytes: Uint8Array): this {
    const wanted = this.#length + bytes.length;
    if (wanted > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(wanted, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = wanted;
    return this;
  }

  /** A number as groups of seven bits, the lowest first. */
  #varint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
    return this.raw(Uint8Array.of(...bytes, rest));
  }

  double(field: number, value: number): this {
    if (value === 0) return this; // protocol buffers leave out zeros
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    return this.#varint(8 * field + 1).raw(bytes);
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#varint(8 * field + 5).raw(bytes);
  }

  whole(field: number, value: number): this {
    return value === 0 ? this : this.#varint(8 * field).#varint(value);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#varint(8 * field + 2)
      .#varint(value.length)
      .raw(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value));
  }

  taken(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.#length);
  }
}
