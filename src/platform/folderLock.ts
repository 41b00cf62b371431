/** One process at a time in a folder: a lock file with its holder, touched while it lives. Node and Deno. */
import {
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { DiskFullError, FileError, FolderBusyError, isFull } from '../core/errors.js';
import { isRunning, type ProcessIdentity, thisProcess } from './processIdentity.js';

const LOCK = 'run.lock';
const BEAT_MS = 15_000; // interval at which a holder touches its lock
const STALE_MS = 180_000; // after this time the lock of a process that cannot be observed from here is void; clocks may differ by a minute
const GUARD_MS = 5000; // after this time a guard left by a killed process is void

export interface FolderLock {
  /** @throws FileError if another process has it by now because this one was suspended for too long. */
  check(): void;
  release(): void;
}

interface Holder extends ProcessIdentity {
  token?: string; // distinguishes this lock from a later one of the same process
}

/** Takes the lock; one left by a dead process is taken over. @throws FolderBusyError if it is held; FileError */
export function lockFolder(directory: string, name: string): FolderLock {
  const file = join(directory, LOCK);
  for (let attempt = 0; attempt < 400; attempt++) {
    const mine: Holder = { ...thisProcess(), token: crypto.randomUUID() };
    try {
      create(file, JSON.stringify(mine));
      return hold(file, mine, name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST')
        throw new (isFull(code) ? DiskFullError : FileError)(
          `${name}: could not write ${LOCK}: ${code}; ${remedies[code ?? ''] ?? 'check the folder and try again'}`,
          { cause: error },
        );
    }
    const holder = readHolder(file, name);
    if (holder && isAlive(holder, file))
      throw new FolderBusyError(
        `${name}: process ${holder.pid} on ${holder.host} is working in this folder; wait for it, stop it, or choose another --out`,
      );
    takeAway(file, holder, name);
  }
  throw new FileError(`${name}: ${LOCK} could not be acquired; remove it if no process works in this folder`);
}

/** The process that is working in the folder now, `process 17 on host`; undefined: none. */
export function folderHolder(path: string): string | undefined {
  const file = join(path, LOCK);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat && !stat.isFile()) return `nobody: ${LOCK} is not a regular file, remove it`;
  const holder = stat && readHolder(file, path);
  return holder && isAlive(holder, file) ? `process ${holder.pid} on ${holder.host}` : undefined;
}

const remedies: Record<string, string> = {
  EACCES: 'you may not write there; choose another --out',
  EROFS: 'the file system is read-only; choose another --out',
  ENOSPC: 'the disk is full; free some space and continue with --resume',
  EDQUOT: 'your quota is used up; free some space and continue with --resume',
};

const held = new Map<string, Holder>(); // by lock file
process.on('exit', () => {
  for (const [file, mine] of held) removeOwn(file, mine);
});

function hold(file: string, mine: Holder, name: string): FolderLock {
  held.set(file, mine);
  const beat = setInterval(() => {
    if (isOwn(file, mine)) touch(file);
  }, BEAT_MS);
  beat.unref();
  return {
    check() {
      if (isOwn(file, mine)) return;
      throw new FileError(
        `${name}: this process has lost ${LOCK} (it was suspended for too long, or the file was removed), and another process may be working here; ` +
          'everything saved so far is kept, continue with --resume',
      );
    },
    release() {
      clearInterval(beat);
      held.delete(file);
      removeOwn(file, mine);
    },
  };
}

function touch(file: string): void {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch {} // removed manually
}

const isOwn = (file: string, mine: Holder): boolean => contentOf(file) === JSON.stringify(mine);

function removeOwn(file: string, mine: Holder): void {
  if (isOwn(file, mine)) rmSync(file, { force: true });
}

/** The file appears with its content or not at all, if the file system supports links. @throws EEXIST */
function create(file: string, text: string): void {
  const beside = `${file}.${crypto.randomUUID()}.tmp`;
  try {
    writeFileSync(beside, text, { flag: 'wx' }); // need not be durable: after a power cut its writer is dead
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

/** Removes a dead holder's lock after a second check; the guard file lets only one process do so at a time. */
export function takeAway(file: string, dead: Holder | undefined, name = file): void {
  const guardFile = `${file}.taking`;
  try {
    closeSync(openSync(guardFile, 'wx'));
  } catch {
    // Another process is doing this.
    const since = statSync(guardFile, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Math.abs(Date.now() - since) > GUARD_MS) rmSync(guardFile, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    return;
  }
  try {
    const now = readHolder(file, name);
    if (JSON.stringify(now) === JSON.stringify(dead)) rmSync(file, { force: true });
  } finally {
    rmSync(guardFile, { force: true });
  }
}

/** undefined: the file is gone, or its writer died before it wrote its name (an empty file, at least a second old). @throws FileError */
function readHolder(file: string, name: string): Holder | undefined {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (!stat.isFile())
    throw new FileError(`${name}: ${LOCK} is not a regular file; remove it if no process works in this folder`);
  try {
    const holder = JSON.parse(contentOf(file) ?? '') as Holder;
    if (typeof holder === 'object' && holder !== null && 'pid' in holder) return holder;
  } catch {}
  if (Math.abs(Date.now() - stat.mtimeMs) < 1000) return { ...thisProcess(), host: 'this machine (starting)' };
  return undefined;
}

function contentOf(file: string): string | undefined {
  try {
    // Reading a pipe of that name would never end.
    return lstatSync(file).isFile() ? readFileSync(file, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

/** By its process if that can be observed, else by its heartbeat. */
function isAlive(holder: Holder, file: string): boolean {
  const running = isRunning(holder);
  if (running !== undefined) return running;
  const touched = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return touched !== undefined && Math.abs(Date.now() - touched) < STALE_MS;
}
