/** The text of a grid file: its schema, and how it is read into axes. Nothing is expanded here. */
import type * as z from 'zod';
import { InputError } from '../core/errors.js';
import { nearest } from '../core/nearest.js';
import { mergeSections } from '../core/settings.js';
import { type Axis, MOST_RUNS, parseAxis } from './axes.js';
import { type Compiled, compileExpression } from './expression.js';
import type { GridSearch } from './searchSchema.js';
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
    const head = faults.length === 1 ? '1 fault in the grid' : `${faults.length} faults in the grid`;
    super(`${head}: ${faults.slice(0, SHOWN).map(faultText).join('; ')}${more}`);
  }
}

function faultText({ message, runs, count }: GridFault): string {
  if (!runs.length) return message;
  const where =
    count === 1 ? `run ${runs[0]}` : `${count} runs (${runs.join(', ')}${count > runs.length ? ', ...' : ''})`;
  return `${where}: ${message}`;
}

/** Reads a grid. @throws GridError listing every fault: unknown keys, empty axes, unequal zips, too many runs. */
export function parseSpec(file: unknown): Spec {
  const input = withoutSchema(file);
  const result = specSchema.safeParse(input);
  if (!result.success) throw new GridError(result.error.issues.flatMap((issue) => explain(issue, input)));
  const { name, search, blocks, ...common } = result.data;
  const faults: string[] = [];
  const parsed = (blocks ?? [{}]).map((block, i) =>
    readBlock(merge(common, block), blocks ? `blocks.${i}.` : '', faults),
  );
  if (blocks && !blocks.length) faults.push('blocks: an empty list; pass at least one block, or leave it out');
  const count = parsed.reduce((sum, block) => sum + block.count, 0);
  if (!Object.keys(input as object).some((key) => key !== 'name' && key !== 'search'))
    faults.push(
      'the grid is empty; pass at least base or grid, for example {"base": {"model": "hcnn"}, "grid": {"grammar.m": [2, 4]}}',
    );
  if (count > MOST_RUNS)
    faults.push(
      `${count.toLocaleString('en')} combinations, ${MOST_RUNS.toLocaleString('en')} at most; take fewer values, or split the grid`,
    );
  if (faults.length) throw new GridError(faults.map((message) => ({ message, runs: [], count: 0 })));
  return { name, search, blocks: parsed, count };
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

function readBlock(part: Part, where: string, faults: string[]): Block {
  const attempt = <T>(name: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      faults.push(`${where}${name}: ${error.message}`);
      return undefined;
    }
  };
  const axes: Block['axes'][number][] = [];
  const taken = new Set<string>();
  const add = (name: string, entries: [field: string, input: unknown][]) => {
    const read: { field: string; axis: Axis }[] = [];
    for (const [field, input] of entries) {
      if (taken.has(field)) faults.push(`${where}${name}.${field}: set by two axes; keep one`);
      taken.add(field);
      const axis = attempt(`${name}.${field}`, () => parseAxis(input));
      if (axis && !axis.count) faults.push(`${where}${name}.${field}: no values; the grid would be empty`);
      if (axis) read.push({ field, axis });
    }
    const counts = new Set(read.map(({ axis }) => axis.count));
    if (counts.size > 1)
      faults.push(
        `${where}${name}: ${read.map(({ field, axis }) => `${field} has ${axis.count}`).join(', ')} values; fields that advance together need equally many`,
      );
    if (read.length)
      axes.push({ fields: read.map((r) => r.field), count: read[0].axis.count, axes: read.map((r) => r.axis) });
  };
  for (const [field, input] of Object.entries(part.grid ?? {})) add('grid', [[field, input]]);
  for (const [i, zip] of [part.zip ?? []].flat().entries()) {
    if (!Object.keys(zip).length) faults.push(`${where}zip.${i}: no fields`);
    add(`zip.${i}`, Object.entries(zip));
  }
  if (part.seeds !== undefined) {
    const list = seedList(part.seeds);
    if (list.count > MOST_RUNS) axes.push({ fields: ['seed'], count: list.count, axes: [] });
    else add('seeds', [['seed', list.values()]]);
  }
  const derive = Object.entries(part.derive ?? {}).flatMap(([field, input]) => {
    const axis = attempt(`derive.${field}`, () => parseAxis(typeof input === 'string' ? { expr: input } : input));
    if (axis && axis.count !== 1)
      faults.push(`${where}derive.${field}: ${axis.count} values; a list belongs into grid`);
    return axis ? [{ field, axis }] : [];
  });
  const filters = [part.filter ?? []].flat().flatMap((text) => attempt('filter', () => compileExpression(text)) ?? []);
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

function explain(issue: z.core.$ZodIssue, input: unknown): GridFault[] {
  const path = issue.path.join('.');
  const fault = (message: string): GridFault => ({ message, runs: [], count: 0 });
  if (issue.code === 'unrecognized_keys') {
    const known = path ? Object.keys(part) : Object.keys(specSchema.shape);
    return issue.keys.map((key) => {
      const guess = nearest(key, known);
      return fault(
        `${[...issue.path, key].join('.')}: no such part of a grid; ${guess ? `did you mean ${[...issue.path, guess].join('.')}?` : `there are ${known.join(', ')}`}${
          guess ? '' : '; fields of the experiment go into base or grid'
        }`,
      );
    });
  }
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], input);
  return [fault(`${path || 'grid'}: got ${JSON.stringify(value)?.slice(0, 200)}; ${issue.message}`)];
}
