/** A sweep's store on disk, for Node and Deno: DIR/store.json, DIR/index.jsonl, DIR/runs/<hash>/. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { DiskFullError, FileError, InputError, isFull } from '../core/errors.js';
import { checkEntryName, isEntryName, parseJson } from '../core/outside.js';
import { IndexFold, indexLines, type RunEntry, STORE_VERSION, type SweepStore } from '../sweep/store.js';
import { makeFolder, syncDirectoryNow, writeDurably } from './durable.js';
import { folderHolder } from './folderLock.js';
import { checkFolderName } from './ownFiles.js';

const VERSION_FILE = 'store.json';
const INDEX = 'index.jsonl';

/**
 * Opens the store of a folder, creating it unless `existing`. @throws InputError for a store of a newer version, or if there is
 * none; FileError if it cannot be read or written.
 */
export function openSweepFolder(directory: string, options: { existing?: boolean } = {}): SweepStore {
  checkFolderName(directory, '--out');
  const runs = join(directory, 'runs');
  const location = (hash: string) => join(runs, checkEntryName(hash, `${directory}: run`));
  const exists = readText(join(directory, VERSION_FILE)) !== undefined;
  if (!exists && options.existing)
    throw new InputError(
      `${directory}: no sweep is stored here (no ${VERSION_FILE}); rhm sweep run SPEC --out ${directory} makes one`,
    );
  if (!exists) create(directory, runs);
  return {
    name: directory,
    id: readVersion(directory),
    read: async () => readIndex(join(directory, INDEX)),
    async note(events) {
      if (!events.length) return;
      const file = join(directory, INDEX);
      const fresh = !existsSync(file);
      // One write to a file opened for appending, so that lines of different processes do not mix.
      try {
        await writeDurably(file, 'a', new TextEncoder().encode(indexLines(events)));
        if (fresh) syncDirectoryNow(directory);
      } catch (error) {
        throw failure(directory, `append to ${INDEX}`, error);
      }
    },
    async folders() {
      const found = guard(directory, 'list the runs', () => readdirSync(runs, { withFileTypes: true }));
      return new Set(found.filter((e) => e.isDirectory() && isEntryName(e.name)).map((e) => e.name));
    },
    location,
    file: async (hash, file) => readText(join(location(hash), file)),
    bytes: async (hash, file) => readBytes(join(location(hash), file)),
    holder: async (hash) => folderHolder(location(hash)),
  };
}

const ABANDONED_MS = 60_000;

/** Removes incomplete stores left by killed processes; a recent one may belong to a process that is making the same store now. */
function removeAbandoned(directory: string): void {
  for (const file of readdirSync(directory)) {
    if (!file.startsWith(`${VERSION_FILE}.`) || !file.endsWith('.tmp')) continue;
    const path = join(directory, file);
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN;
    if (Date.now() - made > ABANDONED_MS) rmSync(path, { force: true });
  }
}

function create(directory: string, runs: string): void {
  guard(directory, 'make the store', () => {
    makeFolder(resolve(runs));
    removeAbandoned(directory);
    const beside = join(directory, `${VERSION_FILE}.${crypto.randomUUID()}.tmp`);
    try {
      const handle = openSync(beside, 'wx');
      try {
        const version = { format: 'rhm sweep store', version: STORE_VERSION, id: crypto.randomUUID() };
        writeFileSync(handle, `${JSON.stringify(version)}\n`);
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      try {
        linkSync(beside, join(directory, VERSION_FILE)); // never over another process's file
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'EEXIST') renameSync(beside, join(directory, VERSION_FILE));
      }
    } finally {
      rmSync(beside, { force: true });
    }
    syncDirectoryNow(directory);
  });
}

/** The id of the store. @throws InputError if its version is newer than this program's. */
function readVersion(directory: string): string {
  let version: unknown;
  let id: unknown;
  try {
    ({ version, id } = Object(
      parseJson(readText(join(directory, VERSION_FILE)) ?? '', VERSION_FILE, { bytes: 65536 }),
    ));
  } catch {}
  if (!Number.isInteger(version) || !isEntryName(id))
    throw new InputError(
      `${join(directory, VERSION_FILE)}: no version and id in it; restore it, or choose another --out`,
    );
  if ((version as number) > STORE_VERSION)
    throw new InputError(
      `${directory}: a store of version ${version}, this program knows versions up to ${STORE_VERSION}; update rhm-lab, or choose another --out`,
    );
  return id;
}

const PIECE = 2 ** 20; // bytes

function readIndex(file: string): Map<string, RunEntry> {
  const index = new IndexFold();
  const decoder = new TextDecoder();
  const piece = new Uint8Array(PIECE);
  const handle = openIfThere(file);
  if (handle === undefined) return index.end();
  try {
    for (let bytes = readSync(handle, piece); bytes > 0; bytes = readSync(handle, piece))
      index.add(decoder.decode(piece.subarray(0, bytes), { stream: true }));
    return index.end();
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    closeSync(handle);
  }
}

function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(file, error);
  }
}

const readText = (file: string): string | undefined => readBytes(file)?.toString('utf8');

function readBytes(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): FileError {
  const { code } = error as NodeJS.ErrnoException;
  return new FileError(`${file}: could not read it: ${code}; check the folder and try again`, { cause: error });
}

function guard<T>(directory: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw failure(directory, what, error);
  }
}

function failure(directory: string, what: string, error: unknown): FileError {
  const { code, message } = error as NodeJS.ErrnoException;
  const text = `${directory}: could not ${what}: ${code ?? message}; make room or choose another --out`;
  return new (isFull(code) ? DiskFullError : FileError)(text, { cause: error });
}
