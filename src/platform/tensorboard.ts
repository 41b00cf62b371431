/** Runs as event files of TensorBoard: a folder per run (and replica), scalars over steps. Node and Deno. */
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../core/errors.js';
import { encodeEvents, type ScalarEvent } from '../core/eventFile.js';
import { parseRecords, type RunRecord } from '../core/records.js';
import { checkRun } from '../training/integrity.js';
import { writeAtomically } from './atomicFile.js';
import { makeFolder } from './durable.js';
import { claimFiles } from './ownFiles.js';
import { readRunFolder } from './runFolders.js';
import type { ListedRun } from './runList.js';

export interface TensorboardExport {
  runs: number;
  scalars: number;
  folder: string;
  files: string[];
  /** Runs whose files have changed since they were written: left out. */
  damaged: { run: string; faults: string[] }[];
}

const FILE = 'events.out.tfevents.0.rhm'; // always the same: TensorBoard would also read files that an earlier export left beside it

/** Writes the evaluations, tests and measures of runs. @throws InputError if none has been evaluated; FileError */
export async function exportTensorboard(runs: readonly ListedRun[], directory: string): Promise<TensorboardExport> {
  const result: TensorboardExport = { runs: 0, scalars: 0, folder: directory, files: [], damaged: [] };
  const names = folderNames(runs);
  const claimed = new Set<string>();
  for (const run of runs) {
    const files = readRunFolder(run.path);
    const { faults } = await checkRun({ ...files, name: run.path });
    if (faults.length) {
      result.damaged.push({ run: run.run, faults });
      continue;
    }
    const { records } = parseRecords(files.records ?? '');
    const replicas = Number((JSON.parse(files.experiment) as { replicas?: number }).replicas ?? 1);
    const byReplica = eventsOf(records);
    if (byReplica.size) result.runs++;
    for (const [replica, events] of byReplica) {
      const name = join(names.get(run)!, ...(replicas > 1 ? [`replica.${replica}`] : []), FILE);
      if (!claimed.size) await claimFiles(directory, [...names.values()], '--out', () => false);
      claimed.add(name);
      makeFolder(dirname(join(directory, name)));
      await writeAtomically(join(directory, name), encodeEvents(events));
      result.files.push(join(directory, name));
      result.scalars += events.reduce((sum, { scalars }) => sum + scalars.length, 0);
    }
  }
  if (!result.files.length && !result.damaged.length)
    throw new InputError('no run has been evaluated yet; nothing to export');
  return result;
}

/** One folder per run, with its name; the hash distinguishes equal names. */
function folderNames(runs: readonly ListedRun[]): Map<ListedRun, string> {
  return new Map(
    runs.map((run) => {
      const name = run.name
        .replace(/[^\w.=+-]+/g, ',')
        .replace(/^[.,]+|,+$/g, '')
        .slice(0, 120);
      return [run, name && name !== run.run ? `${name}-${run.run.slice(0, 8)}` : run.run];
    }),
  );
}

/** By replica, in the order of the steps; an evaluation that was repeated counts once. */
function eventsOf(records: readonly RunRecord[]): Map<number, ScalarEvent[]> {
  const found = new Map<number, Map<number, { wallTime: number; scalars: Map<string, number> }>>();
  const at = (replica: number, step: number, wallTime: number) => {
    const steps = found.get(replica) ?? new Map();
    found.set(replica, steps);
    const event = steps.get(step) ?? { wallTime, scalars: new Map<string, number>() };
    steps.set(step, event);
    return event.scalars as Map<string, number>;
  };
  let began = 0; // seconds since 1970, as if the run had never been interrupted
  let elapsed = 0; // milliseconds of training so far
  for (const record of records) {
    if (record.type === 'start') {
      const time = Date.parse(record.time ?? '');
      if (Number.isFinite(time)) began = (time - elapsed) / 1000;
    }
    if (record.type !== 'eval' && record.type !== 'measure' && record.type !== 'test') continue;
    if (record.type === 'eval') elapsed = record.elapsed_ms;
    const scalars = at(record.replica, record.step, began + elapsed / 1000);
    if (record.type === 'measure') {
      const { name, layer, level, value } = record;
      const place = [layer === undefined ? '' : `layer.${layer}`, level === undefined ? '' : `level.${level}`];
      scalars.set(['measures', name, ...place.filter(Boolean)].join('/'), value);
      continue;
    }
    const set = record.type === 'test' ? 'test at best' : (record.set ?? 'test');
    scalars.set(`loss/${set}`, record.loss);
    scalars.set(`accuracy/${set}`, record.accuracy);
  }
  return new Map(
    [...found].map(([replica, steps]) => [
      replica,
      [...steps]
        .sort(([a], [b]) => a - b)
        .map(([step, { wallTime, scalars }]) => ({ step, wallTime, scalars: [...scalars] })),
    ]),
  );
}

/** Default folder for the event files of a store or a folder. */
export const tensorboardFolder = (root: string): string =>
  join(statSync(root, { throwIfNoEntry: false })?.isDirectory() ? root : '.', 'tensorboard');
