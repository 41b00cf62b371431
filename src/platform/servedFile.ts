/** Files for a server: opened once, examined through the handle, compressed once for as long as they do not change. */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { extname } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export interface ServedFile {
  readonly type: string;
  readonly size: number;
  readonly tag: string; // identifies the content, for ETag, without quotes
  /** Bytes from..to, inclusive. The handle is closed when they have been read, or by close(). */
  part(from: number, to: number): Buffer | Readable;
  /** The whole file, compressed; undefined if that does not pay. */
  packed(): Promise<Buffer | undefined>;
  close(): void;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.jsonl': 'application/x-ndjson',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.safetensors': 'application/octet-stream',
};

const HELD_BYTES = 16 * 2 ** 20; // larger files are streamed from the disk, and not compressed
const CACHE_BYTES = 64 * 2 ** 20;
const SETTLED_MS = 100; // a file that has just changed may change again within the same tick of the file system's clock

interface Held {
  tag: string;
  data: Buffer;
  packed?: Promise<Buffer | undefined>;
}

export class FileCache {
  readonly #held = new Map<string, Held>(); // by path, the most recently used at the end
  #bytes = 0;

  /** Opens a regular file; undefined if there is none, or it has gone since its name was looked up. */
  open(path: string): ServedFile | undefined {
    let handle: number;
    try {
      // A pipe of that name must not block the server, nor a link lead elsewhere.
      handle = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    } catch {
      return undefined;
    }
    let open = true;
    const close = () => {
      if (open) closeSync(handle);
      open = false;
    };
    try {
      const stat = fstatSync(handle, { bigint: true });
      const size = Number(stat.size);
      if (!stat.isFile()) {
        close();
        return undefined;
      }
      const type = types[extname(path)] ?? 'application/octet-stream';
      const tag = [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].map((n) => n.toString(36)).join('-');
      if (size > HELD_BYTES) return { type, size, tag, part: (start, end) => stream(start, end), packed, close };
      const held = this.#get(path, tag) ?? { tag, data: readAll(handle, size) };
      close();
      const settled = Date.now() - Number(stat.ctimeMs) > SETTLED_MS;
      if (settled && held.data.length === size) this.#put(path, held);
      const { data } = held;
      const zip = () => {
        held.packed ??= /^text|json|xml|javascript/.test(type) ? promisify(gzip)(data, { level: 9 }) : packed();
        return held.packed;
      };
      // If a file was truncated during reading, the bytes that were read are the file.
      return { type, size: data.length, tag, part: (from, to) => data.subarray(from, to + 1), packed: zip, close };
    } catch {
      close();
      return undefined;
    }

    function stream(start: number, end: number): Readable {
      open = false; // the stream closes it
      return createReadStream(path, { fd: handle, start, end, autoClose: true });
    }
  }

  #get(path: string, tag: string): Held | undefined {
    const held = this.#held.get(path);
    return held?.tag === tag ? held : undefined;
  }

  #put(path: string, held: Held): void {
    const old = this.#held.get(path);
    this.#held.delete(path);
    if (old) this.#bytes -= old.data.length;
    this.#held.set(path, held);
    this.#bytes += held.data.length;
    for (const [name, { data }] of this.#held) {
      if (this.#bytes <= CACHE_BYTES) break;
      this.#held.delete(name);
      this.#bytes -= data.length;
    }
  }
}

const packed = async (): Promise<undefined> => undefined;

function readAll(handle: number, size: number): Buffer {
  const data = Buffer.alloc(size);
  let done = 0;
  for (let read = 1; read && done < size; done += read) read = readSync(handle, data, done, size - done, done);
  return data.subarray(0, done);
}
