/**
 * A run's folder in the browser's origin-private file system. An existing file is replaced when its stream closes; a new one would be
 * seen empty until then, so it is written beside and moved. The last checkpoint but one is kept too.
 */
import { FileError, FolderBusyError } from '../core/errors.js';
import { verifyCheckpoint } from '../training/checkpoint.js';
import { files, type RunFolder } from '../training/folder.js';

const BESIDE = '.new'; // suffix of a file that is being written
const BEFORE = '.old'; // suffix of the last checkpoint but one

/** Not in TypeScript's library yet; all current browsers have it, Chrome before 110 and Firefox before 111 do not. */
type MovableFile = FileSystemFileHandle & { move?(name: string): Promise<void> };

/** Opens `runs/<name>` and locks it for this tab or worker. @throws FileError if another one holds it, or there is no storage. */
export async function openOriginFolder(name: string): Promise<RunFolder> {
  if (!name || /[/\\]|^\.{1,2}$/.test(name))
    throw new FileError(`folder: got "${name}"; pass a name without slashes for the browser's private file system`);
  const { storage, locks } = navigator;
  if (!storage?.getDirectory || !locks)
    throw new FileError(`${name}: this page has no private file system; serve it from https or localhost`);
  const unlock = await lock(`rhm-lab/runs/${name}`, name);
  try {
    const root = await storage.getDirectory();
    const runs = await root.getDirectoryHandle('runs', { create: true });
    const directory = await runs.getDirectoryHandle(name, { create: true });
    return folderIn(directory, name, unlock);
  } catch (error) {
    unlock();
    throw failure(name, 'open the folder', error);
  }
}

/** A file of `runs/<name>`, even while another tab works there; undefined if there is none. @throws FileError */
export async function readOriginFile(name: string, file: string): Promise<Uint8Array | undefined> {
  const root = await navigator.storage?.getDirectory?.();
  if (!root) throw new FileError(`${name}: this page has no private file system; serve it from https or localhost`);
  try {
    const runs = await root.getDirectoryHandle('runs');
    return await readWhole(await runs.getDirectoryHandle(name), name, file);
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') return undefined;
    throw error instanceof FileError ? error : failure(name, `read ${file}`, error);
  }
}

/**
 * The file; in place of an incomplete checkpoint the one before it, if there is one. An empty file counts as missing: older versions
 * left one when the page was closed before the first stream was. @throws FileError
 */
export async function readWhole(
  directory: FileSystemDirectoryHandle,
  name: string,
  file: string,
): Promise<Uint8Array | undefined> {
  const bytes = await readIn(directory, name, file);
  if (file !== files.checkpoint || (bytes && (await isWhole(bytes)))) return bytes;
  const before = await readIn(directory, name, file + BEFORE);
  return before && (await isWhole(before)) ? before : bytes;
}

async function isWhole(checkpoint: Uint8Array): Promise<boolean> {
  return verifyCheckpoint(checkpoint, files.checkpoint).then(
    () => true,
    () => false,
  );
}

async function readIn(
  directory: FileSystemDirectoryHandle,
  name: string,
  file: string,
): Promise<Uint8Array | undefined> {
  try {
    const handle = await directory.getFileHandle(file);
    const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
    return bytes.length ? bytes : undefined;
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') return undefined;
    throw failure(name, `read ${file}`, error);
  }
}

function folderIn(directory: FileSystemDirectoryHandle, name: string, unlock: () => void): RunFolder {
  const existing = async (file: string): Promise<MovableFile | undefined> => {
    try {
      return await directory.getFileHandle(file);
    } catch (error) {
      if ((error as DOMException).name === 'NotFoundError') return undefined;
      throw error;
    }
  };
  const fill = async (handle: FileSystemFileHandle, data: Uint8Array | string, keep: boolean) => {
    const stream = await handle.createWritable({ keepExistingData: keep });
    if (keep) await stream.seek((await handle.getFile()).size);
    await stream.write(typeof data === 'string' ? data : new Uint8Array(data));
    await stream.close();
  };
  const put = async (file: string, data: Uint8Array | string, keep: boolean) => {
    try {
      const old = await existing(file);
      if (old && (keep || file !== files.checkpoint || !old.move)) return await fill(old, data, keep);
      const beside: MovableFile = await directory.getFileHandle(file + BESIDE, { create: true });
      if (!beside.move) {
        await directory.removeEntry(file + BESIDE);
        return await fill(await directory.getFileHandle(file, { create: true }), data, false);
      }
      await fill(beside, data, false);
      if (old?.move && (await old.getFile()).size) await old.move(file + BEFORE); // until the next line, this is the file that is read
      await beside.move(file);
    } catch (error) {
      throw failure(name, `write ${file}`, error);
    }
  };
  return {
    name,
    read: (file) => readWhole(directory, name, file),
    write: (file, bytes) => put(file, bytes, false),
    append: (file, text) => put(file, text, true),
    release: async () => unlock(),
  };
}

/** Holds one of the browser's locks until the function it resolves to is called. */
function lock(id: string, name: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(id, { ifAvailable: true }, (held) => {
        if (!held) {
          reject(
            new FolderBusyError(
              `${name}: another tab or worker is working in this folder; wait for it or take another`,
            ),
          );
          return;
        }
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}

function failure(name: string, what: string, error: unknown): FileError {
  const { name: kind, message } = error as DOMException;
  const remedy = kind === 'QuotaExceededError' ? "the browser's storage is full; remove other runs" : message;
  return new FileError(`${name}: could not ${what}: ${kind}; ${remedy}`, { cause: error });
}
