/** Runs kept in the browser's private file system, and what happens if they cannot be. */
import { FileError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { parseRecords, type RunRecord } from '../core/records.js';
import { safetensorsMetadata } from '../core/safetensors.js';
import { openOriginFolder, readWhole } from '../platform/opfsFolder.js';
import type { Parent } from '../training/continued.js';
import { files, MemoryFolder, type RunFolder } from '../training/folder.js';

/**
 * The named folder; a folder in memory, with a notice, if there is no storage, another tab works in it, or storage fills up
 * later. Training never stops because it cannot be saved.
 */
export async function keepOrMemory(name: string | undefined, notice: (text: string) => void): Promise<RunFolder> {
  if (name === undefined) return new MemoryFolder();
  try {
    return new ForgivingFolder(await openSoon(name), notice);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    notice(
      isInUse(error)
        ? 'Another tab is training this run; this tab trains a copy that will not be kept.'
        : `This run will be lost when the page is closed: ${error.message}.`,
    );
    return new MemoryFolder(name);
  }
}

/** Waits briefly for a folder in use: after a reload the page's former worker may not have ended yet. */
async function openSoon(name: string, tries = 8): Promise<RunFolder> {
  try {
    return await openOriginFolder(name);
  } catch (error) {
    if (tries === 1 || !isInUse(error)) throw error;
    await new Promise((resolve) => setTimeout(resolve, 400));
    return openSoon(name, tries - 1);
  }
}

const isInUse = (error: unknown) => error instanceof FileError && /another tab/.test(error.message);

export interface KeptRun {
  name: string;
  experiment: unknown; // parsed from its file
  records: RunRecord[];
  step: number; // step of its checkpoint, 0: it has none
  ended: boolean; // nothing is left to train
}

/** The stored files of a run; undefined if there are none, or no storage. Takes no lock. */
export async function readKept(name: string): Promise<KeptRun | undefined> {
  try {
    const directory = await (await runsDirectory()).getDirectoryHandle(name);
    const text = async (file: string) => (await (await directory.getFileHandle(file)).getFile()).text();
    const experiment = JSON.parse(await text(files.experiment));
    const { records } = parseRecords(await text(files.records));
    const replicas = Number((experiment as { replicas?: unknown }).replicas ?? 1);
    const step = await stepOfCheckpoint(directory, name);
    return { name, experiment, records, step, ended: allEnded(records, replicas) };
  } catch {
    return undefined;
  }
}

const HEADER_BYTES = 2 ** 20; // more than any header of the page's networks

async function stepOfCheckpoint(directory: FileSystemDirectoryHandle, name: string): Promise<number> {
  const stepIn = (bytes: Uint8Array, size?: number) => Number(safetensorsMetadata(bytes, files.checkpoint, size).step);
  try {
    const file = await (await directory.getFileHandle(files.checkpoint)).getFile();
    return stepIn(new Uint8Array(await file.slice(0, HEADER_BYTES).arrayBuffer()), file.size);
  } catch {
    const whole = await readWhole(directory, name, files.checkpoint);
    return whole ? stepIn(whole) : 0;
  }
}

/** The files of a kept run as bytes, by name. */
export async function keptFiles(name: string): Promise<Record<string, Uint8Array>> {
  const found: Record<string, Uint8Array> = {};
  try {
    const directory = await (await runsDirectory()).getDirectoryHandle(name);
    for (const file of Object.values(files)) {
      const bytes = await readWhole(directory, name, file);
      if (bytes) found[file] = bytes;
    }
  } catch {
    // Missing files are left out of the result.
  }
  return found;
}

/** All kept runs, newest first. */
export async function listKept(): Promise<KeptRun[]> {
  const found: KeptRun[] = [];
  try {
    for await (const name of (await runsDirectory()).keys()) {
      const run = await readKept(name);
      if (run) found.push(run);
    }
  } catch {
    return found;
  }
  const startOf = ({ records }: KeptRun) => records.reduce((t, r) => (r.type === 'start' && r.time ? r.time : t), '');
  return found.sort((a, b) => startOf(b).localeCompare(startOf(a)));
}

/** A kept run that another one continues; undefined: it is not kept, or has no checkpoint. */
export async function keptParent(name: string): Promise<Parent | undefined> {
  const { [files.experiment]: experiment, [files.checkpoint]: checkpoint } = await keptFiles(name);
  if (!experiment || !checkpoint) return undefined;
  return {
    name,
    hash: name,
    experiment: parseExperiment(JSON.parse(new TextDecoder().decode(experiment))),
    checkpoint,
  };
}

/** The evaluations of the runs that an experiment continues, earliest first; runs that are no longer kept are left out. */
export async function earlierRecords({ from }: Experiment): Promise<RunRecord[]> {
  const kept = from && (await readKept(from.run));
  if (!kept) return [];
  const before = await earlierRecords(parseExperiment(kept.experiment));
  return [...before, ...kept.records.filter((r) => r.type === 'eval' && r.step <= from.step)];
}

/** Removes kept runs. @returns a function that restores them while the page is open; undefined: they were empty */
export async function takeOut(names: readonly string[]): Promise<(() => Promise<void>) | undefined> {
  const taken = await Promise.all(names.map(async (name) => ({ name, contents: await keptFiles(name) })));
  for (const name of names) await forget(name);
  if (!taken.some(({ contents }) => contents[files.records])) return undefined;
  return async () => {
    for (const { name, contents } of taken) {
      await forget(name); // the run that replaced it
      const folder = await openSoon(name);
      try {
        for (const [file, bytes] of Object.entries(contents)) await folder.write(file, bytes);
      } finally {
        await folder.release();
      }
    }
  };
}

/** Removes a kept run. @throws FileError if a tab works in it. */
export async function forget(name: string): Promise<void> {
  if (!navigator.storage?.getDirectory) return;
  await navigator.locks.request(`rhm-lab/runs/${name}`, { ifAvailable: true }, async (held) => {
    if (!held) throw new FileError(`${name}: another tab is training this run; stop it there first`);
    try {
      await (await runsDirectory()).removeEntry(name, { recursive: true });
    } catch (error) {
      if ((error as DOMException).name !== 'NotFoundError') throw error;
    }
  });
}

async function runsDirectory(): Promise<FileSystemDirectoryHandle & { keys(): AsyncIterable<string> }> {
  const root = await navigator.storage.getDirectory();
  return (await root.getDirectoryHandle('runs', { create: true })) as Awaited<ReturnType<typeof runsDirectory>>;
}

/** Whether every replica has ended since the run was last started. */
export function allEnded(records: readonly RunRecord[], replicas: number): boolean {
  const ended = new Set<number>();
  for (const r of records) if (r.type === 'end' && r.replica !== undefined) ended.add(r.replica);
  return ended.size >= replicas;
}

class ForgivingFolder implements RunFolder {
  #memory: MemoryFolder | undefined;
  constructor(
    readonly kept: RunFolder,
    readonly notice: (text: string) => void,
  ) {}

  get name(): string {
    return this.kept.name;
  }

  async read(file: string): Promise<Uint8Array | undefined> {
    return this.#memory?.contents.get(file) ?? this.kept.read(file);
  }

  write(file: string, bytes: Uint8Array | string): Promise<void> {
    return this.#try(
      () => this.kept.write(file, bytes),
      (memory) => memory.write(file, bytes),
    );
  }

  append(file: string, text: string): Promise<void> {
    return this.#try(
      () => this.kept.append(file, text),
      async (memory) => {
        if (!memory.contents.has(file)) await memory.write(file, (await this.kept.read(file)) ?? '');
        await memory.append(file, text);
      },
    );
  }

  release(): Promise<void> {
    return this.kept.release();
  }

  async #try(keep: () => Promise<void>, remember: (memory: MemoryFolder) => Promise<void>): Promise<void> {
    if (this.#memory) return remember(this.#memory);
    try {
      await keep();
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      this.notice(`From now on this run will be lost when the page is closed: ${error.message}.`);
      this.#memory = new MemoryFolder(this.name);
      await remember(this.#memory);
    }
  }
}
