import { crc32 } from './crc32.js';
import { InputError } from './errors.js';
import type { Simd } from './simd.js';

/**
 * The lines of records.jsonl, one JSON object each, only ever appended. A run that was resumed has one `start` line for
 * each time it was started, and may hold a line twice (same replica and step): the later one counts. After the
 * lines of each append comes one `{"type":"check","crc32":...}`, of the check before it and of these lines: a changed, lost or moved
 * line is found.
 */
export interface StartRecord {
  type: 'start';
  hash: string; // content hash of the experiment
  adapter?: string; // GPU, or what stands in for it
  card?: string; // PCI address of that GPU, where a worker process looked which one it had opened
  driver?: string; // of that GPU, as the driver describes itself
  executor?: string; // webgpu or wasm
  simd?: Simd; // arithmetic of wasm's multiply-adds; in records of earlier versions absent: plain
  runtime?: string; // for example `node 20.20.2`; with webgpu `node 20.20.2 (Dawn, webgpu 0.6.2)`
  os?: string; // for example `Linux 6.12.1 x64`
  processor?: string; // for example `AMD EPYC 9B14, 16 cores`
  version?: string; // of this program
  commit?: string; // that this program was built from, `-changed` after it where its sources differed; where known
  together?: number; // runs that train in one plan from here on, if more than one: elapsed_ms is the time of all
  step?: number; // where a resumed run continued; absent or 0 at the beginning
  init?: string; // digest of the weights it began with, where they came from a file
  unchecked?: number; // lines before this one that had no check when the run was resumed
  time?: string; // ISO 8601
}

/** Where a program runs, as its platform knows it. */
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
  loss: number; // mean cross-entropy in nats on the test set, or on the set named; NaN after divergence
  accuracy: number; // fraction of its sentences
  elapsed_ms: number;
  set?: 'validation'; // absent: the test set
  /** In half precision: steps left out so far because a factor did not fit, and the loss's factor, a power of two. */
  skipped?: number;
  loss_scale?: number;
}

/** The test loss of a replica that has ended, at the weights of its best validation loss. Runs with evaluation.validation have one. */
export interface TestRecord {
  type: 'test';
  replica: number;
  step: number; // of the best validation loss
  samples: number; // training sentences seen up to there
  loss: number; // mean cross-entropy on the test set, nats
  accuracy: number;
  validation: number; // best validation loss, nats
  /** Loss of the exact predictor with the whole context on the same test sentences, nats; where the task has one. */
  exact?: number;
  /** Grammars whose sentences cannot be drawn without replacement: of the P draws, those that repeat an earlier one. */
  repeats?: number;
  /** Likewise: test sentences that training has seen. */
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
  /** Of measures of every position: [positions of the layer, symbols of the level]. */
  map?: number[][];
}

export interface EndRecord {
  type: 'end';
  replica?: number; // absent: the whole run
  reason: EndReason;
  message?: string;
}

/** The learning rate was changed by hand, to `factor` times what the experiment says: the experiment alone no longer gives these bits. */
export interface RateRecord {
  type: 'rate';
  step: number; // steps done before the change
  factor: number;
}

/** How a replica, or a run, ends when nothing is left to do. */
export type RunEnd = 'done' | 'diverged';
/** `stopped`: by its user, who said why in `message`; `interrupted`: without a word, as by a signal. Both can be continued. */
export type EndReason = RunEnd | 'stopped' | 'interrupted' | 'failed';

export const hasEnded = (state: string | null | undefined): state is RunEnd => state === 'done' || state === 'diverged';

export type RunRecord = StartRecord | EvalRecord | TestRecord | MeasureRecord | RateRecord | EndRecord;

export interface ParsedRecords {
  records: RunRecord[];
  /** Lines that were left out, with the reason; numbered from 1. */
  problems: { line: number; message: string }[];
  /** The last line was cut off while it was written. Normal after a kill; its step is computed again on resume. */
  halfWritten: boolean;
  /** Bytes of UTF-8 up to the end of the last whole line: truncate the file to this before appending. */
  wholeBytes: number;
}

/** What the checks of the lines say. */
export interface InspectedRecords extends ParsedRecords {
  /** How many of `records` come before the first problem: nothing is missing among these. */
  intact: number;
  /** Lines of a file without checks, as earlier versions wrote them: nothing says whether they were changed. */
  unchecked: number;
}

/** One line, with its newline. NaN and infinities become null, which the parser reads as NaN. */
export function formatRecord(record: RunRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/** The lines of one file in their order, as they are appended. */
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
 * Reads records.jsonl. A last line without newline is taken if it is a whole record, and reported as half written
 * otherwise; any other bad line is left out and listed, and so are lines that do not fit their check. What follows the last check
 * was cut off while it was written. Records of unknown type are passed over: a newer version may write more.
 */
export function parseRecords(text: string): ParsedRecords {
  const { records, problems, halfWritten, wholeBytes } = inspectRecords(text);
  return { records, problems, halfWritten, wholeBytes };
}

/** The same with what the checks say of the whole. */
export function inspectRecords(text: string): InspectedRecords {
  const records: RunRecord[] = [];
  const problems: ParsedRecords['problems'] = [];
  const lines = text.split('\n');
  const tail = lines.pop()!;
  let halfWritten = false;
  let whole = text.length - tail.length;
  let intact: number | undefined;
  let last: string | undefined; // the check before
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

  /** The check of the lines since the one before. */
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

/** Fields of a start that are text, in the order of its line. */
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

const LEAST_LOSS = -0.01; // nats: a cross-entropy of 0, less what f32 takes from logits of 10^5

function toRecord(json: unknown): RunRecord | undefined {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new InputError('not an object');
  const o = json as Record<string, unknown>;
  const count = (name: string, fallback?: number) => {
    const value = o[name] ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
      throw new InputError(`${name}: wanted a whole number of at least 0, got ${JSON.stringify(o[name])}`);
    return value;
  };
  const real = (name: string, min = -Infinity, max = Infinity) => {
    const value = o[name];
    if (value === null || value === undefined) return Number.NaN;
    if (typeof value !== 'number') throw new InputError(`${name}: wanted a number, got ${JSON.stringify(value)}`);
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
          throw new InputError(`${name}: wanted text, got ${JSON.stringify(o[name])}`);
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
      if (typeof o.name !== 'string') throw new InputError(`name: wanted text, got ${JSON.stringify(o.name)}`);
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
      if (typeof o.reason !== 'string') throw new InputError(`reason: wanted text, got ${JSON.stringify(o.reason)}`);
      if (o.replica !== undefined) record.replica = count('replica');
      if (typeof o.message === 'string') record.message = o.message;
      return record;
    }
    default:
      if (typeof o.type !== 'string') throw new InputError(`type: wanted text, got ${JSON.stringify(o.type)}`);
      return undefined;
  }
}

/** Rows of numbers, all of one length; null is NaN. */
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
  if (!isMap) throw new InputError(`map: wanted rows of numbers, all of one length, got ${JSON.stringify(value)}`);
  return rows.map((row) => row.map((x) => (x === null ? Number.NaN : (x as number))));
}
