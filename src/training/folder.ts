import { copyOf } from '../core/bytes.js';

/** Where a run keeps its files. Platforms provide folders on disk or in the browser; the one here is in memory. */
export interface RunFolder {
  /** For messages: the path, or a substitute. */
  readonly name: string;
  read(file: string): Promise<Uint8Array | undefined>;
  /** Writes beside and renames, so that the file is always either the old or the new one. @throws FileError */
  write(file: string, bytes: Uint8Array | string): Promise<void>;
  /** Appends and makes durable. @throws FileError */
  append(file: string, text: string): Promise<void>;
  /** Releases the folder for other processes. */
  release(): Promise<void>;
}

export { files } from '../core/outside.js';

/** A folder that is opened, and made if necessary, when it is first read or written. @throws from then on what `open` throws */
export function lazyFolder(name: string, open: () => RunFolder): RunFolder {
  let opened: RunFolder | undefined;
  const folder = () => {
    opened ??= open();
    return opened;
  };
  return {
    name,
    read: async (file) => folder().read(file),
    write: async (file, bytes) => folder().write(file, bytes),
    append: async (file, text) => folder().append(file, text),
    release: async () => opened?.release(),
  };
}

/** A folder that exists as long as the object. */
export class MemoryFolder implements RunFolder {
  readonly contents = new Map<string, Uint8Array>();

  constructor(readonly name = 'memory') {}

  async read(file: string): Promise<Uint8Array | undefined> {
    return this.contents.get(file);
  }

  async write(file: string, bytes: Uint8Array | string): Promise<void> {
    this.contents.set(file, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : copyOf(bytes));
  }

  async append(file: string, text: string): Promise<void> {
    const old = this.contents.get(file) ?? new Uint8Array();
    const more = new TextEncoder().encode(text);
    const all = new Uint8Array(old.length + more.length);
    all.set(old);
    all.set(more, old.length);
    this.contents.set(file, all);
  }

  async release(): Promise<void> {}
}
