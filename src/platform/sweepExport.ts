/** A store's runs as tables: CSV and Parquet, written run by run so that thousands of them need little memory. Node and Deno. */

import { join } from 'node:path';
import type { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { DamageError, InputError } from '../core/errors.js';
import { hasEnded, parseRecords, type RunRecord } from '../core/records.js';
import type { RunEntry, SweepStore } from '../sweep/store.js';
import { endOf } from '../sweep/store.js';
import { files } from '../training/folder.js';
import { checkRun } from '../training/integrity.js';
import { type AtomicFile, atomicFile, writeAtomically } from './atomicFile.js';
import { claimFiles, holdsText } from './ownFiles.js';

export const exportFormats = ['parquet', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];
type Cell = string | number | boolean | null;
type ColumnType = 'STRING' | 'DOUBLE' | 'BOOLEAN';
type Row = Record<string, Cell>;

export interface ExportResult {
  runs: number;
  rows: Record<string, number>; // by table
  files: string[];
  /** Runs whose files are not as they were written: they are in no table. */
  damaged: { run: string; faults: string[] }[];
  unchecked: number; // runs with files of earlier versions, which hold nothing to check them by
}

const ROWS_AT_ONCE = 20_000;

/**
 * Writes `runs` (one row a replica: every field of the experiment, state, last and best loss), `evals` and `measures` to a folder.
 * @param entries The runs, in the order they are to have. @throws InputError when none has begun; FileError
 */
export async function exportSweep(
  store: SweepStore,
  entries: readonly RunEntry[],
  directory: string,
  formats: readonly ExportFormat[],
): Promise<ExportResult> {
  const fields = new Map<string, ColumnType>();
  const begun: RunEntry[] = [];
  const damaged: ExportResult['damaged'] = [];
  let unchecked = 0;
  for (const entry of entries) {
    const experiment = await store.file(entry.run, files.experiment);
    if (experiment === undefined && !hasEnded(entry.state)) continue;
    const checkup = await checkTables(store, entry);
    if (checkup.unchecked.length) unchecked++;
    if (checkup.faults.length || experiment === undefined) {
      damaged.push({ run: entry.run, faults: checkup.faults });
      continue;
    }
    begun.push(entry);
    for (const [name, value] of Object.entries(flat(experiment))) {
      const type = typeOf(value);
      const known = fields.get(name) ?? type;
      if (type) fields.set(name, known === type ? type : 'STRING');
    }
  }
  if (!begun.length && damaged.length) throw new DamageError(damaged.flatMap((run) => run.faults).join('; '));
  if (!begun.length) throw new InputError(`${store.name}: no run has begun; rhm sweep run makes some`);
  const names = ['runs', 'evals', 'measures'].flatMap((name) => formats.map((format) => `${name}.${format}`));
  // Tables of earlier versions, by the beginning of theirs or the program that wrote them.
  const isOurs = (name: string) => holdsText(join(directory, name), name.endsWith('.csv') ? 'run,' : 'hyparquet');
  await claimFiles(directory, names, '--to', isOurs);
  const tables = [
    new Table('runs', new Map([...runColumns, ...fields]), directory, formats),
    new Table('evals', evalColumns, directory, formats),
    new Table('measures', measureColumns, directory, formats),
  ] as const;
  try {
    for (const table of tables) await table.open();
    for (const entry of begun) {
      const experiment = flat((await store.file(entry.run, files.experiment))!);
      const { records } = parseRecords((await store.file(entry.run, files.records)) ?? '');
      const named = Object.fromEntries(
        [...fields.keys()].map((name) => [name, cell(experiment[name], fields.get(name)!)]),
      );
      for (const row of runRows(entry, records)) await tables[0].add({ ...row, ...named });
      for (const record of records) {
        if (record.type === 'eval') await tables[1].add({ run: entry.run, ...(record as object as Row) });
        if (record.type === 'measure') await tables[2].add({ run: entry.run, ...(record as object as Row) });
      }
    }
    const written: string[] = [];
    for (const table of tables) written.push(...(await table.close()));
    return {
      runs: begun.length,
      rows: Object.fromEntries(tables.map((t) => [t.name, t.rows])),
      files: written,
      damaged,
      unchecked,
    };
  } catch (error) {
    for (const table of tables) await table.abort();
    throw error;
  }
}

/** What the tables are made of, against itself, the folder's name and the index. */
async function checkTables(store: SweepStore, { run, state, step }: RunEntry) {
  const [experiment, records] = await Promise.all([store.file(run, files.experiment), store.file(run, files.records)]);
  const name = store.location(run);
  const checkup = await checkRun({ name, hash: /^[0-9a-f]{16}$/.test(run) ? run : undefined, experiment, records });
  if (experiment === undefined && !checkup.faults.length)
    checkup.faults.push(`${name}/${files.experiment}: it is not there; restore it`);
  if (checkup.faults.length || experiment === undefined || !hasEnded(state)) return checkup;
  if (!endOf(records, JSON.parse(experiment).replicas ?? 1))
    checkup.faults.push(
      `${name}/${files.records}: it has no end, the index says ${state} at step ${step}; restore a copy of it, or continue the run: rhm sweep status ${store.name} --check finds it, rhm sweep run trains it`,
    );
  return checkup;
}

const runColumns = new Map<string, ColumnType>([
  ['run', 'STRING'],
  ['name', 'STRING'],
  ['state', 'STRING'],
  ['error', 'STRING'],
  ['replica', 'DOUBLE'],
  ['steps_done', 'DOUBLE'],
  ['samples', 'DOUBLE'],
  ['loss', 'DOUBLE'],
  ['accuracy', 'DOUBLE'],
  ['best_loss', 'DOUBLE'],
  ['elapsed_ms', 'DOUBLE'],
  ['end', 'STRING'],
]);
const evalColumns = new Map<string, ColumnType>([
  ['run', 'STRING'],
  ...['replica', 'step', 'samples', 'loss', 'accuracy', 'elapsed_ms'].map((name) => [name, 'DOUBLE'] as const),
]);
const measureColumns = new Map<string, ColumnType>([
  ['run', 'STRING'],
  ['name', 'STRING'],
  ...['replica', 'step', 'samples', 'layer', 'level', 'value'].map((name) => [name, 'DOUBLE'] as const),
]);

function runRows(entry: RunEntry, records: readonly RunRecord[]): Row[] {
  const rows = new Map<number, Row>();
  const of = (replica: number): Row => {
    const row = rows.get(replica) ?? {
      run: entry.run,
      name: entry.name ?? null,
      state: entry.state,
      error: entry.error ?? null,
      replica,
    };
    rows.set(replica, row);
    return row;
  };
  for (const record of records) {
    if (record.type === 'eval') {
      const { step, samples, loss, accuracy, elapsed_ms } = record;
      const row = of(record.replica);
      const best = Math.min((row.best_loss as number | undefined) ?? Infinity, Number.isNaN(loss) ? Infinity : loss);
      Object.assign(row, { steps_done: step, samples, loss, accuracy, elapsed_ms, best_loss: best });
    }
    if (record.type === 'end' && record.replica !== undefined) of(record.replica).end = record.reason;
  }
  return rows.size ? [...rows.values()].sort((a, b) => Number(a.replica) - Number(b.replica)) : [of(0)];
}

/** Dotted fields of an experiment; lists and the rules as JSON. */
function flat(experiment: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const visit = (value: unknown, path: string) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [key, inner] of Object.entries(value)) visit(inner, path ? `${path}.${key}` : key);
    else found[path] = Array.isArray(value) ? JSON.stringify(value) : value;
  };
  visit(JSON.parse(experiment), '');
  return found;
}

function typeOf(value: unknown): ColumnType | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'number' ? 'DOUBLE' : typeof value === 'boolean' ? 'BOOLEAN' : 'STRING';
}

function cell(value: unknown, type: ColumnType): Cell {
  if (value === null || value === undefined) return null;
  return type === 'STRING' ? String(value) : (value as Cell);
}

/** A table on its way to its files. */
class Table {
  rows = 0;
  #buffered: Row[] = [];
  #csv: AtomicFile | undefined;
  #bytes: ByteWriter | undefined;
  #parquet: ParquetWriter | undefined;

  constructor(
    readonly name: string,
    readonly columns: ReadonlyMap<string, ColumnType>,
    readonly directory: string,
    readonly formats: readonly ExportFormat[],
  ) {}

  async open(): Promise<void> {
    if (this.formats.includes('csv')) {
      this.#csv = await atomicFile(join(this.directory, `${this.name}.csv`));
      await this.#csv.write(line([...this.columns.keys()]));
    }
    if (this.formats.includes('parquet')) {
      const { ByteWriter, ParquetWriter, schemaFromColumnData } = await import('hyparquet-writer');
      const columnData = [...this.columns].map(([name, type]) => ({ name, data: [], type, nullable: true }));
      this.#bytes = new ByteWriter();
      this.#parquet = new ParquetWriter({ writer: this.#bytes, schema: schemaFromColumnData({ columnData }) });
    }
  }

  async add(row: Row): Promise<void> {
    this.rows++;
    this.#buffered.push(row);
    if (this.#buffered.length >= ROWS_AT_ONCE) await this.#flush();
  }

  async #flush(): Promise<void> {
    const rows = this.#buffered;
    this.#buffered = [];
    if (!rows.length) return;
    const names = [...this.columns.keys()];
    await this.#csv?.write(rows.map((row) => line(names.map((name) => row[name] ?? null))).join(''));
    const columnData = names.map((name) => ({ name, data: rows.map((row) => row[name] ?? null) }));
    await this.#parquet?.write({ columnData, rowGroupSize: ROWS_AT_ONCE });
  }

  async close(): Promise<string[]> {
    await this.#flush();
    await this.#csv?.commit();
    await this.#parquet?.finish();
    const path = (format: string) => join(this.directory, `${this.name}.${format}`);
    if (this.#bytes) await writeAtomically(path('parquet'), this.#bytes.getBytes());
    return this.formats.map(path);
  }

  async abort(): Promise<void> {
    await this.#csv?.abort();
  }
}

/** RFC 4180. What is not a number is empty. */
function line(cells: readonly Cell[]): string {
  const text = cells.map((value) => {
    if (value === null || Number.isNaN(value)) return '';
    const shown = String(value);
    return /[",\n\r]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
  });
  return `${text.join(',')}\r\n`;
}
