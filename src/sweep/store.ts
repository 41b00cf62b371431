/** The state of a sweep's runs: an append-only index beside the run folders, folded into one entry per run. */
import { isDiverged } from '../core/divergence.js';
import { isEntryName } from '../core/outside.js';
import { type EndReason, type InspectedRecords, inspectRecords, type RunEnd } from '../core/records.js';

/** Written into every store; a store of a newer version is refused. */
export const STORE_VERSION = 1;

/**
 * `waiting`: to be run, or continued; `running`: reported by a process, which may have died since; `failed`: set aside, with its
 * error; `done` and `diverged`: nothing left to do.
 */
export type RunState = 'waiting' | 'running' | RunEnd | 'failed';

/** One line of index.jsonl: an event of one run. Omitted fields keep their values. */
export interface IndexEvent {
  run: string; // hash
  state: RunState;
  at: number; // milliseconds since 1970
  name?: string; // for people
  by?: string; // process that reported it: `process 17 on host`
  error?: string; // why it failed, or why it waits again
  tries?: number; // how often it was started and its worker died or gave up
  loss?: number | null; // last test loss, nats, mean over replicas; null: not finite
  step?: number;
}

export interface RunEntry extends IndexEvent {
  tries: number;
}

/** Where a sweep keeps its runs. Platforms provide them on disk and in the browser's private file system. */
export interface SweepStore {
  readonly name: string;
  readonly id: string; // the store's id, by which data that is sent elsewhere finds the way back
  /** The current index. */
  read(): Promise<Map<string, RunEntry>>;
  /** Appends to the index. Safe while other processes do the same. @throws FileError */
  note(events: readonly IndexEvent[]): Promise<void>;
  /** Hashes of all run folders. */
  folders(): Promise<Set<string>>;
  /** The argument of the platform's `openFolder`, in this process and in its workers. */
  location(hash: string): string;
  /** A file of a run, read without locking; undefined if it does not exist. */
  file(hash: string, file: string): Promise<string | undefined>;
  /** The same as bytes. */
  bytes(hash: string, file: string): Promise<Uint8Array | undefined>;
  /** The process that is working in a run's folder now. */
  holder(hash: string): Promise<string | undefined>;
}

/** Combines the lines of an index. Incomplete and foreign lines are skipped: the folders provide the rest. */
export function foldIndex(text: string): Map<string, RunEntry> {
  const index = new IndexFold();
  index.add(text);
  return index.end();
}

/** The same for an index that arrives in pieces, cut anywhere: for 10^6 runs it is too long for one text. */
export class IndexFold {
  readonly #entries = new Map<string, RunEntry>();
  #tail = ''; // an incomplete line

  add(text: string): void {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const line = this.#tail + text.slice(start, end);
      this.#tail = '';
      if (line) this.#take(line);
      start = end + 1;
    }
    this.#tail += text.slice(start);
  }

  end(): Map<string, RunEntry> {
    this.add('\n');
    return this.#entries;
  }

  #take(line: string): void {
    const event = readEvent(line);
    if (!event) return;
    const old = this.#entries.get(event.run);
    // An error belongs to the last try only.
    if (old) Object.assign(old, { error: undefined, by: undefined }, event);
    else this.#entries.set(event.run, { tries: 0, ...event });
  }
}

const states: readonly unknown[] = ['waiting', 'running', 'done', 'diverged', 'failed'] satisfies RunState[];
const texts = ['name', 'by', 'error'] as const;
const counts = ['tries', 'step'] as const;

/** One line; undefined if it is malformed. A field of the wrong type is left out. */
function readEvent(line: string): IndexEvent | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { run, state, at, loss } = value;
  if (!isEntryName(run) || !states.includes(state)) return undefined;
  const event: IndexEvent = { run, state: state as RunState, at: typeof at === 'number' ? at : 0 };
  for (const key of texts) if (typeof value[key] === 'string') event[key] = value[key];
  for (const key of counts)
    if (Number.isSafeInteger(value[key]) && (value[key] as number) >= 0) event[key] = value[key] as number;
  if (loss === null || typeof loss === 'number') event.loss = loss;
  return event;
}

/** Lines to append to an index. Each line also begins with a newline, so that an incomplete line before it does no harm. */
export const indexLines = (events: readonly IndexEvent[]): string =>
  events.map((event) => `\n${JSON.stringify(event)}\n`).join('');

/** How a run ended, by its records; undefined: it has not ended. */
export interface Ended {
  state: RunEnd;
  loss: number | null;
  step: number;
}

export function endOf(records: string | InspectedRecords | undefined, replicas: number): Ended | undefined {
  if (!records) return undefined;
  const parsed = typeof records === 'string' ? inspectRecords(records) : records;
  const ends = new Map<number, EndReason>();
  const losses = new Map<number, number>();
  let step = 0;
  // Records after a bad line do not count: the run continues from its checkpoint, which shows whether anything is lost.
  for (const record of parsed.records.slice(0, parsed.intact)) {
    if (record.type === 'end' && record.replica !== undefined && record.reason !== 'interrupted')
      ends.set(record.replica, record.reason);
    if (record.type === 'eval') {
      losses.set(record.replica, record.loss);
      step = Math.max(step, record.step);
    }
  }
  if (ends.size < replicas) return undefined;
  const mean = [...losses.values()].reduce((sum, loss) => sum + loss, 0) / losses.size;
  // A loss that no network can have; earlier versions recorded such runs as done.
  const diverged = [...ends].every(([r, reason]) => reason === 'diverged' || isDiverged(losses.get(r) ?? 0));
  return { state: diverged ? 'diverged' : 'done', loss: Number.isFinite(mean) ? mean : null, step };
}
