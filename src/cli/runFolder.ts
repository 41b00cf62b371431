/** Reads the files that `rhm train` left in a folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../core/errors.js';
import { hashIn } from '../platform/runFolders.js';
import { type FinishedRun, readFinishedRun } from '../training/finishedRun.js';
import { files } from '../training/folder.js';

/** @throws InputError naming the missing file; DamageError naming those that are not as they were written. */
export function readRun(folder: string, report: (line: string) => void): Promise<FinishedRun> {
  const read = async (file: string): Promise<Uint8Array | undefined> => {
    try {
      return new Uint8Array(readFileSync(join(folder, file)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (file === files.records && code === 'ENOENT') return undefined;
      throw new InputError(`${join(folder, file)}: ${code}; pass the folder of a run made by rhm train`);
    }
  };
  return readFinishedRun(folder, read, { hash: hashIn(folder), report });
}
