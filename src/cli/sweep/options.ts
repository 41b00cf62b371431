/** Shared by the sweep commands: the grid file, the store, what computes. */
import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { counted } from '../../core/counted.js';
import { InputError } from '../../core/errors.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import { expandGrid, type Grid, type SweepRun } from '../../sweep/grid.js';
import { files } from '../../training/folder.js';
import { readDocument } from '../document.js';
import { GridRows } from '../ownData.js';

export interface NamedGrid extends Grid {
  file: string;
  title: string; // name of the grid, else of its file
  rows: GridRows; // of files that it names
}

/** Reads and expands a grid file, YAML or JSON; `-` is standard input. @throws GridError, InputError */
export async function readGrid(file: string): Promise<NamedGrid> {
  const rows = new GridRows();
  const grid = await expandGrid(readDocument(file, 'grid file, YAML or JSON'), rows.name);
  return { ...grid, file, title: titleOf(grid.name, file), rows };
}

/** The grid of a file where a store could be given too. @throws GridError, InputError */
export async function readGridOfStore(target: string): Promise<NamedGrid> {
  if (target !== '-' && !existsSync(target))
    throw new InputError(
      `${target}: no such store or grid file; pass the folder that rhm sweep run made, or a grid file, YAML or JSON`,
    );
  return readGrid(target);
}

function titleOf(name: string | undefined, file: string): string {
  const title = name ?? (file === '-' ? 'sweep' : basename(file, extname(file)));
  return title.replace(/[^\w.-]+/g, '-').replace(/^[.-]+/, '') || 'sweep';
}

/** How many combinations of a grid remain after filters and without duplicates; undefined: all of them. */
export function combinationsText({ runs, combinations, filtered, duplicates }: Grid): string | undefined {
  const why = [
    ...(filtered ? [`${filtered} left out by filter`] : []),
    ...(duplicates ? [`${duplicates} equal to ${duplicates === 1 ? 'another' : 'others'}`] : []),
  ];
  return why.length ? `${runs.length} of ${counted(combinations, 'combination')}, ${why.join(', ')}` : undefined;
}

/** @throws InputError for a grid whose runs depend on each other's results */
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
    throw new InvalidArgumentError('Pass a part as i/N with i from 0 to N - 1, for example 0/4.');
  return { index, count };
}

/** A contiguous part of the runs, so that runs that can be packed stay together; sizes of parts differ by at most one run. */
export function shardOf(runs: readonly SweepRun[], part: Shard | undefined): readonly SweepRun[] {
  if (!part) return runs;
  const at = (i: number) => Math.floor((i * runs.length) / part.count);
  return runs.slice(at(part.index), at(part.index + 1));
}
