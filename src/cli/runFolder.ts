/** Reads the files that `rhm train` left in a folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../core/errors.js';
import { findRuns } from '../platform/findRun.js';
import { hashIn } from '../platform/runFolders.js';
import { type FinishedRun, readFinishedRun } from '../training/finishedRun.js';
import { files } from '../training/folder.js';
import { whyUnread } from './readInput.js';

/** What the argument of a command that takes one run says in its help. */
export const RUN = 'folder of a run, its name, or its hash (the first digits are enough)';

/** The same of the option that says where to search. */
export const STORE = 'folders to search for the hash or name';

/** The folder of a run. text: as RUN says. stores: where to search for a name or hash. @throws InputError naming the nearest runs */
export async function runFolder(text: string, stores: readonly string[] = ['out']): Promise<string> {
  if (existsSync(join(text, files.experiment))) return text;
  const [{ path }] = await findRuns([text], stores);
  return path;
}

/** @throws InputError naming the missing file; DamageError naming those that are not as they were written. */
export function readRun(folder: string, report: (line: string) => void): Promise<FinishedRun> {
  const read = async (file: string): Promise<Uint8Array | undefined> => {
    try {
      return new Uint8Array(readFileSync(join(folder, file)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (file === files.records && code === 'ENOENT') return undefined;
      throw new InputError(`${join(folder, file)}: ${whyUnread(error)}; pass the folder of a run made by rhm train`);
    }
  };
  return readFinishedRun(folder, read, { hash: hashIn(folder), report });
}
