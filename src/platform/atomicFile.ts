/** Files that appear under their name only when complete: written beside it, flushed, renamed. For Node and Deno. */
import { type FileHandle, open, readFile, rename, unlink } from 'node:fs/promises';
import { FileError } from '../core/errors.js';

export interface AtomicFile {
  write(chunk: string | Uint8Array): Promise<void>;
  /** Flushes and gives the file its name, replacing an older one. */
  commit(): Promise<void>;
  /** Removes what was written; the final name is untouched. */
  abort(): Promise<void>;
}

let serial = 0;

/** @throws FileError when the folder cannot be written. */
export async function atomicFile(path: string): Promise<AtomicFile> {
  const temporary = `${path}.partial-${process.pid}-${serial++}`;
  const handle: FileHandle = await guard(path, () => open(temporary, 'wx'));
  const abort = async () => {
    await handle.close().catch(() => {});
    await unlink(temporary).catch(() => {});
  };
  const guarded = async (work: () => Promise<unknown>) => {
    try {
      await guard(path, work);
    } catch (error) {
      await abort();
      throw error;
    }
  };
  return {
    write: (chunk) => guarded(() => handle.appendFile(chunk)),
    commit: () =>
      guarded(async () => {
        await handle.sync();
        await handle.close();
        await rename(temporary, path);
      }),
    abort,
  };
}

/** Writes a whole file atomically. @throws FileError */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const file = await atomicFile(path);
  await file.write(content);
  await file.commit();
}

/** The file's text. @throws FileError */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new FileError(`cannot read ${path}: ${reason(error)}`, { cause: error });
  }
}

async function guard<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new FileError(`cannot write ${path}: ${reason(error)}`, { cause: error });
  }
}

const remedies: Record<string, string> = {
  ENOENT: 'no such file or folder; check the path',
  EACCES: 'permission denied; choose another place',
  EROFS: 'the file system is read-only; choose another place',
  ENOSPC: 'no space left on the disk; free some or choose another place',
  EDQUOT: 'the disk quota is used up; free some or choose another place',
  EFBIG: 'the file would be larger than allowed (ulimit -f)',
  EISDIR: 'it is a folder; name a file',
  ENOTDIR: 'a part of the path is a file, not a folder',
};

export function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return remedies[code] ? `${remedies[code]} (${code})` : (error as Error).message;
}
