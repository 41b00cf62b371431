/** Files that appear under their name only once complete: written beside it, flushed, renamed. For Node and Deno. */
import {
  close,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  open,
  openSync,
  readdirSync,
  rmSync,
  type Stats,
  statSync,
  write,
} from 'node:fs';
import { readFile, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { FileError, InputError } from '../core/errors.js';
import { renameOver, syncDirectory } from './durable.js';
import { outputTarget } from './outputTarget.js';
import { hasProcess, machineName } from './processIdentity.js';

export interface AtomicFile {
  write(chunk: string | Uint8Array): Promise<void>;
  /** Flushes the file and renames it to its final name, replacing an older one. */
  commit(): Promise<void>;
  /** Removes the unfinished file; nothing under the final name is touched. */
  abort(): Promise<void>;
}

/** @throws FileError if the folder cannot be written. */
export async function atomicFile(name: string): Promise<AtomicFile> {
  const target = await guard(name, async () => outputTarget(name));
  if (target.kind === 'through') return throughFile(name);
  const { path, before } = target;
  removeLeftovers(path);
  const temporary = `${path}.partial-${machineName()}-${process.pid}-${crypto.randomUUID()}`;
  // By its number: with Yarn's Plug'n'Play the file handles of node:fs/promises have no sync().
  const handle = await guard(path, async () => openSync(temporary, 'wx', before ? 0o600 : 0o666));
  let isOpen = true;
  const shut = async () => {
    if (isOpen) await closed(handle);
    isOpen = false;
  };
  const abort = async () => {
    await shut().catch(() => {});
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
    write: (chunk) => guarded(() => writeWhole(handle, chunk)),
    commit: () =>
      guarded(async () => {
        if (before) takeOver(handle, before);
        await synced(handle);
        await shut();
        renameOver(temporary, path);
        await syncDirectory(dirname(path));
      }),
    abort,
  };
}

/** Gives a file the mode of the one that it replaces, and its owner if permitted. */
function takeOver(handle: number, { mode, uid, gid }: Stats): void {
  const own = fstatSync(handle);
  try {
    if (own.uid !== uid || own.gid !== gid) fchownSync(handle, uid, gid);
  } catch {} // only root may change owners
  fchmodSync(handle, mode & 0o7777);
}

/** Anything but a regular file is written directly: there, content cannot appear all at once. */
async function throughFile(path: string): Promise<AtomicFile> {
  const handle = await guard(path, () => opened(path, 'w')); // waits for the reader of a pipe
  return {
    write: (chunk) => guard(path, () => writeWhole(handle, chunk)),
    commit: () => guard(path, () => closed(handle)),
    abort: () => closed(handle).catch(() => {}),
  };
}

const [opened, closed, synced] = [promisify(open), promisify(close), promisify(fsync)];

/** A pipe may accept less than it is given, as may a disk that is nearly full. */
async function writeWhole(handle: number, chunk: string | Uint8Array): Promise<void> {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  for (let done = 0; done < bytes.length; )
    done += await new Promise<number>((resolve, reject) => {
      write(handle, bytes, done, bytes.length - done, null, (error, written) =>
        error ? reject(error) : resolve(written),
      );
    });
}

const LEFT_MS = 86_400_000; // after this time the unfinished file of a process that cannot be observed from here is useless

/** Removes unfinished files that killed processes left under this name. */
function removeLeftovers(path: string): void {
  const directory = dirname(path);
  const begin = `${basename(path)}.partial-`;
  let names: string[] = [];
  try {
    names = readdirSync(directory).filter((name) => name.startsWith(begin));
  } catch {} // opening the file reports it
  for (const name of names) {
    const [, machine, pid] = /^([0-9a-f]{8})-(\d+)-/.exec(name.slice(begin.length)) ?? [];
    const file = join(directory, name);
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (machine === machineName() ? !hasProcess(Number(pid)) : age > LEFT_MS) rmSync(file, { force: true });
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
    if (error instanceof InputError) throw error;
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
