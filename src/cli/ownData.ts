/** Rows of tokens from files, as an experiment names them: `data: { train: "x.npy", test: "y.npy" }`. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InputError } from '../core/errors.js';
import type { ExperimentInput } from '../core/experiment.js';
import { decodeNpy, isNpy, type NpyArray } from '../core/npy.js';
import { parseJson } from '../core/outside.js';
import { type DataRows, type dataNames, type OwnData, withData } from '../core/ownData.js';
import type { TokenRows } from '../core/tokens.js';
import type { Observation, Observations } from '../theory/index.js';
import { readInput } from './readInput.js';

/** In a run's folder: where the files were that it is trained on. */
export const DATA_FILE = 'data.json';

/** Files of the sets, by absolute paths. */
export type DataFiles = Partial<Record<(typeof dataNames)[number], { tokens: string; labels?: string }>>;

export interface ReadData {
  experiment: ExperimentInput;
  files?: DataFiles; // absent: it is trained on a grammar
}

/**
 * Reads the rows that an experiment names by files, or by digests where `places` (run folders, or those of experiment files) hold
 * the files' names. @throws InputError naming the set and the file
 */
export async function readOwnData(raw: Record<string, unknown>, places: readonly string[] = []): Promise<ReadData> {
  const { data } = raw;
  if (data === undefined) return { experiment: raw };
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw new InputError(`data: got ${JSON.stringify(data)}; pass {"train": "x.npy", "test": "y.npy"}`);
  const known = places.map((place) => join(place, DATA_FILE)).find((file) => existsSync(file));
  const files: DataFiles = known ? (parseJson(readFileSync(known), known) as DataFiles) : {};
  const named: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(data)) {
    const given = filesOf(name, value);
    if (given) files[name as keyof DataFiles] = given;
    else named[name] = value;
  }
  const own: Record<string, DataRows> = {};
  for (const name of Object.keys(data)) {
    const file = files[name as keyof DataFiles];
    if (!file)
      throw new InputError(`data.${name}: only its digest is known; pass the file with --set data.${name}=FILE`);
    own[name] = {
      tokens: readRows(file.tokens),
      ...(file.labels !== undefined && { labels: decodeNpy(read(file.labels), file.labels).data }),
    };
  }
  const isNamed = Object.keys(named).length === Object.keys(data).length;
  const { data: _, ...rest } = raw;
  const input = (isNamed ? raw : rest) as ExperimentInput;
  return { experiment: await withData(input, own as unknown as OwnData), files };
}

/** undefined: the value is no file but what an experiment.json says. */
function filesOf(name: string, value: unknown): { tokens: string; labels?: string } | undefined {
  if (typeof value === 'string') return { tokens: resolve(value) };
  const { tokens, labels } = (value ?? {}) as { tokens?: unknown; labels?: unknown };
  if (typeof tokens !== 'string') return undefined;
  if (labels !== undefined && typeof labels !== 'string')
    throw new InputError(`data.${name}.labels: got ${JSON.stringify(labels)}; pass the name of a .npy file`);
  return { tokens: resolve(tokens), ...(labels !== undefined && { labels: resolve(labels) }) };
}

function read(file: string): Uint8Array {
  try {
    return readInput(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(`${file}: ${code}; pass a .npy file or lines of tokens`);
  }
}

/** Rows of tokens: a .npy file [rows, tokens], lines of numbers, or JSON lines with `tokens`; `-` is standard input. */
export function readRows(file: string): TokenRows {
  return readLines(file, rowOf);
}

/** The same for a network that reads masked tokens: `?` or -1 in a line of numbers, null or -1 in JSON, -1 in .npy. */
export function readMaskedRows(file: string): TokenRows {
  const rows = readObservations(file);
  if (!Array.isArray(rows)) return rows as NpyArray;
  return (rows as readonly (readonly Observation[])[]).map((row) => row.map((token) => token ?? -1) as number[]);
}

/** The same, where a token may be hidden: `?` or -1 in a line of numbers, null or -1 in JSON, -1 in .npy; or [v] likelihoods. */
export function readObservations(file: string): Observations {
  return readLines<readonly Observation[]>(file, (line, where) =>
    /^[\d\s,?-]+$/.test(line)
      ? line.split(/[\s,]+/).map((word) => (word === '?' ? null : Number(word)))
      : rowOf(line, where),
  );
}

function readLines<Row>(file: string, parse: (line: string, where: string) => Row): Row[] | NpyArray {
  const name = file === '-' ? 'standard input' : file;
  const bytes = read(file);
  if (isNpy(bytes)) return decodeNpy(bytes, name);
  const lines = new TextDecoder().decode(bytes).split('\n');
  return lines.flatMap((line, i) => (line.trim() ? [parse(line.trim(), `${name}, line ${i + 1}`)] : []));
}

function rowOf(line: string, where: string): number[] {
  if (/^[\d\s,]+$/.test(line)) return line.split(/[\s,]+/).map(Number);
  const value = parseJson(line, where);
  const row = Array.isArray(value) ? value : (value as { tokens?: unknown } | null)?.tokens;
  if (!Array.isArray(row))
    throw new InputError(`${where}: holds no tokens; pass numbers, [numbers] or {"tokens": [numbers]}`);
  return row;
}

/** The folder of an experiment's file. */
export const placeOf = (file: string | undefined): string[] => (file && file !== '-' ? [dirname(file)] : []);
