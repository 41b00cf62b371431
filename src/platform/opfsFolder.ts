/** A run's folder in the browser's origin-private file system. Files appear whole: a stream takes its file's place on close. */
import { FileError, FolderBusyError } from '../core/errors.js';
import type { RunFolder } from '../training/folder.js';

/** Opens `runs/<name>` and locks it for this tab or worker. @throws FileError when another one holds it, or there is no storage. */
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

/** A file of `runs/<name>`, whoever works there; undefined: there is none. @throws FileError */
export async function readOriginFile(name: string, file: string): Promise<Uint8Array | undefined> {
  const root = await navigator.storage?.getDirectory?.();
  if (!root) throw new FileError(`${name}: this page has no private file system; serve it from https or localhost`);
  try {
    const runs = await root.getDirectoryHandle('runs');
    return await readIn(await runs.getDirectoryHandle(name), name, file);
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') return undefined;
    throw error instanceof FileError ? error : failure(name, `read ${file}`, error);
  }
}

async function readIn(
  directory: FileSystemDirectoryHandle,
  name: string,
  file: string,
): Promise<Uint8Array | undefined> {
  try {
    const handle = await directory.getFileHandle(file);
    return new Uint8Array(await (await handle.getFile()).arrayBuffer());
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') return undefined;
    throw failure(name, `read ${file}`, error);
  }
}

function folderIn(directory: FileSystemDirectoryHandle, name: string, unlock: () => void): RunFolder {
  const put = async (file: string, data: Uint8Array | string, keep: boolean) => {
    try {
      const handle = await directory.getFileHandle(file, { create: true });
      const stream = await handle.createWritable({ keepExistingData: keep });
      if (keep) await stream.seek((await handle.getFile()).size);
      await stream.write(typeof data === 'string' ? data : new Uint8Array(data));
      await stream.close();
    } catch (error) {
      throw failure(name, `write ${file}`, error);
    }
  };
  return {
    name,
    read: (file) => readIn(directory, name, file),
    write: (file, bytes) => put(file, bytes, false),
    append: (file, text) => put(file, text, true),
    release: async () => unlock(),
  };
}

/** Holds a lock of the browser until the function it resolves to is called. */
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
