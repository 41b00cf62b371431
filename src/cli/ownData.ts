/** Rows of tokens from the files that an experiment names: `data: { train: "x.npy", test: "y.npy" }`. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InputError } from '../core/errors.js';
import type { ExperimentInput } from '../core/experiment.js';
import { decodeNpy, isNpy, type NpyArray } from '../core/npy.js';
import { isHash, parseJson } from '../core/outside.js';
import {
  checkSets,
  type DataRows,
  type dataNames,
  type NamedData,
  type OwnData,
  registerData,
  withData,
} from '../core/ownData.js';
import type { TokenRows } from '../core/tokens.js';
import { writeAtomically } from '../platform/atomicFile.js';
import type { Observation, Observations } from '../theory/index.js';
import { readInput, whyUnread } from './readInput.js';

/** In a run's folder: the paths of the files on which it is trained. */
export const DATA_FILE = 'data.json';

/** Files of the sets, by absolute paths. */
export type DataFiles = Partial<Record<(typeof dataNames)[number], SetFiles>>;

interface SetFiles {
  tokens: string;
  labels?: string;
}

export interface ReadData {
  experiment: ExperimentInput;
  files?: DataFiles; // absent: it is trained on a grammar
}

/**
 * Reads the rows that an experiment names by files, or by digests if `places` (run folders, or those of experiment files) record the
 * names of the files. @throws InputError naming the set and the file
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
    own[name] = readSet('', file);
  }
  const isNamed = Object.keys(named).length === Object.keys(data).length;
  const { data: _, ...rest } = raw;
  const input = (isNamed ? raw : rest) as ExperimentInput;
  return { experiment: await withData(input, own as unknown as OwnData), files };
}

/** Rows of the files that a grid names, each read once. */
export class GridRows {
  readonly #read = new Map<string, Promise<{ digest: string; rows: number }>>();
  /** Digests of the rows, by the file's absolute path, and that of the labels. */
  readonly digests = new Map<string, string>();

  /** What a combination says under `data`, by files or by digests. @throws InputError naming the set and the file */
  name = async (data: unknown): Promise<NamedData | undefined> => {
    if (data === undefined) return undefined;
    if (typeof data !== 'object' || data === null || Array.isArray(data))
      throw new InputError(`data: got ${JSON.stringify(data)}; pass {"train": "x.npy", "test": "y.npy"}`);
    checkSets(data);
    const named: Record<string, { digest: string; rows: number }> = {};
    for (const [name, value] of Object.entries(data)) {
      const files = filesOf(name, value);
      if (!files)
        throw new InputError(
          `data.${name}: got ${JSON.stringify(value)}; pass the name of a file, .npy or lines of tokens (base: data.${name}: FILE)`,
        );
      const key = JSON.stringify(files);
      if (!this.#read.has(key)) this.#read.set(key, this.#register(name, files));
      named[name] = await this.#read.get(key)!;
    }
    return named as NamedData;
  };

  async #register(name: string, files: SetFiles): Promise<{ digest: string; rows: number }> {
    const found = await registerData(`data.${name} (${files.tokens})`, readSet(`data.${name}: `, files));
    this.digests.set([files.tokens, files.labels].filter(Boolean).join(' with '), found.digest);
    return found;
  }
}

/**
 * Notes in a store which rows its files held. @throws InputError where a file holds other rows than the runs of the store were trained
 * on, which would be a second sweep among them; FileError
 */
export async function keepDigests(out: string, { digests }: GridRows): Promise<void> {
  if (!digests.size) return;
  const path = join(out, DATA_FILE);
  const kept = existsSync(path) ? digestsIn(path) : {};
  for (const [file, digest] of digests)
    if (Object.hasOwn(kept, file) && kept[file] !== digest)
      throw new InputError(
        `${file}: holds the rows ${digest}, but runs in ${out} were trained on ${kept[file]}; restore the file, or choose another store with --out`,
      );
  const all = { ...kept, ...Object.fromEntries(digests) };
  if (Object.keys(all).length > Object.keys(kept).length)
    await writeAtomically(path, `${JSON.stringify(all, null, 2)}\n`);
}

/** @throws InputError for a file that holds no digests */
function digestsIn(path: string): Record<string, string> {
  const value = parseJson(readFileSync(path), path);
  const isOurs = typeof value === 'object' && value !== null && Object.values(value).every(isHash);
  if (!isOurs)
    throw new InputError(`${path}: holds no digests of files; remove it, or choose another store with --out`);
  return value as Record<string, string>;
}

/** undefined: the value is not a file name but the digest of an experiment.json. */
function filesOf(name: string, value: unknown): SetFiles | undefined {
  if (typeof value === 'string') return { tokens: resolve(value) };
  const { tokens, labels } = (value ?? {}) as { tokens?: unknown; labels?: unknown };
  if (typeof tokens !== 'string') return undefined;
  if (labels !== undefined && typeof labels !== 'string')
    throw new InputError(`data.${name}.labels: got ${JSON.stringify(labels)}; pass the name of a .npy file`);
  return { tokens: resolve(tokens), ...(labels !== undefined && { labels: resolve(labels) }) };
}

/** @param where in front of the file's name, in messages */
function readSet(where: string, { tokens, labels }: SetFiles): DataRows {
  try {
    return {
      tokens: readRows(tokens),
      ...(labels !== undefined && { labels: decodeNpy(read(labels), labels).data }),
    };
  } catch (error) {
    if (where && error instanceof InputError) throw new InputError(`${where}${error.message}`);
    throw error;
  }
}

function read(file: string): Uint8Array {
  try {
    return readInput(file);
  } catch (error) {
    throw new InputError(`${file}: ${whyUnread(error)}; pass a .npy file or lines of tokens`);
  }
}

/** Rows of tokens: a .npy file [rows, tokens], lines of numbers, or JSON lines with `tokens`; `-` is standard input. */
export function readRows(file: string): TokenRows {
  return readLines(file, rowOf);
}

/** The same for a network that takes masked tokens: `?` or -1 in a line of numbers, null or -1 in JSON, -1 in .npy. */
export function readMaskedRows(file: string): TokenRows {
  const rows = readObservations(file);
  if (!Array.isArray(rows)) return rows as NpyArray;
  return (rows as readonly (readonly Observation[])[]).map((row) => row.map((token) => token ?? -1) as number[]);
}

/** The same for tokens that may be hidden: `?` or -1 in a line of numbers, null or -1 in JSON, -1 in .npy; or [v] likelihoods. */
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
