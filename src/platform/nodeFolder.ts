/** A run's folder on disk, for Node and Deno: atomic files, durable appends, one process at a time. */
import {
  closeSync,
  fdatasync,
  fsync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { promisify } from 'node:util';
import { FileError, FolderBusyError } from '../core/errors.js';
import type { RunFolder } from '../training/folder.js';

const LOCK = 'run.lock';
const dataOnDisk = promisify(fdatasync);
const allOnDisk = promisify(fsync);

/** Opens (and makes) the folder and locks it. @throws FileError when another process holds it or it cannot be written. */
export function openRunFolder(path: string): RunFolder {
  const directory = resolve(path);
  guard(path, 'make the folder', () => makeFolder(directory));
  const unlock = lock(directory, path);
  // What a killed process had begun to write.
  for (const file of readdirSync(directory))
    if (/\.\d+\.tmp$/.test(file)) rmSync(join(directory, file), { force: true });
  const at = (file: string) => join(directory, file);
  return {
    name: path,
    async read(file) {
      try {
        return new Uint8Array(readFileSync(at(file)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw failure(path, `read ${file}`, error);
      }
    },
    async write(file, data) {
      const beside = at(`${file}.${process.pid}.tmp`);
      try {
        const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
        await writeDurably(beside, 'w', bytes);
        renameSync(beside, at(file));
        await syncDirectory(directory);
      } catch (error) {
        rmSync(beside, { force: true });
        throw failure(path, `write ${file}`, error);
      }
    },
    async append(file, text) {
      try {
        await writeDurably(at(file), 'a', new TextEncoder().encode(text));
      } catch (error) {
        throw failure(path, `append to ${file}`, error);
      }
    },
    async release() {
      unlock();
    },
  };
}

/** Who works in a folder right now, `process 17 on host`; undefined: nobody. */
export function folderHolder(path: string): string | undefined {
  const file = join(path, LOCK);
  const holder = statSync(file, { throwIfNoEntry: false }) && readHolder(file);
  return holder && alive(holder, file) ? `process ${holder.pid} on ${holder.host}` : undefined;
}

/** Not mkdir's own `recursive`: in a folder that takes no entries, such as /proc, Node 20 tries for ever. */
function makeFolder(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(directory);
  if (!statSync(parent, { throwIfNoEntry: false })) makeFolder(parent);
  try {
    mkdirSync(directory);
  } catch (error) {
    // Another process was faster.
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Waits for the disk without holding up the thread: files of several runs are made durable side by side. */
async function writeDurably(file: string, flags: 'w' | 'a', bytes: Uint8Array): Promise<void> {
  const handle = openSync(file, flags);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
    await dataOnDisk(handle);
  } finally {
    closeSync(handle);
  }
}

/** Makes a rename durable; some systems cannot sync a directory, and need not. */
async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = openSync(directory, 'r');
    try {
      await allOnDisk(handle);
    } finally {
      closeSync(handle);
    }
  } catch {}
}

const BEAT_MS = 15_000; // a holder touches its lock this often
const STALE_MS = 180_000; // the lock of another machine's process is void after this; clocks may differ by a minute

function touch(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {} // removed by hand
}

interface Holder {
  pid: number;
  host: string;
  started: string; // start time of the process, where the system tells it: process numbers are used again
}

/** A lock file with the holder's process. One left by a dead process of this host is taken over. */
function lock(directory: string, name: string): () => void {
  const file = join(directory, LOCK);
  const mine: Holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  for (let attempt = 0; attempt < 400; attempt++) {
    try {
      create(file, JSON.stringify(mine));
      const beat = setInterval(() => touch(file), BEAT_MS);
      beat.unref();
      return () => {
        clearInterval(beat);
        rmSync(file, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw failure(name, `write ${LOCK}`, error);
    }
    const holder = readHolder(file);
    if (holder && alive(holder, file))
      throw new FolderBusyError(
        `${name}: process ${holder.pid} on ${holder.host} is working in this folder; wait for it, stop it, or choose another --out`,
      );
    takeAway(file, holder);
  }
  throw new FileError(`${name}: ${LOCK} cannot be had; remove it if no process works in this folder`);
}

/** The file appears with its content or not at all, where the file system knows links. @throws EEXIST */
function create(file: string, text: string): void {
  const beside = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(beside, text); // not durable: whoever wrote it is dead after a power cut
    try {
      linkSync(beside, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
      const handle = openSync(file, 'wx');
      writeSync(handle, text);
      closeSync(handle);
    }
  } finally {
    rmSync(beside, { force: true });
  }
}

/** Removes a dead holder's lock; the guard file lets only one process do so at a time. */
function takeAway(file: string, dead: Holder | undefined): void {
  const guardFile = `${file}.taking`;
  try {
    closeSync(openSync(guardFile, 'wx'));
  } catch {
    // Someone else is at it; a guard that a killed process left is removed after a while.
    const age = Date.now() - (statSync(guardFile, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > 5000) rmSync(guardFile, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    return;
  }
  try {
    const now = readHolder(file);
    if (JSON.stringify(now) === JSON.stringify(dead)) rmSync(file, { force: true });
  } finally {
    rmSync(guardFile, { force: true });
  }
}

/** undefined: the file is gone, or its writer died before it wrote its name (an empty file a second old or more). */
function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Holder;
  } catch {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat && Date.now() - stat.mtimeMs < 1000)
      return { pid: process.pid, host: `${hostname()} (starting)`, started: '' };
    return undefined;
  }
}

function alive({ pid, host, started }: Holder, file: string): boolean {
  // Of another machine's process only its heartbeat is seen.
  if (host !== hostname()) return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < STALE_MS;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return started === startOf(pid);
}

/** Start time of a process in clock ticks since boot (Linux), '' elsewhere. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return '';
  }
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
  return new FileError(
    `${name}: could not ${what}: ${code || message}; ${remedies[code] ?? 'look at the folder and try again'}`,
    {
      cause: error,
    },
  );
}
