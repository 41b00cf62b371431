/** Run folders on disk, read whole for the analysis. Node and Deno. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RunFiles } from '../analysis/runs.js';
import { FileError, InputError } from '../core/errors.js';

/** Every folder with an experiment.json in or below the given ones. @throws InputError when a folder is missing or holds none. */
export function readRunFolders(roots: readonly string[]): RunFiles[] {
  const paths = new Set<string>();
  for (const root of roots) {
    if (!statSync(root, { throwIfNoEntry: false })?.isDirectory())
      throw new InputError(`${root}: no such folder; pass folders that rhm train or rhm sweep wrote`);
    const found = runPaths(root);
    if (!found.length)
      throw new InputError(
        `${root}: no run in or below this folder (a run has experiment.json); rhm train --out ${root} makes one`,
      );
    for (const path of found) paths.add(path);
  }
  return [...paths].map(readRunFolder);
}

export function readRunFolder(path: string): RunFiles {
  return {
    path,
    experiment: read(join(path, 'experiment.json')) ?? '',
    rules: read(join(path, 'rules.json')),
    records: read(join(path, 'records.jsonl')),
  };
}

/** Folders with an experiment.json, in order of their names. */
export function runPaths(root: string): string[] {
  const names = readdirSync(root, { withFileTypes: true });
  if (names.some((n) => n.isFile() && n.name === 'experiment.json')) return [root];
  return names
    .filter((n) => n.isDirectory() && !n.name.startsWith('.') && n.name !== 'node_modules')
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
    .flatMap((n) => runPaths(join(root, n.name)));
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FileError(`${file}: ${(error as Error).message}`);
  }
}
