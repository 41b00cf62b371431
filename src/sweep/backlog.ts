import { hasEnded } from '../core/records.js';
import type { SweepRun } from './grid.js';
import type { SweepProgress } from './progress.js';
import { repairStore } from './repair.js';
import type { SweepEvent, SweepResult } from './schedule.js';
import type { IndexEvent, RunEntry, SweepStore } from './store.js';

export interface Backlog {
  missing: SweepRun[]; // runs to train or continue
  entries: ReadonlyMap<string, RunEntry>; // the index before these runs were entered
}

/**
 * The work that a sweep has left, after reading the index and the folders. Runs that are new, or retried after being set aside, are
 * entered as waiting; the others are counted in `result` and shown as ended.
 */
export async function backlogOf(
  runs: readonly SweepRun[],
  store: SweepStore,
  result: SweepResult,
  progress: SweepProgress,
  options: { retryFailed?: boolean; onEvent?: (event: SweepEvent) => void },
): Promise<Backlog> {
  const { entries, repaired } = await repairStore(store);
  const missing: SweepRun[] = [];
  const events: IndexEvent[] = [];
  const at = Date.now();
  for (const run of runs) {
    const entry = entries.get(run.hash);
    const failed = entry?.state === 'failed';
    if (hasEnded(entry?.state)) {
      result.present++;
      progress.ended(run.hash, false, true);
    } else if (failed && !options.retryFailed) {
      result.failed.push({ run, error: entry.error ?? 'unknown' });
      progress.ended(run.hash, true, true);
    } else {
      missing.push(run);
      if (failed || !entry?.name)
        events.push({ run: run.hash, state: 'waiting', at, name: run.name, tries: triesOf(entry) });
    }
  }
  await store.note(events);
  const counts = { total: runs.length, done: result.present, failed: result.failed.length, waiting: missing.length };
  options.onEvent?.({ type: 'begin', ...counts, repaired });
  return { missing, entries };
}

/** How many workers a run has crashed so far; the count starts again for a run that was marked as failed. */
export const triesOf = (entry: RunEntry | undefined): number =>
  entry === undefined || entry.state === 'failed' ? 0 : entry.tries;
