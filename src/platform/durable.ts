/**
 * Writing so that after a power cut either the old or the new content is there: data, names and folders reach the disk in this
 * order. Node and Deno.
 */
import { closeSync, fdatasync, fsync, fsyncSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

const dataOnDisk = promisify(fdatasync);
const allOnDisk = promisify(fsync);

/**
 * Makes a folder and its parents, each durably. mkdir's own `recursive` is not used: in a folder that accepts no entries, such as
 * /proc, Node 20 tries forever.
 */
export function makeFolder(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(directory);
  if (!statSync(parent, { throwIfNoEntry: false })) {
    if (parent === directory) throw Object.assign(new Error('no such folder'), { code: 'ENOENT' });
    makeFolder(parent);
  }
  try {
    mkdirSync(directory);
  } catch (error) {
    // Another process made it first.
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
  syncDirectoryNow(parent);
}

/**
 * Writes a new file (`wx`: it must not exist) or appends to one, and waits for the disk without blocking the thread, so that files of
 * several runs become durable in parallel. The name of a new file is durable only after syncDirectory.
 */
export async function writeDurably(file: string, flags: 'wx' | 'a', bytes: Uint8Array): Promise<void> {
  const handle = openSync(file, flags);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
    await dataOnDisk(handle);
  } finally {
    closeSync(handle);
  }
}

const HELD = ['EPERM', 'EACCES', 'EBUSY']; // error codes on Windows for a file that another process has open
const LONGEST_WAIT_MS = 3000;

/**
 * Renames a complete file, replacing the one that has the name. On Windows this fails for a moment while a virus scanner, an indexer
 * or a reader has the old file open, so it is retried for three seconds. @throws what `rename` throws
 */
export function renameOver(from: string, to: string, system: string = process.platform, rename = renameSync): void {
  for (let waitMs = 10, waitedMs = 0; ; waitMs *= 2) {
    try {
      rename(from, to);
      return;
    } catch (error) {
      const mayPass = system === 'win32' && HELD.includes((error as NodeJS.ErrnoException).code ?? '');
      if (!mayPass || waitedMs >= LONGEST_WAIT_MS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs);
      waitedMs += waitMs;
    }
  }
}

/** Makes the names in a directory durable; some systems cannot sync a directory, and do not need to. */
export async function syncDirectory(directory: string): Promise<void> {
  let handle: number | undefined;
  try {
    handle = openSync(directory, 'r');
    await allOnDisk(handle);
  } catch {
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/** The same, synchronously. */
export function syncDirectoryNow(directory: string): void {
  let handle: number | undefined;
  try {
    handle = openSync(directory, 'r');
    fsyncSync(handle);
  } catch {
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
