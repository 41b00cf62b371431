/** What `rhm watch` sends to its page: counts of all runs, and a selection of them. */
import type { RunState } from '../sweep/store.js';

export interface WatchState {
  store: string; // its folder
  at: number; // milliseconds since 1970, time of this answer
  total: number; // runs that the store knows, or runs of the grid if one was given
  counts: Record<RunState, number>;
  /** Runs that ended in each of the last minutes, the current one last. */
  ended: number[];
  workers: WatchedWorker[];
  /** Runs set aside, and runs that are being retried, latest first. */
  failures: { run: string; name: string; state: RunState; at: number; tries: number; error: string }[];
  failed: number; // total number of these
  /** Last losses of runs that have ended: a histogram with bins on a logarithmic axis. */
  losses?: { low: number; high: number; bins: number[] };
  matched: number; // runs that meet the condition
  curves: WatchedCurve[];
}

/** A process that trains, and its current runs. */
export interface WatchedWorker {
  by: string;
  adapter?: string;
  runs: { run: string; name: string; step: number; steps: number; loss: number | null }[];
  count: number; // number of current runs; `runs` contains the first few
  fraction: number; // fraction of the steps done, mean over these runs
}

export interface WatchedCurve {
  run: string;
  name: string;
  state: RunState;
  step: number;
  steps: number;
  loss: number | null;
  nearest?: string; // `H(2) + 0.013`
  plateaus: number[]; // nats; empty: its task has no staircase
  points: [samples: number, loss: number][];
  error?: string;
}
