/** If the index and the folders disagree, the folders are right. */

import { files, parseJson } from '../core/outside.js';
import { hasEnded } from '../core/records.js';
import { checkRun } from '../training/integrity.js';
import { endOf, type IndexEvent, type RunEntry, type SweepStore } from './store.js';

export interface RepairedStore {
  entries: Map<string, RunEntry>;
  repaired: number; // events that were missing from the index
  faults: Map<string, string[]>; // by run, after a thorough check: files that have changed since they were written
  unchecked: Set<string>; // runs with files of earlier versions, which contain no checks
}

/**
 * Reads the index and corrects what the folders contradict: folders it does not know (another program, a copy), runs whose folder
 * is gone, runs that were `running` when their process died. Only the records of such runs are read.
 * @param options.thorough Read all files of every run; one with a damaged file is set aside as failed.
 * @param options.quiet Do not write the corrections to the index (for a store without write permission).
 */
export async function repairStore(
  store: SweepStore,
  options: { thorough?: boolean; quiet?: boolean } = {},
): Promise<RepairedStore> {
  const entries = await store.read();
  const folders = await store.folders();
  const events: IndexEvent[] = [];
  const at = Date.now();
  const faults = new Map<string, string[]>();
  const unchecked = new Set<string>();
  const isDamaged = async (run: string): Promise<boolean> => {
    if (!options.thorough) return false;
    const found = await checkStored(store, run);
    if (found.unchecked.length) unchecked.add(run);
    if (!found.faults.length) return false;
    faults.set(run, found.faults);
    events.push({ run, state: 'failed', at, error: found.faults.join('; ') });
    return true;
  };
  for (const [run, entry] of entries) {
    const ended = hasEnded(entry.state);
    if (!folders.has(run)) {
      if (ended || entry.state === 'running')
        events.push({ run, state: 'waiting', at, error: 'its folder is gone; it will be run again' });
    } else if (entry.state === 'running' || entry.state === 'waiting' || options.thorough) {
      const found = await examine(store, run);
      if (found.busy) {
        if (entry.state !== 'running') events.push({ run, state: 'running', at, by: found.busy });
      } else if (await isDamaged(run)) {
        // A process that continued it would not get its results.
      } else if (found.ended) {
        if (!ended || entry.loss !== found.ended.loss || entry.step !== found.ended.step)
          events.push({ run, at, ...found.ended });
      } else if (entry.state === 'running' || ended)
        events.push({ run, state: 'waiting', at, error: ended ? 'its records are incomplete' : 'its process died' });
    }
  }
  for (const run of folders)
    if (!entries.has(run)) {
      const found = await examine(store, run);
      if (found.busy) events.push({ run, state: 'running', at, by: found.busy });
      else if (await isDamaged(run)) continue;
      else if (found.ended) events.push({ run, at, ...found.ended });
      else if (found.begun) events.push({ run, state: 'waiting', at, error: 'it was interrupted' });
    }
  if (!events.length) return { entries, repaired: 0, faults, unchecked };
  for (const event of events) {
    const old = entries.get(event.run);
    entries.set(event.run, { tries: 0, ...old, error: undefined, by: undefined, ...event });
  }
  if (!options.quiet) await store.note(events);
  return { entries, repaired: events.length, faults, unchecked };
}

/** Checks all files of a run. */
async function checkStored(store: SweepStore, run: string) {
  const [experiment, rules, records] = await Promise.all(
    [files.experiment, files.rules, files.records].map((file) => store.file(run, file)),
  );
  const hash = /^[0-9a-f]{16}$/.test(run) ? run : undefined;
  // Without any records a run starts again: its checkpoint is not used.
  const checkpoint = records === undefined ? undefined : await store.bytes(run, files.checkpoint);
  return checkRun({ name: store.location(run), hash, experiment, rules, records, checkpoint });
}

async function examine(store: SweepStore, run: string) {
  const busy = await store.holder(run);
  const experiment = busy ? undefined : await store.file(run, files.experiment);
  let replicas = Number.POSITIVE_INFINITY;
  try {
    const given = Object(parseJson(experiment ?? '', files.experiment)).replicas ?? 1;
    if (Number.isInteger(given) && given >= 1) replicas = given;
  } catch {} // a missing or incomplete experiment: the run starts again
  const ended = experiment === undefined ? undefined : endOf(await store.file(run, files.records), replicas);
  return { busy, ended, begun: experiment !== undefined };
}
