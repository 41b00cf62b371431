/** What `rhm watch` tells its page: counts of all runs, and a selection of them. */
import type { RunState } from '../sweep/store.js';

export interface WatchState {
  store: string; // its folder
  at: number; // milliseconds since 1970, of this answer
  total: number; // runs that the store knows, or those of the grid where one was given
  counts: Record<RunState, number>;
  /** Runs that ended in each of the last minutes, the current one last. */
  ended: number[];
  workers: WatchedWorker[];
  /** Set aside, and those that are tried again, the latest first. */
  failures: { run: string; name: string; state: RunState; at: number; tries: number; error: string }[];
  failed: number; // how many there are in all
  /** Last losses of runs that have ended: how many lie in each bin of a logarithmic axis. */
  losses?: { low: number; high: number; bins: number[] };
  matched: number; // runs that meet the condition
  curves: WatchedCurve[];
}

/** A process that trains, and what it is at. */
export interface WatchedWorker {
  by: string;
  adapter?: string;
  runs: { run: string; name: string; step: number; steps: number; loss: number | null }[];
  count: number; // of runs at once; `runs` holds the first few
  fraction: number; // mean over these runs, of their steps
}

export interface WatchedCurve {
  run: string;
  name: string;
  state: RunState;
  step: number;
  steps: number;
  loss: number | null;
  nearest?: string; // `H(2) + 0.013`
  plateaus: number[]; // nats; none: its task has no staircase
  points: [samples: number, loss: number][];
  error?: string;
}
