/** A run's folder on disk, for Node and Deno: atomic files, durable appends, one process at a time. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DiskFullError, FileError, isFull } from '../core/errors.js';
import type { RunFolder } from '../training/folder.js';
import { makeFolder, renameOver, syncDirectory, writeDurably } from './durable.js';
import { lockFolder } from './folderLock.js';
import { checkFolderName } from './ownFiles.js';

/** One of its files, even while a process works in the folder; undefined if there is none. @throws FileError */
export function readRunFile(path: string, file: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(join(path, file)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw failure(path, `read ${file}`, error);
  }
}

/** Opens (and makes) the folder and locks it. @throws FileError if another process holds it or it cannot be written. */
export function openRunFolder(path: string): RunFolder {
  checkFolderName(path, '--out');
  const directory = resolve(path);
  guard(path, 'make the folder', () => makeFolder(directory));
  const lock = lockFolder(directory, path);
  // Unfinished files of a killed process.
  for (const file of readdirSync(directory))
    if (/\.[0-9a-f-]+\.tmp$/.test(file)) rmSync(join(directory, file), { force: true });
  const at = (file: string) => join(directory, file);
  return {
    name: path,
    read: async (file) => readRunFile(path, file),
    async write(file, data) {
      lock.check();
      const beside = at(`${file}.${crypto.randomUUID()}.tmp`);
      try {
        const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
        await writeDurably(beside, 'wx', bytes);
        lock.check();
        renameOver(beside, at(file));
        await syncDirectory(directory);
      } catch (error) {
        rmSync(beside, { force: true });
        throw error instanceof FileError ? error : failure(path, `write ${file}`, error);
      }
    },
    async append(file, text) {
      lock.check();
      try {
        await writeDurably(at(file), 'a', new TextEncoder().encode(text));
      } catch (error) {
        throw failure(path, `append to ${file}`, error);
      }
    },
    async release() {
      lock.release();
    },
  };
}

function guard<T>(name: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw failure(name, what, error);
  }
}

const remedies: Record<string, string> = {
  ENOENT: 'no folder can be made there; choose another --out',
  EACCES: 'you may not write there; choose another --out',
  EROFS: 'the file system is read-only; choose another --out',
  ENOSPC: 'the disk is full; free some space and continue with --resume',
  EDQUOT: 'your quota is used up; free some space and continue with --resume',
  EFBIG: 'files may not be that large there (ulimit -f); lift the limit and continue with --resume',
  ENOTDIR: 'a part of the path is a file; choose another --out',
  EEXIST: 'there is a file of that name; choose another --out',
};

function failure(name: string, what: string, error: unknown): FileError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const text = `${name}: could not ${what}: ${code || message}; ${remedies[code] ?? 'check the folder and try again'}`;
  return new (isFull(code) ? DiskFullError : FileError)(text, { cause: error });
}
