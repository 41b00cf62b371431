/** The text of a grid file: its schema, and how it is read into axes. Nothing is expanded here. */
import type * as z from 'zod';
import { counted } from '../core/counted.js';
import { InputError } from '../core/errors.js';
import { nearest } from '../core/nearest.js';
import { mergeSections } from '../core/settings.js';
import { type Axis, MOST_RUNS, parseAxis } from './axes.js';
import { type Compiled, compileExpression } from './expression.js';
import { type GridSearch, searchSchema } from './searchSchema.js';
import { part, type seeds, specSchema } from './specSchema.js';

type Part = z.infer<z.ZodObject<typeof part>>;

/** Axes of one block: each sets one field, or several that advance together. */
export interface Block {
  readonly base: Readonly<Record<string, unknown>>;
  readonly axes: readonly {
    readonly fields: readonly string[];
    readonly count: number;
    readonly axes: readonly Axis[];
  }[];
  readonly derive: readonly { readonly field: string; readonly axis: Axis }[];
  readonly filters: readonly Compiled[];
  readonly count: number; // combinations
}

export interface Spec {
  readonly name: string | undefined;
  readonly search: GridSearch | undefined;
  readonly blocks: readonly Block[];
  readonly count: number; // combinations of all blocks, before filters
  /** Faults of the file; the blocks are the part of it that can be read. */
  readonly faults: readonly GridFault[];
  /** Sections of the experiment that parts omitted from the blocks would have set: their fields cannot be checked. */
  readonly doubtful: ReadonlySet<string>;
}

/** A fault of a grid, with its place. */
export interface GridFault {
  readonly message: string;
  /** Runs that have the fault, by number from 0 in the order of expansion; the first few. Empty: a fault of the file itself. */
  readonly runs: readonly number[];
  /** How many runs have the fault. */
  readonly count: number;
}

const SHOWN = 40; // faults in the message; `faults` has all of them

/** All faults of a grid together. */
export class GridError extends InputError {
  override get name() {
    return 'GridError';
  }
  constructor(readonly faults: readonly GridFault[]) {
    const more = faults.length > SHOWN ? `; and ${faults.length - SHOWN} more` : '';
    super(`${counted(faults.length, 'fault')} in the grid: ${faults.slice(0, SHOWN).map(faultText).join('; ')}${more}`);
  }
}

function faultText({ message, runs, count }: GridFault): string {
  if (!runs.length) return message;
  const where =
    count === 1 ? `run ${runs[0]}` : `${count} runs (${runs.join(', ')}${count > runs.length ? ', ...' : ''})`;
  return `${where}: ${message}`;
}

/**
 * Reads a grid. `faults` lists unknown keys, empty axes and unequal zips as long as the rest can be expanded, so that its faults can
 * be listed too.
 * @throws GridError listing every fault of a file if nothing of it can be expanded, as with too many runs
 */
export function parseSpec(file: unknown): Spec {
  const input = withoutSchema(file);
  const faults = new FileFaults();
  const { name, search, blocks, ...common } = readable(input, faults);
  const parsed = (blocks ?? [{}]).map((block, i) =>
    readBlock(merge(common, block), blocks ? `blocks.${i}.` : '', faults),
  );
  if (blocks && !blocks.length) faults.fatal('blocks: an empty list; pass at least one block, or leave it out');
  const count = parsed.reduce((sum, block) => sum + block.count, 0);
  if (!Object.keys(input as object).some((key) => key !== 'name' && key !== 'search'))
    faults.fatal(
      'the grid is empty; pass at least base or grid, for example {"base": {"model": "hcnn"}, "grid": {"grammar.m": [2, 4]}}',
    );
  if (count > MOST_RUNS)
    faults.fatal(
      `${count.toLocaleString('en')} combinations, ${MOST_RUNS.toLocaleString('en')} at most; take fewer values, or split the grid`,
    );
  if (faults.isFatal) throw new GridError(faults.list);
  return { name, search, blocks: parsed, count, faults: faults.list, doubtful: faults.doubtful };
}

class FileFaults {
  readonly list: GridFault[] = [];
  readonly doubtful = new Set<string>();
  isFatal = false;

  /** unset: the field that the faulty part would have set. */
  add(message: string, unset?: string): void {
    this.list.push({ message, runs: [], count: 0 });
    if (unset !== undefined) this.doubtful.add(unset.split('.')[0]);
  }

  /** The combinations are unknown. */
  fatal(message: string): void {
    this.add(message);
    this.isFatal = true;
  }
}

/** The parts that the schema accepts; for a mistyped name, the part that it most resembles. @throws GridError if nothing is left */
function readable(input: unknown, faults: FileFaults): z.infer<typeof specSchema> {
  const result = specSchema.safeParse(input);
  if (result.success) return result.data;
  for (const issue of result.error.issues) for (const message of explain(issue, input)) faults.add(message);
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw new GridError(faults.list);
  const left: Record<string, unknown> = { ...input };
  if (Array.isArray(left.blocks)) left.blocks = left.blocks.map((block) => ({ ...block }));
  for (const { path, ...issue } of result.error.issues) {
    const inBlock = path[0] === 'blocks' && typeof path[1] === 'number';
    const holder = inBlock ? (left.blocks as Record<string, unknown>[])[path[1] as number] : left;
    const [name] = inBlock ? path.slice(2) : path;
    if (name !== undefined) {
      delete holder[String(name)];
      if (name === 'seeds') faults.doubtful.add('seed');
      else if (name !== 'name' && name !== 'search') faults.isFatal = true;
    } else if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) {
        const guess = nearest(key, partsAt(path));
        if (guess === undefined) faults.doubtful.add(key.split('.')[0]);
        else if (Object.hasOwn(holder, guess)) faults.isFatal = true;
        else holder[guess] = holder[key];
        delete holder[key];
      }
  }
  const rest = specSchema.safeParse(left);
  if (faults.isFatal || !rest.success) throw new GridError(faults.list);
  return rest.data;
}

/** Names of the parts of a grid, of one of its blocks or of its search. */
function partsAt(path: readonly PropertyKey[]): string[] {
  if (path[0] === 'search') return Object.keys(searchSchema.shape);
  return Object.keys(path.length ? part : specSchema.shape);
}

/** `$schema` is for editors. */
function withoutSchema(file: unknown): unknown {
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return file;
  const { $schema: _, ...rest } = file as Record<string, unknown>;
  return rest;
}

/** A block's keys are merged over the file's; a field that the block sets in `grid` or `zip` replaces that of the file's `grid`. */
function merge(common: Part, own: Part): Part {
  const zips = (p: Part) => (p.zip === undefined ? [] : Array.isArray(p.zip) ? p.zip : [p.zip]);
  const filters = (p: Part) => (p.filter === undefined ? [] : [p.filter].flat());
  const set = new Set([...Object.keys(own.grid ?? {}), ...zips(own).flatMap((zip) => Object.keys(zip))]);
  const kept = Object.entries(common.grid ?? {}).filter(([field]) => !set.has(field));
  return {
    base: mergeFields(common.base, own.base),
    grid: { ...Object.fromEntries(kept), ...own.grid },
    zip: [...zips(common), ...zips(own)],
    seeds: own.seeds ?? common.seeds,
    derive: { ...common.derive, ...own.derive },
    filter: [...filters(common), ...filters(own)],
  };
}

/** Fields of both, those of `own` last: sections present in both keep the fields that only one sets, nested or dotted. */
function mergeFields(common: Fields = {}, own: Fields = {}): Fields {
  const merged: Fields = { ...common };
  for (const [field, value] of Object.entries(own)) {
    const old = Object.hasOwn(merged, field) ? merged[field] : undefined;
    delete merged[field]; // set again after the others: later fields win
    merged[field] = mergeSections(old, value);
  }
  return merged;
}

type Fields = Record<string, unknown>;

function readBlock(part: Part, where: string, faults: FileFaults): Block {
  const attempt = <T>(name: string, work: () => T, field?: string): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      faults.add(`${where}${name}: ${error.message}`, field);
      return undefined;
    }
  };
  const axes: Block['axes'][number][] = [];
  const taken = new Set<string>();
  const add = (name: string, entries: [field: string, input: unknown][]) => {
    const read: { field: string; axis: Axis }[] = [];
    for (const [field, input] of entries) {
      if (taken.has(field)) faults.add(`${where}${name}.${field}: set by two axes; keep one`);
      taken.add(field);
      const axis = attempt(`${name}.${field}`, () => parseAxis(input), field);
      if (axis && !axis.count) faults.add(`${where}${name}.${field}: no values; the grid would be empty`, field);
      if (axis?.count) read.push({ field, axis });
    }
    const counts = new Set(read.map(({ axis }) => axis.count));
    if (counts.size > 1) {
      for (const { field } of read) faults.doubtful.add(field.split('.')[0]);
      faults.add(
        `${where}${name}: ${read.map(({ field, axis }) => `${field} has ${axis.count}`).join(', ')} values; fields that advance together need equally many`,
      );
    } else if (read.length)
      axes.push({ fields: read.map((r) => r.field), count: read[0].axis.count, axes: read.map((r) => r.axis) });
  };
  for (const [field, input] of Object.entries(part.grid ?? {})) add('grid', [[field, input]]);
  for (const [i, zip] of [part.zip ?? []].flat().entries()) {
    if (!Object.keys(zip).length) faults.add(`${where}zip.${i}: no fields`);
    add(`zip.${i}`, Object.entries(zip));
  }
  if (part.seeds !== undefined) {
    const list = seedList(part.seeds);
    if (list.count > MOST_RUNS) axes.push({ fields: ['seed'], count: list.count, axes: [] });
    else add('seeds', [['seed', list.values()]]);
  }
  const derive = Object.entries(part.derive ?? {}).flatMap(([field, input]) => {
    const axis = attempt(
      `derive.${field}`,
      () => parseAxis(typeof input === 'string' ? { expr: input } : input),
      field,
    );
    if (axis && axis.count !== 1)
      faults.add(`${where}derive.${field}: ${axis.count} values; a list belongs into grid`, field);
    return axis?.count === 1 ? [{ field, axis }] : [];
  });
  const filters = [part.filter ?? []].flat().flatMap((text) => {
    const filter = attempt('filter', () => compileExpression(text));
    if (!filter) faults.isFatal = true; // it might have excluded the faulty combinations
    return filter ?? [];
  });
  return {
    base: part.base ?? {},
    axes,
    derive,
    filters,
    count: axes.reduce((product, axis) => product * axis.count, 1),
  };
}

function seedList(input: z.infer<typeof seeds>): { count: number; values(): number[] } {
  if (Array.isArray(input)) return { count: input.length, values: () => input };
  const { from, count } = typeof input === 'number' ? { from: 0, count: input } : input;
  return { count, values: () => Array.from({ length: count }, (_, i) => from + i) };
}

function explain(issue: z.core.$ZodIssue, input: unknown): string[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = partsAt(issue.path);
    return issue.keys.map((key) => {
      const guess = nearest(key, known);
      const others = `there are ${known.join(', ')}; fields of the experiment go into base or grid`;
      return `${[...issue.path, key].join('.')}: no such part of a grid; ${guess ? `did you mean ${[...issue.path, guess].join('.')}?` : others}`;
    });
  }
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], input);
  const described = issue.path.length === 1 ? partDescription(String(issue.path[0])) : undefined;
  const take = described ? `pass ${described}` : issue.message;
  return [`${path || 'grid'}: got ${JSON.stringify(value)?.slice(0, 200)}; ${take}`];
}

const partDescription = (name: string): string | undefined =>
  (specSchema.shape as Record<string, z.ZodType>)[name]?.description;
