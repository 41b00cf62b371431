/** Folders of results: a command may overwrite files that it wrote itself, and leaves all others alone. */
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileError, InputError } from '../core/errors.js';
import { parseJson } from '../core/outside.js';
import { reason, writeAtomically } from './atomicFile.js';
import { makeFolder } from './durable.js';

const LIST = '.rhm-files.json'; // names of the files written
const FORMAT = 'rhm-lab files 1';

/**
 * Prepares a folder for files of these names, and records them as written by this program.
 * @param isOurs Whether a file of a folder without a list was written by an earlier version.
 * @throws InputError if a file of that name is not ours; FileError if nothing can be written
 */
export async function claimFiles(
  directory: string,
  names: readonly string[],
  option: string,
  isOurs: (name: string) => boolean,
): Promise<void> {
  checkFolderName(directory, option);
  const listed = listedIn(directory);
  const foreign = names.filter((name) => {
    if (!lstatSync(join(directory, name), { throwIfNoEntry: false })) return false;
    return listed ? !listed.has(name) : !isOurs(name);
  });
  if (foreign.length)
    throw new InputError(
      `${join(directory, foreign[0])}: is there already and was not written by this command${foreign.length > 1 ? `, nor were ${foreign.length - 1} more` : ''}; choose another ${option}, or move it away`,
    );
  try {
    makeFolder(directory);
  } catch (error) {
    throw new FileError(`${directory}: ${reason(error)}; choose another ${option}`, { cause: error });
  }
  const all = [...new Set([...(listed ?? []), ...names])];
  await writeAtomically(join(directory, LIST), `${JSON.stringify({ format: FORMAT, files: all })}\n`);
}

/** @throws InputError for an empty name, which would mean the current folder. */
export function checkFolderName(directory: string, option: string): void {
  if (!directory.trim()) throw new InputError(`${option}: an empty name; pass a folder, . for the current one`);
}

function listedIn(directory: string): Set<unknown> | undefined {
  try {
    const { format, files } = Object(parseJson(readFileSync(join(directory, LIST))));
    return format === FORMAT && Array.isArray(files) ? new Set(files) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a file contains a text in its first or last 16 KiB. */
export function holdsText(file: string, text: string): boolean {
  try {
    const bytes = readFileSync(file);
    return [bytes.subarray(0, 16384), bytes.subarray(-16384)].some((part) => part.includes(text));
  } catch {
    return false;
  }
}
