/** A sweep's store in memory, and workers with scripted behaviour. */
import { FolderBusyError } from '../../src/core/errors.js';
import { foldIndex, indexLines, type SweepStore } from '../../src/sweep/store.js';
import { MemoryFolder, type RunFolder } from '../../src/training/folder.js';

export class MemoryStore implements SweepStore {
  readonly name = 'memory';
  readonly id = 'memory';
  index = '';
  readonly runs = new Map<string, MemoryFolder>();
  readonly held = new Set<string>();

  async read() {
    return foldIndex(this.index);
  }
  async note(events: Parameters<SweepStore['note']>[0]) {
    this.index += indexLines(events);
  }
  async folders() {
    return new Set(this.runs.keys());
  }
  location(hash: string) {
    return hash;
  }
  async file(hash: string, file: string) {
    const bytes = this.runs.get(hash)?.contents.get(file);
    return bytes && new TextDecoder().decode(bytes);
  }
  async bytes(hash: string, file: string) {
    return this.runs.get(hash)?.contents.get(file);
  }
  async holder(hash: string) {
    return this.held.has(hash) ? 'someone' : undefined;
  }

  openFolder = async (hash: string): Promise<RunFolder> => {
    if (this.held.has(hash)) throw new FolderBusyError(`${hash}: someone is working in this folder`);
    this.held.add(hash);
    const folder = this.runs.get(hash) ?? new MemoryFolder(hash);
    this.runs.set(hash, folder);
    return {
      name: hash,
      read: (file) => folder.read(file),
      write: (file, bytes) => folder.write(file, bytes),
      append: (file, text) => folder.append(file, text),
      release: async () => void this.held.delete(hash),
    };
  };
}
