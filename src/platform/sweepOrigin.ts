/** A sweep's store in the browser's private file system: sweeps/<name>/ with version and index, runs/<name>.<hash>/ with the runs. */
import { FileError, InputError } from '../core/errors.js';
import { checkEntryName, isEntryName, parseJson } from '../core/outside.js';
import { foldIndex, indexLines, STORE_VERSION, type SweepStore } from '../sweep/store.js';

const VERSION_FILE = 'store.json';
const INDEX = 'index.jsonl';

/** Opens or creates the store of that name. @throws InputError for a bad name or a newer version; FileError without storage. */
export async function openSweepOrigin(name: string): Promise<SweepStore> {
  if (!/^[\w-]+$/.test(name)) throw new InputError(`store: got "${name}"; pass a name of letters, digits, - and _`);
  const { storage, locks } = navigator;
  if (!storage?.getDirectory || !locks)
    throw new FileError(`${name}: this page has no private file system; serve it from https or localhost`);
  const root = await storage.getDirectory();
  const sweeps = await root.getDirectoryHandle('sweeps', { create: true });
  const runs = await root.getDirectoryHandle('runs', { create: true });
  const own = await sweeps.getDirectoryHandle(name, { create: true });
  const alone = <T>(work: () => Promise<T>): Promise<T> => locks.request(`rhm-lab/sweeps/${name}`, work) as Promise<T>;
  const location = (hash: string) => `${name}.${checkEntryName(hash, `${name}: run`)}`;
  const id = await alone(() => versionOf(own, name));
  return {
    name,
    id,
    read: async () => foldIndex((await readText(own, INDEX)) ?? ''),
    async note(events) {
      if (events.length) await alone(() => append(own, INDEX, indexLines(events), name));
    },
    async folders() {
      const found = new Set<string>();
      for await (const entry of (runs as unknown as { keys(): AsyncIterable<string> }).keys())
        if (entry.startsWith(`${name}.`) && isEntryName(entry.slice(name.length + 1)))
          found.add(entry.slice(name.length + 1));
      return found;
    },
    location,
    async file(hash, file) {
      const directory = await found(runs.getDirectoryHandle(location(hash)));
      return directory && readText(directory, file);
    },
    async bytes(hash, file) {
      const directory = await found(runs.getDirectoryHandle(location(hash)));
      const handle = directory && (await found(directory.getFileHandle(file)));
      return handle && new Uint8Array(await (await handle.getFile()).arrayBuffer());
    },
    async holder(hash) {
      const { held } = await locks.query();
      return held?.some((lock) => lock.name === `rhm-lab/runs/${location(hash)}`) ? 'another tab or worker' : undefined;
    },
  };
}

async function versionOf(directory: FileSystemDirectoryHandle, name: string): Promise<string> {
  const text = await readText(directory, VERSION_FILE);
  if (text === undefined) {
    const id = crypto.randomUUID();
    const made = JSON.stringify({ format: 'rhm sweep store', version: STORE_VERSION, id });
    await append(directory, VERSION_FILE, made, name);
    return id;
  }
  const { version, id } = Object(parseJson(text, `${name}: ${VERSION_FILE}`)) as Record<string, unknown>;
  if (!Number.isInteger(version) || !isEntryName(id))
    throw new InputError(`${name}: ${VERSION_FILE} contains no version and id; choose another name`);
  if ((version as number) > STORE_VERSION)
    throw new InputError(
      `${name}: a store of version ${version}, this program knows versions up to ${STORE_VERSION}; load a newer page`,
    );
  return id;
}

async function append(directory: FileSystemDirectoryHandle, file: string, text: string, name: string): Promise<void> {
  try {
    const handle = await directory.getFileHandle(file, { create: true });
    const stream = await handle.createWritable({ keepExistingData: true });
    await stream.seek((await handle.getFile()).size);
    await stream.write(text);
    await stream.close();
  } catch (error) {
    throw new FileError(
      `${name}: could not append to ${file}: ${(error as DOMException).name}; the browser's storage may be full`,
      {
        cause: error,
      },
    );
  }
}

async function readText(directory: FileSystemDirectoryHandle, file: string): Promise<string | undefined> {
  const handle = await found(directory.getFileHandle(file));
  return handle && (await handle.getFile()).text();
}

async function found<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if ((error as DOMException).name === 'NotFoundError') return undefined;
    throw error;
  }
}
