/**
 * The experiments of a store in one file, so that a hundred thousand runs can be filtered without opening as many files:
 * DIR/experiments.jsonl, a copy of the experiments in the run folders, made by the first process that trains or reads them. It may be
 * removed at any time. Node and Deno.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { files, isHash } from '../core/outside.js';
import { writeDurably } from './durable.js';

const COPY = 'experiments.jsonl';
const PIECE = 2 ** 20; // bytes read at once
const BATCH = 10_000; // experiments written at once

export interface ExperimentPlace {
  run: string;
  path: string; // its folder
  store?: string; // store of the sweep that contains it; single runs have no copy
}

/** Calls `take` with the experiment of every run that has one, in any order. */
export async function eachExperiment<Place extends ExperimentPlace>(
  runs: readonly Place[],
  take: (place: Place, experiment: Record<string, unknown>) => void,
): Promise<void> {
  const stores = new Map<string | undefined, Map<string, Place>>();
  for (const place of runs) {
    if (!stores.has(place.store)) stores.set(place.store, new Map());
    stores.get(place.store)!.set(place.store === undefined ? place.path : place.run, place);
  }
  for (const [store, places] of stores) await eachOfStore(places, store, take);
}

async function eachOfStore<Place extends ExperimentPlace>(
  left: Map<string, Place>,
  store: string | undefined,
  take: (place: Place, experiment: Record<string, unknown>) => void,
): Promise<void> {
  if (store !== undefined)
    eachLine(join(store, COPY), (line) => {
      const run = line.slice(8, 24); // {"run":"0123456789abcdef",...: checked before the whole line is parsed
      const place = left.get(run);
      const experiment = place && isHash(run) && experimentIn(line, run);
      if (!experiment) return;
      left.delete(run);
      take(place, experiment);
    });
  const copy = new Copy(store);
  for (const place of left.values()) {
    const experiment = readExperiment(place.path);
    if (!experiment) continue;
    take(place, experiment);
    await copy.add(place.run, experiment);
  }
  await copy.flush();
}

/** Adds runs that are about to be trained to the copy, if they are missing there. */
export async function keepExperiments(
  store: string,
  runs: readonly { readonly hash: string; readonly experiment: object }[],
): Promise<void> {
  const known = new Set<string>();
  eachLine(join(store, COPY), (line) => known.add(line.slice(8, 24)));
  const copy = new Copy(store);
  for (const { hash, experiment } of runs)
    if (!known.has(hash)) await copy.add(hash, experiment as Record<string, unknown>);
  await copy.flush();
}

/** Lines to be appended to the copy. */
class Copy {
  #lines: string[] = [];
  #writable: boolean;

  constructor(readonly store: string | undefined) {
    this.#writable = store !== undefined;
  }

  async add(run: string, experiment: Record<string, unknown>): Promise<void> {
    if (this.#writable && isHash(run)) this.#lines.push(JSON.stringify({ run, experiment: withoutRules(experiment) }));
    if (this.#lines.length >= BATCH) await this.flush();
  }

  async flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    if (!lines.length) return;
    try {
      await writeDurably(join(this.store!, COPY), 'a', new TextEncoder().encode(`\n${lines.join('\n')}\n`));
    } catch {
      this.#writable = false; // another user's store, or no room: the folders are read instead
    }
  }
}

/** The experiment in a run's folder; undefined: none, or a damaged one. */
function readExperiment(path: string): Record<string, unknown> | undefined {
  try {
    return objectIn(JSON.parse(readFileSync(join(path, files.experiment), 'utf8')));
  } catch {
    return undefined;
  }
}

/** Rules may be large, and no filter uses them. */
function withoutRules(experiment: Record<string, unknown>): Record<string, unknown> {
  const grammar = objectIn(experiment.grammar);
  return grammar?.rules === undefined ? experiment : { ...experiment, grammar: { ...grammar, rules: undefined } };
}

function experimentIn(line: string, run: string): Record<string, unknown> | undefined {
  try {
    const value = objectIn(JSON.parse(line));
    return value?.run === run ? objectIn(value.experiment) : undefined;
  } catch {
    return undefined;
  }
}

const objectIn = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;

/** The lines of a file, read in pieces; none if the file does not exist. */
function eachLine(file: string, take: (line: string) => void): void {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch {
    return;
  }
  try {
    const piece = new Uint8Array(PIECE);
    const decoder = new TextDecoder();
    let rest = '';
    for (let read = readSync(handle, piece); read > 0; read = readSync(handle, piece)) {
      const lines = (rest + decoder.decode(piece.subarray(0, read), { stream: true })).split('\n');
      rest = lines.pop()!;
      for (const line of lines) if (line) take(line);
    }
    if (rest) take(rest);
  } finally {
    closeSync(handle);
  }
}
