/** Run folders on disk, read completely for the analysis. Node and Deno. */
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { RunFiles } from '../analysis/runs.js';
import { FileError, InputError } from '../core/errors.js';

/** Every folder with an experiment.json among or below the given ones. @throws InputError if a folder is missing or contains none. */
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
    hash: hashIn(path),
    checkpoint: readHeader(join(path, 'checkpoint.safetensors')), // before the records: a run in progress keeps writing both
    experiment: read(join(path, 'experiment.json')) ?? '',
    rules: read(join(path, 'rules.json')),
    records: read(join(path, 'records.jsonl')),
  };
}

/** The hash that is the name of a run's folder; undefined: it has another name. */
export function hashIn(path: string): string | undefined {
  const name = basename(resolve(path));
  return /^[0-9a-f]{16}$/.test(name) ? name : undefined;
}

/** Folders with an experiment.json, in order of their names. isWhole: folders that are listed without being opened. */
export function runPaths(root: string, isWhole: (folder: string) => boolean = () => false): string[] {
  const names = readdirSync(root, { withFileTypes: true });
  if (names.some((n) => n.isFile() && n.name === 'experiment.json') || isWhole(root)) return [root];
  return names
    .filter((n) => n.isDirectory() && !n.name.startsWith('.') && n.name !== 'node_modules')
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
    .flatMap((n) => runPaths(join(root, n.name), isWhole));
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FileError(`${file}: ${(error as Error).message}`);
  }
}

const HEADER_LIMIT = 2 ** 24; // bytes; headers have some kilobytes, a damaged length may be any number

/** The header of a checkpoint, which tells how far the records should go. */
function readHeader(file: string): RunFiles['checkpoint'] {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return undefined;
  const handle = openSync(file, 'r');
  try {
    const fileBytes = fstatSync(handle).size;
    const length = new Uint8Array(8);
    readSync(handle, length, 0, 8, 0);
    const bytes = 8 + Number(new DataView(length.buffer).getBigUint64(0, true));
    const header = new Uint8Array(Math.min(bytes, fileBytes, HEADER_LIMIT));
    readSync(handle, header, 0, header.length, 0);
    return { header, fileBytes };
  } finally {
    closeSync(handle);
  }
}
