/** What the sweep commands share: the grid file, the store, what computes. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { parse, YAMLParseError } from 'yaml';
import { InputError } from '../../core/errors.js';
import { checkTree, parseJson } from '../../core/outside.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import { expandGrid, type Grid, type SweepRun } from '../../sweep/grid.js';
import { files } from '../../training/folder.js';

export interface NamedGrid extends Grid {
  file: string;
  title: string; // name of the grid, else of its file
}

/** Reads and expands a grid file, YAML or JSON; `-` is standard input. @throws GridError, InputError */
export async function readGrid(file: string): Promise<NamedGrid> {
  const grid = await expandGrid(parseText(file, readText(file)));
  return { ...grid, file, title: titleOf(grid.name, file) };
}

function titleOf(name: string | undefined, file: string): string {
  const title = name ?? (file === '-' ? 'sweep' : basename(file, extname(file)));
  return title.replace(/[^\w.-]+/g, '-').replace(/^[.-]+/, '') || 'sweep';
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new InputError(
      `${file}: ${(error as NodeJS.ErrnoException).code ?? error}; pass a readable grid file, YAML or JSON`,
    );
  }
}

function parseText(file: string, text: string): unknown {
  try {
    const value: unknown = file.endsWith('.json') ? parseJson(text, file) : parse(text);
    if (refersToItself(value)) throw new InputError(`${file}: refers to itself; spell it out`);
    checkTree(value, file);
    return value;
  } catch (error) {
    if (error instanceof RangeError) throw new InputError(`${file}: too deep or too large for a grid; spread it out`);
    if (error instanceof YAMLParseError || error instanceof ReferenceError)
      throw new InputError(`${file}: ${error.message.replace(/\s*\n\s*/g, ' ')}; pass a YAML or JSON file`);
    throw error;
  }
}

/** Whether an alias of YAML stands inside what it names. Each object is looked at once. */
function refersToItself(value: unknown, above = new Set<unknown>(), seen = new Set<unknown>()): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (above.has(value)) return true;
  if (seen.has(value)) return false;
  seen.add(value);
  above.add(value);
  const found = Object.values(value).some((part) => refersToItself(part, above, seen));
  above.delete(value);
  return found;
}

/** @throws InputError for a grid whose runs follow from each other's results */
export function refuseSearch(grid: Grid, command: string): void {
  if (grid.search)
    throw new InputError(
      `search: ${command} hands out all runs at once, a search decides on each round by the one before; use rhm sweep run`,
    );
}

/** records.jsonl of the runs of a store. */
export const recordsIn = (out: string) => {
  const store = existsSync(join(out, 'store.json')) ? openSweepFolder(out, { existing: true }) : undefined;
  return async (run: SweepRun) => store?.file(run.hash, files.records);
};

export const storeOf = (grid: NamedGrid, out: string | undefined): string => out ?? join('out', `sweep-${grid.title}`);

export interface Shard {
  index: number;
  count: number;
}

/** `3/16`: part 3 of 16, counted from 0. */
export function shard(text: string): Shard {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text.trim())?.map(Number) ?? [];
  if (count === undefined || !(count >= 1) || index >= count)
    throw new InvalidArgumentError('A part is wanted as i/N with i from 0 to N - 1, for example 0/4.');
  return { index, count };
}

/** A contiguous part of the runs, so that runs that can be packed stay together; parts differ by one run at most. */
export function shardOf(runs: readonly SweepRun[], part: Shard | undefined): readonly SweepRun[] {
  if (!part) return runs;
  const at = (i: number) => Math.floor((i * runs.length) / part.count);
  return runs.slice(at(part.index), at(part.index + 1));
}
