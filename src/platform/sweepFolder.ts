/** A sweep's store on disk, for Node and Deno: DIR/store.json, DIR/index.jsonl, DIR/runs/<hash>/. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, InputError } from '../core/errors.js';
import { foldIndex, indexLines, STORE_VERSION, type SweepStore } from '../sweep/store.js';
import { folderHolder } from './nodeFolder.js';

const VERSION_FILE = 'store.json';
const INDEX = 'index.jsonl';

/**
 * Opens the store of a folder, and makes it unless `existing`. @throws InputError for a store of a newer version, or where
 * there is none; FileError when it cannot be read or written.
 */
export function openSweepFolder(directory: string, options: { existing?: boolean } = {}): SweepStore {
  const runs = join(directory, 'runs');
  const version = readText(join(directory, VERSION_FILE));
  if (version !== undefined) checkVersion(directory, version);
  else if (options.existing)
    throw new InputError(
      `${directory}: no sweep is stored here (no ${VERSION_FILE}); rhm sweep run SPEC --out ${directory} makes one`,
    );
  else create(directory, runs);
  return {
    name: directory,
    read: async () => foldIndex(readText(join(directory, INDEX)) ?? ''),
    async note(events) {
      if (!events.length) return;
      // One write to a file opened for appending: lines of different processes do not mix.
      guard(directory, `append to ${INDEX}`, () => appendFileSync(join(directory, INDEX), indexLines(events)));
    },
    async folders() {
      const found = guard(directory, 'list the runs', () => readdirSync(runs, { withFileTypes: true }));
      return new Set(found.filter((entry) => entry.isDirectory()).map((entry) => entry.name));
    },
    location: (hash) => join(runs, hash),
    file: async (hash, file) => readText(join(runs, hash, file)),
    holder: async (hash) => folderHolder(join(runs, hash)),
  };
}

function create(directory: string, runs: string): void {
  guard(directory, 'make the store', () => {
    mkdirSync(runs, { recursive: true });
    const beside = join(directory, `${VERSION_FILE}.${process.pid}.tmp`);
    writeFileSync(beside, `${JSON.stringify({ format: 'rhm sweep store', version: STORE_VERSION })}\n`);
    renameSync(beside, join(directory, VERSION_FILE));
  });
}

function checkVersion(directory: string, text: string): void {
  let version: unknown;
  try {
    version = JSON.parse(text).version;
  } catch {}
  if (!Number.isInteger(version))
    throw new InputError(`${join(directory, VERSION_FILE)}: names no version; restore it, or choose another --out`);
  if ((version as number) > STORE_VERSION)
    throw new InputError(
      `${directory}: a store of version ${version}, this program knows versions up to ${STORE_VERSION}; update rhm-lab, or choose another --out`,
    );
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new FileError(`${file}: could not read it: ${code}; look at the folder and try again`, { cause: error });
  }
}

function guard<T>(directory: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new FileError(`${directory}: could not ${what}: ${code ?? message}; make room or choose another --out`, {
      cause: error,
    });
  }
}
