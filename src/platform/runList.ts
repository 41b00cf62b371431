/**
 * The runs of a store, or of folders of single runs, as a list that is cheap to make: from an index, or from the ends of files. Node
 * and Deno.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { InputError } from '../core/errors.js';
import { parseJson } from '../core/outside.js';
import { type EvalRecord, parseRecords } from '../core/records.js';
import { repairStore } from '../sweep/repair.js';
import { endOf, type RunState } from '../sweep/store.js';
import { files } from '../training/folder.js';
import { folderHolder } from './folderLock.js';
import { hashIn, runPaths } from './runFolders.js';
import { openSweepFolder } from './sweepFolder.js';

/** Facts about a run that are known without reading its experiment. */
export interface ListedRun {
  run: string; // hash, or the folder's name if that differs
  name: string; // for people
  path: string; // its folder
  state: RunState;
  lastLoss?: number | null; // of the last evaluation, nats, mean over replicas; null: not finite
  step?: number; // step of that loss
  at?: number; // milliseconds since 1970, time of the last known event
  by?: string; // process working on it
  error?: string;
  tries?: number;
  store?: string; // folder of the sweep's store that contains it
}

/** Lists the runs of a store, or all runs and stores below a folder. Nothing is written. @throws InputError if there are none */
export async function listRuns(root: string): Promise<ListedRun[]> {
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory())
    throw new InputError(`${root}: no such folder; pass a store of rhm sweep run, or a folder with runs of rhm train`);
  if (isStore(root)) return storedRuns(root);
  const runs: ListedRun[] = [];
  for (const path of runPaths(root, isStore))
    if (!isStore(path)) runs.push(singleRun(root, path));
    else
      for (const run of await storedRuns(path))
        runs.push({ ...run, name: `${relative(root, path)}: ${run.name || run.run}` });
  if (!runs.length)
    throw new InputError(
      `${root}: no run in or below this folder (a run has ${files.experiment}); rhm train and rhm sweep run make some`,
    );
  return runs;
}

export const isStore = (folder: string): boolean =>
  statSync(join(folder, 'store.json'), { throwIfNoEntry: false })?.isFile() ?? false;

async function storedRuns(root: string): Promise<ListedRun[]> {
  const store = openSweepFolder(root, { existing: true });
  const { entries } = await repairStore(store, { quiet: true });
  const runs: ListedRun[] = [];
  for (const [run, { name = '', state, loss, step, at, by, error, tries }] of entries) {
    const path = store.location(run);
    const listed: ListedRun = { run, name, path, state, at, store: root };
    if (loss !== undefined) Object.assign(listed, { lastLoss: loss, step });
    else if (state === 'running' || state === 'waiting') Object.assign(listed, lastEvaluation(path));
    if (by !== undefined) listed.by = by;
    if (error !== undefined) listed.error = error;
    if (tries) listed.tries = tries;
    runs.push(listed);
  }
  return runs;
}

/** A run of `rhm train`: its state follows from its lock and the end of its records. */
function singleRun(root: string, path: string): ListedRun {
  const by = folderHolder(path);
  const records = join(path, files.records);
  const at = (statSync(records, { throwIfNoEntry: false }) ?? statSync(path)).mtimeMs;
  const name = relative(root, path) || path;
  const run = hashIn(path) ?? (hashOfRun(path) || name);
  const listed: ListedRun = { run, name, path, state: by ? 'running' : 'waiting', at, ...(by && { by }) };
  Object.assign(listed, lastEvaluation(path));
  if (by) return listed;
  let replicas = 1;
  try {
    replicas = Number(
      Object(parseJson(readFileSync(join(path, files.experiment)), files.experiment, { bytes: 2 ** 24 })).replicas ?? 1,
    );
  } catch (error) {
    return { ...listed, state: 'failed', error: (error as Error).message };
  }
  // The end of a single replica is among the last lines; with several replicas it may be anywhere.
  const text = replicas === 1 ? tailOf(records) : readText(records);
  const ended = endOf(text, replicas);
  return ended ? { ...listed, ...ended } : listed;
}

/** The experiment that the first line of the records names. */
function hashOfRun(path: string): string | undefined {
  const first = partOf(join(path, files.records), (size) => [0, Math.min(size, 4096)])?.split('\n', 1)[0];
  return /"hash":"([0-9a-f]{16})"/.exec(first ?? '')?.[1];
}

/** The last evaluation at the end of a run's records: the mean over replicas at the last step. */
export function lastEvaluation(path: string): Pick<ListedRun, 'lastLoss' | 'step'> {
  const evals = parseRecords(tailOf(join(path, files.records))).records.filter(
    (r): r is EvalRecord => r.type === 'eval',
  );
  const step = evals.at(-1)?.step;
  if (step === undefined) return {};
  const losses = new Map(evals.filter((r) => r.step === step).map((r) => [r.replica, r.loss]));
  const mean = [...losses.values()].reduce((sum, loss) => sum + loss, 0) / losses.size;
  return { step, lastLoss: Number.isFinite(mean) ? mean : null };
}

const TAIL = 16_384; // bytes: about fifty evaluations

/** The last complete lines of a file, without the checks, which are computed from the beginning. */
function tailOf(file: string): string {
  let from = 0;
  const text = partOf(file, (size) => {
    from = Math.max(0, size - TAIL);
    return [from, size];
  });
  const lines = (text ?? '').split('\n');
  if (from > 0) lines.shift();
  return lines.filter((line) => !line.startsWith('{"type":"check"')).join('\n');
}

function partOf(file: string, range: (size: number) => [from: number, to: number]): string | undefined {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch {
    return undefined;
  }
  try {
    const [from, to] = range(fstatSync(handle).size);
    const bytes = new Uint8Array(to - from);
    const read = readSync(handle, bytes, 0, bytes.length, from);
    return new TextDecoder().decode(bytes.subarray(0, read));
  } finally {
    closeSync(handle);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** The path for display: relative to the current folder if that is shorter. */
export function shownPath(path: string): string {
  const here = relative(process.cwd(), resolve(path));
  return here && !here.startsWith('..') ? here : path;
}
