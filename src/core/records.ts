import { crc32 } from './crc32.js';
import { InputError } from './errors.js';
import type { Simd } from './simd.js';

/**
 * The lines of records.jsonl, one JSON object each; lines are only ever appended. A resumed run has one `start` line for each start,
 * and may contain a line twice (same replica and step): the later one counts. The lines of each append are followed by one
 * `{"type":"check","crc32":...}`, computed over the previous check and these lines: it reveals a changed, lost or moved line.
 */
export interface StartRecord {
  type: 'start';
  hash: string; // content hash of the experiment
  adapter?: string; // GPU, or its software replacement
  card?: string; // PCI address of that GPU, if a worker process looked which one it had opened
  driver?: string; // of that GPU, as reported by the driver
  executor?: string; // webgpu or wasm
  simd?: Simd; // arithmetic of wasm's multiply-adds; absent in records of earlier versions: plain
  runtime?: string; // for example `node 20.20.2`; with webgpu `node 20.20.2 (Dawn, webgpu 0.6.2)`
  os?: string; // for example `Linux 6.12.1 x64`
  processor?: string; // for example `AMD EPYC 9B14, 16 cores`
  version?: string; // version of this program
  commit?: string; // commit from which this program was built, with `-changed` if its sources differed; if known
  together?: number; // number of runs that train in one plan from here on, if more than one: elapsed_ms is the time of all
  step?: number; // where a resumed run continued; absent or 0 at the beginning
  init?: string; // digest of the initial weights, if they came from a file
  unchecked?: number; // earlier lines that had no check when the run was resumed
  time?: string; // ISO 8601
}

/** Where a program runs, as reported by its platform. */
export interface Host {
  readonly runtime: string;
  readonly os?: string;
  readonly processor?: string;
  readonly card?: string;
}

export interface EvalRecord {
  type: 'eval';
  replica: number;
  step: number; // optimiser steps done
  samples: number; // training sentences seen, P when every batch is fresh
  loss: number; // mean cross-entropy in nats on the test set, or on the named set; NaN after divergence
  accuracy: number; // fraction of its sentences that are right
  elapsed_ms: number;
  set?: 'validation'; // absent: the test set
  /** In half precision: steps skipped so far because a factor did not fit, and the loss factor, a power of two. */
  skipped?: number;
  loss_scale?: number;
}

/**
 * The test loss of a replica that has ended, with the weights of its best validation loss. Written for runs with
 * evaluation.validation.
 */
export interface TestRecord {
  type: 'test';
  replica: number;
  step: number; // of the best validation loss
  samples: number; // training sentences seen until then
  loss: number; // mean cross-entropy on the test set, nats
  accuracy: number;
  validation: number; // best validation loss, nats
  /** Loss of the exact predictor with the whole context on the same test sentences, nats; if the task has one. */
  exact?: number;
  /** For grammars whose sentences cannot be drawn without replacement: how many of the P draws repeat an earlier one. */
  repeats?: number;
  /** Likewise: test sentences that also occur in training. */
  leaked?: number;
}

export interface MeasureRecord {
  type: 'measure';
  replica: number;
  step: number;
  samples: number;
  name: string;
  layer?: number;
  level?: number; // counted from the leaves
  value: number;
  /** For measures of every position: [positions of the layer, symbols of the level]. */
  map?: number[][];
}

export interface EndRecord {
  type: 'end';
  replica?: number; // absent: the whole run
  reason: EndReason;
  message?: string;
}

/** The learning rate was changed by hand, to `factor` times that of the experiment: the experiment alone no longer gives these bits. */
export interface RateRecord {
  type: 'rate';
  step: number; // steps done before the change
  factor: number;
}

/** Why a replica, or a run, ended with nothing left to do. */
export type RunEnd = 'done' | 'diverged';
/** `stopped`: by its user, who gave the reason in `message`; `interrupted`: without one, as by a signal. Both can be continued. */
export type EndReason = RunEnd | 'stopped' | 'interrupted' | 'failed';

export const hasEnded = (state: string | null | undefined): state is RunEnd => state === 'done' || state === 'diverged';

export type RunRecord = StartRecord | EvalRecord | TestRecord | MeasureRecord | RateRecord | EndRecord;

export interface ParsedRecords {
  records: RunRecord[];
  /** Lines that were left out, with the reason; numbered from 1. */
  problems: { line: number; message: string }[];
  /** The last line is incomplete. Normal after a kill; its step is computed again on resume. */
  halfWritten: boolean;
  /** Bytes of UTF-8 up to the end of the last complete line: truncate the file to this length before appending. */
  wholeBytes: number;
}

/** The result of checking the lines. */
export interface InspectedRecords extends ParsedRecords {
  /** How many of `records` come before the first problem: none of these is missing. */
  intact: number;
  /** Lines of a file without checks, as earlier versions wrote them: changes to these cannot be detected. */
  unchecked: number;
}

/** One line, with its newline. NaN and infinities become null, which the parser reads as NaN. */
export function formatRecord(record: RunRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** The lines of one file in the order in which they are appended. */
export class RecordLines {
  #last = '';

  format(records: readonly RunRecord[]): string {
    const lines = records.map((record) => JSON.stringify(record));
    if (!lines.length) return '';
    this.#last = checkOf(this.#last, lines);
    return `${lines.join('\n')}\n{"type":"check","crc32":"${this.#last}"}\n`;
  }
}

const CHECK = /^\{"type":"check","crc32":"([0-9a-f]{8})"\}$/;

const checkOf = (last: string, lines: readonly string[]): string =>
  crc32(utf8.encode([last, ...lines].join('\n')))
    .toString(16)
    .padStart(8, '0');

const utf8 = new TextEncoder();

/**
 * Reads records.jsonl. A last line without newline is accepted if it is a complete record, and reported as incomplete otherwise.
 * Any other bad line is left out and listed, as are lines that do not match their check. Lines after the last check were cut off
 * while being written. Records of unknown type are skipped: a newer version may write more.
 */
export function parseRecords(text: string): ParsedRecords {
  const { records, problems, halfWritten, wholeBytes } = inspectRecords(text);
  return { records, problems, halfWritten, wholeBytes };
}

/** The same, with the result of the checks. */
export function inspectRecords(text: string): InspectedRecords {
  const records: RunRecord[] = [];
  const problems: ParsedRecords['problems'] = [];
  const lines = text.split('\n');
  const tail = lines.pop()!;
  let halfWritten = false;
  let whole = text.length - tail.length;
  let intact: number | undefined;
  let last: string | undefined; // the previous check
  let batch: { line: string; number: number }[] = []; // lines since then
  let begun = 0; // records before these lines
  lines.forEach((line, i) => {
    take(line.trimEnd(), i + 1);
  });
  const before = intact;
  if (tail.trim() && !take(tail.trimEnd(), lines.length + 1)) {
    intact = before;
    problems.pop();
    halfWritten = true;
  } else if (tail.trim()) whole = text.length;
  if (last !== undefined && batch.length) {
    records.length = begun;
    halfWritten = true;
  }
  const wholeBytes = utf8.encode(text.slice(0, whole)).length;
  const unchecked = last === undefined ? batch.length : 0;
  return {
    records,
    problems,
    halfWritten,
    wholeBytes,
    intact: Math.min(intact ?? records.length, records.length),
    unchecked,
  };

  function take(line: string, number: number): boolean {
    if (!line) return true;
    const check = CHECK.exec(line)?.[1];
    if (check !== undefined) {
      close(check, number);
      return true;
    }
    batch.push({ line, number });
    try {
      const record = toRecord(JSON.parse(line));
      if (record) records.push(record);
      return true;
    } catch (error) {
      const message = error instanceof InputError ? error.message : 'not JSON';
      intact ??= last === undefined ? records.length : begun;
      problems.push({ line: number, message });
      return false;
    }
  }

  /** The check of the lines since the previous one. */
  function close(check: string, number: number): void {
    const expected = checkOf(
      last ?? '',
      batch.map(({ line }) => line),
    );
    if (check !== expected) {
      intact = Math.min(intact ?? begun, begun);
      records.length = begun;
      const from = batch[0]?.number ?? number;
      if (!problems.some(({ line }) => line >= from))
        problems.push({
          line: from,
          message: `lines ${from} to ${number} do not fit their check; one was changed or lost`,
        });
    }
    last = check;
    batch = [];
    begun = records.length;
  }
}

/** Text fields of a start record, in the order of its line. */
export const startTexts = [
  'hash',
  'adapter',
  'card',
  'driver',
  'executor',
  'runtime',
  'os',
  'processor',
  'version',
  'commit',
  'init',
  'time',
] as const satisfies readonly (keyof StartRecord)[];

const LEAST_LOSS = -0.01; // nats: a cross-entropy of 0, less the rounding error of f32 at logits of 10^5

function toRecord(json: unknown): RunRecord | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new InputError('not an object');
  const o = json as Record<string, unknown>;
  const count = (name: string, fallback?: number) => {
    const value = o[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
      throw new InputError(`${name}: expected a whole number of at least 0, got ${JSON.stringify(o[name])}`);
    return value;
  };
  const real = (name: string, min = -Infinity, max = Infinity) => {
    const value = o[name];
    if (value === null || value === undefined) return Number.NaN;
    if (typeof value !== 'number') throw new InputError(`${name}: expected a number, got ${JSON.stringify(value)}`);
    if (!(value >= min && value <= max))
      throw new InputError(
        `${name}: got ${value}; no run has one ${value < min ? 'below' : 'above'} ${value < min ? min : max}`,
      );
    return value;
  };
  switch (o.type) {
    case 'start': {
      for (const name of startTexts)
        if (o[name] !== undefined && typeof o[name] !== 'string')
          throw new InputError(`${name}: expected text, got ${JSON.stringify(o[name])}`);
      return { ...o, type: 'start', hash: String(o.hash ?? '') };
    }
    case 'eval':
      return {
        type: 'eval',
        replica: count('replica', 0),
        step: count('step'),
        samples: count('samples'),
        loss: real('loss', LEAST_LOSS),
        accuracy: real('accuracy', 0, 1),
        elapsed_ms: real('elapsed_ms', 0),
        ...(o.set === 'validation' && { set: o.set }),
        ...(o.skipped !== undefined && { skipped: count('skipped'), loss_scale: real('loss_scale', 0) }),
      };
    case 'test': {
      const record: TestRecord = {
        type: 'test',
        replica: count('replica', 0),
        step: count('step'),
        samples: count('samples'),
        loss: real('loss', LEAST_LOSS),
        accuracy: real('accuracy', 0, 1),
        validation: real('validation', LEAST_LOSS),
      };
      if (o.exact !== undefined) record.exact = real('exact', LEAST_LOSS);
      if (o.repeats !== undefined) record.repeats = count('repeats');
      if (o.leaked !== undefined) record.leaked = count('leaked');
      return record;
    }
    case 'measure': {
      if (typeof o.name !== 'string') throw new InputError(`name: expected text, got ${JSON.stringify(o.name)}`);
      const record: MeasureRecord = {
        type: 'measure',
        replica: count('replica', 0),
        step: count('step'),
        samples: count('samples'),
        name: o.name,
        value: real('value'),
      };
      if (o.layer !== undefined) record.layer = count('layer');
      if (o.level !== undefined) record.level = count('level');
      if (o.map !== undefined) record.map = mapOf(o.map);
      return record;
    }
    case 'rate':
      return { type: 'rate', step: count('step'), factor: real('factor') };
    case 'end': {
      const record: EndRecord = { type: 'end', reason: o.reason as EndReason };
      if (typeof o.reason !== 'string') throw new InputError(`reason: expected text, got ${JSON.stringify(o.reason)}`);
      if (o.replica !== undefined) record.replica = count('replica');
      if (typeof o.message === 'string') record.message = o.message;
      return record;
    }
    default:
      if (typeof o.type !== 'string') throw new InputError(`type: expected text, got ${JSON.stringify(o.type)}`);
      return undefined;
  }
}

/** Rows of numbers, all of the same length; null is NaN. */
function mapOf(value: unknown): number[][] {
  const rows = value as unknown[][];
  const isMap =
    Array.isArray(rows) &&
    rows.every(
      (row) =>
        Array.isArray(row) &&
        row.length === (rows[0] as unknown[]).length &&
        row.every((x) => x === null || typeof x === 'number'),
    );
  if (!isMap) throw new InputError(`map: expected rows of numbers, all of one length, got ${JSON.stringify(value)}`);
  return rows.map((row) => row.map((x) => (x === null ? Number.NaN : (x as number))));
}
