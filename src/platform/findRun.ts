/** Finds a run from what a person calls it: its folder, its hash or the beginning of it, its name. Node and Deno. */
import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../core/errors.js';
import { nearestNames } from '../core/nearest.js';
import { files } from '../training/folder.js';
import { type ListedRun, listRuns } from './runList.js';

const SHOWN = 5; // names in a message

/**
 * The runs with these names, one for each text. roots: where to look for texts that are not folders.
 * @throws InputError naming the nearest runs if there is no match, or the candidates if there are several.
 */
export async function findRuns(texts: readonly string[], roots: readonly string[]): Promise<ListedRun[]> {
  const lists = new Map<string, Promise<ListedRun[]>>();
  const listed = (root: string) => {
    if (!lists.has(root)) lists.set(root, listRuns(root));
    return lists.get(root)!;
  };
  const found: ListedRun[] = [];
  for (const text of texts) found.push(await findRun(text, roots.filter(isFolder), listed));
  return found;
}

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

async function findRun(
  text: string,
  roots: readonly string[],
  listed: (root: string) => Promise<ListedRun[]>,
): Promise<ListedRun> {
  const path = text.replace(/(?<=.)\/+$/, '');
  if (statSync(join(path, files.experiment), { throwIfNoEntry: false })?.isFile()) return ofFolder(path, listed);
  // STORE/BEGINNING: searched for only in that folder.
  const above = dirname(path);
  const within = path.includes('/') && isFolder(above) ? [above] : roots;
  const name = within === roots ? text : basename(path);
  const runs: ListedRun[] = [];
  for (const root of within)
    runs.push(...(await listed(root).catch((error) => (error instanceof InputError ? [] : Promise.reject(error)))));
  const exact = runs.filter((run) => run.run === name || run.name === name || basename(run.path) === name);
  const matches = exact.length ? exact : runs.filter((run) => name.length >= 2 && run.run.startsWith(name));
  if (matches.length === 1) return matches[0];
  const where = within.length ? `in ${within.join(', ')}` : 'here';
  const look = `rhm runs ${within[0] ?? 'FOLDER'} lists them`;
  if (matches.length > 1)
    throw new InputError(
      `${text}: ${matches.length} runs ${where} match: ${shown(matches)}; pass more digits of the hash, or the folder`,
    );
  if (isFolder(path))
    throw new InputError(
      `${text}: a folder of runs, not a run; rhm runs ${text} lists them, and a run is one of its folders`,
    );
  if (!runs.length) throw new InputError(`${text}: no such run, and there is none ${where}; pass the folder of a run`);
  const called = new Map(runs.flatMap((run) => [run.run, run.name, basename(run.path)].map((name) => [name, run])));
  const nearest = [...new Set(nearestNames(name, [...called.keys()], SHOWN).map((near) => called.get(near)!))];
  throw new InputError(
    `${text}: no such run ${where}; ${nearest.length ? `nearest: ${shown(nearest)}` : look}; pass a folder, a hash or the beginning of one`,
  );
}

/** A run given by its folder: what its store knows of it, if it is in one. */
async function ofFolder(path: string, listed: (root: string) => Promise<ListedRun[]>): Promise<ListedRun> {
  const [single] = await listed(path);
  return single;
}

const shown = (runs: readonly ListedRun[]): string =>
  `${runs
    .slice(0, SHOWN)
    .map(({ run, name }) => (name && name !== run ? `${run} (${name})` : run))
    .join(', ')}${runs.length > SHOWN ? ', ...' : ''}`;
