/** `rhm sweep status`: the state of the runs of a store. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { counted } from '../../core/counted.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import { askedRuns } from '../../sweep/gridRounds.js';
import { repairStore } from '../../sweep/repair.js';
import type { RunEntry, RunState } from '../../sweep/store.js';
import type { CommandContext } from '../context.js';
import { readGridOfStore, recordsIn, storeOf } from './options.js';

export interface StatusOptions {
  out?: string;
  check?: boolean;
  all?: boolean;
  json?: boolean;
}

const SHOWN = 10; // runs of a state listed without --all

/** `target`: a store, or a grid file; with a grid file only its runs are counted. */
export async function sweepStatus(
  io: CommandContext,
  target: string,
  options: StatusOptions,
  command: Command,
): Promise<void> {
  const isStore = statSync(target, { throwIfNoEntry: false })?.isDirectory();
  const grid = isStore ? undefined : await readGridOfStore(target);
  const out = grid ? storeOf(grid, options.out) : target;
  const begun = existsSync(join(out, 'store.json')) || !grid;
  const { entries, faults, unchecked } = begun
    ? await repairStore(openSweepFolder(out, { existing: true }), { thorough: options.check, quiet: !options.check })
    : { entries: new Map<string, RunEntry>(), faults: new Map<string, string[]>(), unchecked: new Set<string>() };
  const asked = grid && begun ? await askedRuns(grid, recordsIn(out)) : grid?.runs;
  const runs: Listed[] = asked
    ? asked.map(({ hash, name }) => listed(hash, entries.get(hash), name))
    : [...entries].map(([hash, entry]) => listed(hash, entry));
  const counts: Record<RunState, number> = { done: 0, diverged: 0, running: 0, failed: 0, waiting: 0 };
  for (const run of runs) counts[run.state]++;
  const damaged = runs.flatMap(({ run }) => (faults.has(run) ? [{ run, faults: faults.get(run)! }] : []));
  const value = {
    out,
    total: runs.length,
    ...counts,
    ...(options.check && { damaged, unchecked: runs.filter(({ run }) => unchecked.has(run)).length }),
    runs: options.all ? runs : runs.filter((run) => run.state !== 'done' && (run.state !== 'waiting' || run.why)),
  };
  await io.result(command, value, () =>
    [
      statusText(out, runs, counts, options.all),
      ...(value.unchecked
        ? [`${counted(value.unchecked, 'run')} unchecked: written by a version without digests`]
        : []),
      ...damaged.flatMap((run) => run.faults.map((fault) => `damaged: ${fault}`)),
      ...(damaged.length ? [`when they are restored or removed: rhm sweep run ${target} --retry-failed`] : []),
    ].join('\n'),
  );
  if (damaged.length) process.exitCode = 1;
}

interface Listed {
  run: string;
  name: string;
  state: RunState;
  why?: string; // the error, or the process that trains it
  tries?: number;
  loss?: number | null;
  step?: number;
}

function listed(run: string, entry: RunEntry | undefined, name?: string): Listed {
  if (!entry) return { run, name: name ?? '', state: 'waiting' };
  const why = entry.error ?? (entry.state === 'running' ? entry.by : undefined);
  const { state, loss, step, tries } = entry;
  return { run, name: name ?? entry.name ?? '', state, ...(why && { why }), ...(tries && { tries }), loss, step };
}

function statusText(out: string, runs: readonly Listed[], counts: Record<RunState, number>, all?: boolean): string {
  const lines = [
    `${out}: ${counted(runs.length, 'run')}: ${(Object.keys(counts) as RunState[]).map((state) => `${counts[state]} ${state}`).join(', ')}`,
  ];
  for (const state of ['running', 'failed', 'diverged', 'waiting', 'done'] as const) {
    const these = runs.filter(
      (run) => run.state === state && (all || (state !== 'done' && (state !== 'waiting' || run.why))),
    );
    const shown = all ? these : these.slice(0, SHOWN);
    for (const { run, name, why, loss, step } of shown) {
      const result = loss === undefined || loss === null ? '' : ` loss ${loss.toFixed(4)} at step ${step}`;
      lines.push(`  ${state.padEnd(8)} ${run}  ${name}${result}${why ? `: ${why}` : ''}`);
    }
    if (these.length > shown.length)
      lines.push(`  ${state.padEnd(8)} ... and ${these.length - shown.length} more (--all)`);
  }
  return lines.join('\n');
}
