/** Files that appear under their name only when complete: written beside it, flushed, renamed. For Node and Deno. */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open, readFile, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FileError } from '../core/errors.js';
import { syncDirectory } from './durable.js';
import { machineName } from './processIdentity.js';

export interface AtomicFile {
  write(chunk: string | Uint8Array): Promise<void>;
  /** Flushes and gives the file its name, replacing an older one. */
  commit(): Promise<void>;
  /** Removes what was written; the final name is untouched. */
  abort(): Promise<void>;
}

/** @throws FileError when the folder cannot be written. */
export async function atomicFile(path: string): Promise<AtomicFile> {
  removeLeftovers(path);
  const temporary = `${path}.partial-${machineName()}-${process.pid}-${crypto.randomUUID()}`;
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
        await syncDirectory(dirname(path));
      }),
    abort,
  };
}

const LEFT_MS = 86_400_000; // the unfinished file of a process that cannot be seen from here is of no use after this

/** Removes what processes that were killed had begun to write under this name. */
function removeLeftovers(path: string): void {
  const directory = dirname(path);
  const begin = `${basename(path)}.partial-`;
  let names: string[] = [];
  try {
    names = readdirSync(directory).filter((name) => name.startsWith(begin));
  } catch {} // what opens the file says it
  for (const name of names) {
    const [, machine, pid] = /^([0-9a-f]{8})-(\d+)-/.exec(name.slice(begin.length)) ?? [];
    const file = join(directory, name);
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (machine === machineName() ? !isThere(Number(pid)) : age > LEFT_MS) rmSync(file, { force: true });
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
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
