/** A store's runs as tables: CSV and Parquet, written run by run so that thousands of runs need little memory. Node and Deno. */

import { join } from 'node:path';
import type { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { reachedOf, storedPlateaus } from '../analysis/overview.js';
import { csvLine } from '../core/csv.js';
import { DamageError, InputError } from '../core/errors.js';
import { type Experiment, experimentJsonSchema } from '../core/experiment.js';
import { wholeNumberFields } from '../core/fieldTypes.js';
import {
  type EvalRecord,
  hasEnded,
  type MeasureRecord,
  parseRecords,
  type RunRecord,
  type StartRecord,
} from '../core/records.js';
import type { RunEntry, SweepStore } from '../sweep/store.js';
import { endOf } from '../sweep/store.js';
import { files } from '../training/folder.js';
import { checkRun } from '../training/integrity.js';
import { plannedSteps } from '../training/members.js';
import { type AtomicFile, atomicFile, writeAtomically } from './atomicFile.js';
import { claimFiles, holdsText } from './ownFiles.js';

export const exportFormats = ['parquet', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];
type Cell = string | number | boolean | Date | null;
/** INT64: whole numbers; TIMESTAMP: dates, to the millisecond. */
type ColumnType = 'STRING' | 'DOUBLE' | 'INT64' | 'BOOLEAN' | 'TIMESTAMP';
type Row = Record<string, Cell>;

export interface ExportResult {
  runs: number;
  rows: Record<string, number>; // by table
  files: string[];
  /** Runs whose files have changed since they were written: they are left out of the tables. */
  damaged: { run: string; faults: string[] }[];
  unchecked: number; // runs with files of earlier versions, which contain no checks
}

const ROWS_AT_ONCE = 20_000;

/**
 * Writes `runs` (one row per replica: every field of the experiment, state, last and best loss, P_ell, H_ell, where it ran), `evals` and
 * `measures` to a folder.
 * @param entries The runs, in the order of the rows. @throws InputError if none has begun; FileError
 */
export async function exportSweep(
  store: SweepStore,
  entries: readonly RunEntry[],
  directory: string,
  formats: readonly ExportFormat[],
): Promise<ExportResult> {
  const fields = new Map<string, ColumnType>();
  const whole = wholeNumberFields(experimentJsonSchema());
  const begun: RunEntry[] = [];
  const plateaus = new Map<string, readonly number[]>();
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
    plateaus.set(entry.run, storedPlateaus(experiment));
    for (const [name, value] of Object.entries(flat(experiment))) {
      const type = typeof value === 'number' && whole.has(name) ? 'INT64' : typeOf(value);
      const known = fields.get(name) ?? type;
      if (type) fields.set(name, known === type ? type : 'STRING');
    }
  }
  if (!begun.length && damaged.length) throw new DamageError(damaged.flatMap((run) => run.faults).join('; '));
  if (!begun.length) throw new InputError(`${store.name}: no run has begun; rhm sweep run makes some`);
  const names = ['runs', 'evals', 'measures'].flatMap((name) => formats.map((format) => `${name}.${format}`));
  // Tables of earlier versions are recognised by how they begin or by the program named in them.
  const isOurs = (name: string) => holdsText(join(directory, name), name.endsWith('.csv') ? 'run,' : 'hyparquet');
  await claimFiles(directory, names, '--to', isOurs);
  const tables = [
    new Table(
      'runs',
      new Map([...runColumns, ...plateauColumns([...plateaus.values()]), ...fields]),
      directory,
      formats,
    ),
    new Table('evals', evalColumns, directory, formats),
    new Table('measures', measureColumns, directory, formats),
  ] as const;
  try {
    for (const table of tables) await table.open();
    for (const entry of begun) {
      const text = (await store.file(entry.run, files.experiment))!;
      const experiment = flat(text);
      const { records } = parseRecords((await store.file(entry.run, files.records)) ?? '');
      const named = Object.fromEntries(
        [...fields.keys()].map((name) => [name, cell(experiment[name], fields.get(name)!)]),
      );
      for (const row of runRows(entry, records, text, plateaus.get(entry.run) ?? []))
        await tables[0].add({ ...row, ...named });
      for (const record of records) {
        if (record.type === 'eval') await tables[1].add({ run: entry.run, ...(record as object as Row) });
        if (record.type === 'measure')
          for (const row of measureRows(record)) await tables[2].add({ run: entry.run, ...row });
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

/** Checks the files behind the tables against each other, the folder's name and the index. */
async function checkTables(store: SweepStore, { run, state, step }: RunEntry) {
  const [experiment, records] = await Promise.all([store.file(run, files.experiment), store.file(run, files.records)]);
  const name = store.location(run);
  const checkup = await checkRun({ name, hash: /^[0-9a-f]{16}$/.test(run) ? run : undefined, experiment, records });
  if (experiment === undefined && !checkup.faults.length)
    checkup.faults.push(`${name}/${files.experiment}: it is missing; restore it`);
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
  ['replica', 'INT64'],
  ['steps_done', 'INT64'],
  ['steps', 'INT64'], // planned
  ['samples', 'INT64'],
  ['last_loss', 'DOUBLE'], // of the validation set, if there is one; likewise the next two
  ['best_loss', 'DOUBLE'],
  ['last_accuracy', 'DOUBLE'],
  ['test_loss', 'DOUBLE'], // with the weights of the best validation loss
  ['elapsed_ms', 'INT64'],
  ['end', 'STRING'],
  ['started', 'TIMESTAMP'], // the first time
  ['last_started', 'TIMESTAMP'],
  ['ended', 'TIMESTAMP'], // from the index
  ['starts', 'INT64'],
  ['executor', 'STRING'], // from here on: of the last start
  ['adapter', 'STRING'],
  ['card', 'STRING'],
  ['driver', 'STRING'],
  ['runtime', 'STRING'],
  ['os', 'STRING'],
  ['processor', 'STRING'],
  ['version', 'STRING'],
  ['commit', 'STRING'],
  ['init', 'STRING'],
  ['together', 'INT64'],
]);

/** P_1 .. P_L: training sentences seen, repeats included, where the loss passes `stepThreshold` of step ell; H_0 .. H_L in nats. */
function plateauColumns(all: readonly (readonly number[])[]): [string, ColumnType][] {
  const count = all.reduce((most, { length }) => Math.max(most, length), 0);
  const H = Array.from({ length: count }, (_, ell): [string, ColumnType] => [`H_${ell}`, 'DOUBLE']);
  const P = H.slice(1).map((_, i): [string, ColumnType] => [`P_${i + 1}`, 'INT64']);
  return [...P, ...H];
}

const startTexts = ['executor', 'adapter', 'card', 'driver', 'runtime', 'os', 'processor', 'version', 'commit', 'init'];
const evalColumns = new Map<string, ColumnType>([
  ['run', 'STRING'],
  ['replica', 'INT64'],
  ['step', 'INT64'],
  ['samples', 'INT64'],
  ['loss', 'DOUBLE'],
  ['accuracy', 'DOUBLE'],
  ['elapsed_ms', 'INT64'],
]);
const measureColumns = new Map<string, ColumnType>([
  ['run', 'STRING'],
  ['name', 'STRING'],
  ...['replica', 'step', 'samples', 'layer', 'level', 'position', 'place'].map((name) => [name, 'INT64'] as const),
  ['value', 'DOUBLE'],
]);

/** A measure, followed by a row for each position of its layer and place of its level, if it has a map. */
function measureRows({ map = [], ...record }: MeasureRecord): Row[] {
  const whole = record as object as Row;
  const cells = map.flatMap((row, position) => row.map((value, place): Row => ({ ...whole, position, place, value })));
  return [whole, ...cells];
}

function runRows(
  entry: RunEntry,
  records: readonly RunRecord[],
  experiment: string,
  plateaus: readonly number[],
): Row[] {
  const rows = new Map<number, Row>();
  const curves = new Map<number, Map<number, EvalRecord>>();
  const starts = records.filter((record): record is StartRecord => record.type === 'start');
  const last = Object(starts.at(-1)) as Record<string, unknown>;
  const whole = {
    steps: plannedSteps(JSON.parse(experiment) as Experiment), // not parsed with the schema: its model may be from a module that is not loaded
    started: dateOf(starts[0]?.time),
    last_started: dateOf(last.time),
    ended: hasEnded(entry.state) ? dateOf(entry.at) : null,
    starts: starts.length,
    ...Object.fromEntries(plateaus.map((H, ell) => [`H_${ell}`, H])),
    ...Object.fromEntries(startTexts.map((name) => [name, typeof last[name] === 'string' ? last[name] : null])),
    together: typeof last.together === 'number' ? last.together : null,
  };
  const of = (replica: number): Row => {
    const row = rows.get(replica) ?? {
      run: entry.run,
      name: entry.name ?? null,
      state: entry.state,
      error: entry.error ?? null,
      replica,
      ...whole,
    };
    rows.set(replica, row);
    return row;
  };
  for (const record of records) {
    if (record.type === 'eval') {
      const { step, samples, loss, accuracy, elapsed_ms } = record;
      const row = of(record.replica);
      const best = Math.min(
        (row.best_loss as number | null | undefined) ?? Infinity,
        Number.isNaN(loss) ? Infinity : loss,
      );
      const numbers = { last_loss: loss, best_loss: Number.isFinite(best) ? best : null, last_accuracy: accuracy };
      Object.assign(row, { steps_done: step, samples, ...numbers, elapsed_ms });
      const evals = curves.get(record.replica) ?? new Map<number, EvalRecord>();
      curves.set(record.replica, evals.set(step, record)); // a resumed run may have a step twice: the later one counts
    }
    if (record.type === 'test') of(record.replica).test_loss = record.loss;
    if (record.type === 'end' && record.replica !== undefined) of(record.replica).end = record.reason;
  }
  for (const [replica, evals] of curves) {
    const points = [...evals.values()].sort((a, b) => a.samples - b.samples);
    for (const { ell, samples } of reachedOf(plateaus, points, 1)) of(replica)[`P_${ell}`] = samples;
  }
  return rows.size ? [...rows.values()].sort((a, b) => Number(a.replica) - Number(b.replica)) : [of(0)];
}

/** null: missing, or not a date. */
function dateOf(time: unknown): Date | null {
  const date = new Date(typeof time === 'string' || typeof time === 'number' ? time : Number.NaN);
  return Number.isNaN(date.getTime()) ? null : date;
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

/** A cell as Parquet expects it. Integers are bigint there; other values, from records of another program, are left out. */
function parquetCell(value: Cell | undefined, type: ColumnType): Cell | bigint {
  if (value === undefined) return null;
  if (type !== 'INT64') return value;
  return Number.isSafeInteger(value) ? BigInt(value as number) : null;
}

/** A table while it is written to its files. */
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
      await this.#csv.write(csvLine([...this.columns.keys()]));
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
    await this.#csv?.write(rows.map((row) => csvLine(names.map((name) => row[name]))).join(''));
    const columnData = [...this.columns].map(([name, type]) => ({
      name,
      data: rows.map((row) => parquetCell(row[name], type)),
    }));
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
