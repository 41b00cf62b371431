/** `rhm sweep export`: a store's runs as Parquet and CSV, for pandas, DuckDB, R. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { counted } from '../../core/counted.js';
import { type ExportFormat, exportFormats, exportSweep } from '../../platform/sweepExport.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import { askedRuns } from '../../sweep/gridRounds.js';
import { repairStore } from '../../sweep/repair.js';
import type { RunEntry } from '../../sweep/store.js';
import type { CommandContext } from '../context.js';
import { readGridOfStore, recordsIn, storeOf } from './options.js';

export interface ExportOptions {
  out?: string;
  to?: string;
  format?: ExportFormat;
  json?: boolean;
}

export async function sweepExport(
  io: CommandContext,
  target: string,
  options: ExportOptions,
  command: Command,
): Promise<void> {
  const isStore = statSync(target, { throwIfNoEntry: false })?.isDirectory();
  const grid = isStore ? undefined : await readGridOfStore(target);
  const store = openSweepFolder(grid ? storeOf(grid, options.out) : target, { existing: true });
  const { entries } = await repairStore(store, { quiet: true });
  const wanted: RunEntry[] = grid
    ? (await askedRuns(grid, recordsIn(store.name))).flatMap(({ hash, name }) => {
        const entry = entries.get(hash);
        return entry ? [{ ...entry, name }] : [];
      })
    : [...entries.values()];
  const to = options.to ?? join(store.name, 'export');
  const result = await exportSweep(store, wanted, to, options.format ? [options.format] : exportFormats);
  for (const fault of result.damaged.flatMap((run) => run.faults)) io.log(`left out: ${fault}`);
  if (result.unchecked)
    io.log(`${counted(result.unchecked, 'run')} unchecked: written by a version without check sums`);
  if (result.damaged.length) process.exitCode = 1;
  await io.result(
    command,
    result,
    () =>
      `${counted(result.runs, 'run')}: ${Object.entries(result.rows)
        .map(([name, rows]) => `${counted(rows, 'row')} of ${name}`)
        .join(', ')}; ${result.files.join(', ')}`,
  );
}
