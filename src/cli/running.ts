/** Shared by the commands that train. */
import { readFileSync } from 'node:fs';
import type { CommandContext } from './context.js';

export interface Interruption {
  readonly signal: AbortSignal;
  /** Exit status of a command that was stopped before its end: 128 + the signal's number, as in shells. */
  readonly status: number;
  abort(): void;
  /** After this, signals end the process at once, as they do by default. */
  stop(): void;
}

const numbers = { SIGHUP: 1, SIGINT: 2, SIGPIPE: 13, SIGTERM: 15, SIGBREAK: 21 } as const;
/** One press of Ctrl-C arrives several times: from the terminal, from npm or npx, and from a script in between. */
const ONE_PRESS_MS = 300;
const atWork = new Set<(error: Error, code: string | undefined) => void>();

/**
 * The first signal makes the run save and stop; the second one ends the process. A reader of the output that has gone counts as a signal:
 * in `rhm train | tee log`, Ctrl-C ends `tee` first.
 */
export function abortOnSignals(io: CommandContext, what = 'saving a checkpoint'): Interruption {
  const controller = new AbortController();
  let by: keyof typeof numbers | undefined;
  let askedAt = 0;
  let lost: Error | undefined;
  const onSignal = (name: NodeJS.Signals) => {
    const number = numbers[name as keyof typeof numbers];
    if (by) {
      if (performance.now() - askedAt < ONE_PRESS_MS) return;
      process.exit(128 + number);
    }
    by = name as keyof typeof numbers;
    askedAt = performance.now();
    io.log(`${name}: ${what}; once more to stop at once`);
    controller.abort();
  };
  const onLost = (error: Error, code: string | undefined) => {
    lost ??= isGone(code) ? undefined : error;
    if (!lost || controller.signal.aborted) return controller.abort();
    io.log(`${error.message}; ${what}`);
    controller.abort();
  };
  const ignored = hangupIsIgnored();
  const onHangup = ignored ? () => {} : onSignal;
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal); // on Windows it ends a process at once: the time since the last checkpoint is lost
  process.on('SIGBREAK', onSignal); // Ctrl-Break of Windows
  process.on('SIGHUP', onHangup);
  atWork.add(onLost);
  return {
    signal: controller.signal,
    get status() {
      if (by) return 128 + numbers[by];
      return controller.signal.aborted && !lost ? 128 + numbers.SIGPIPE : 1;
    },
    abort: () => controller.abort(),
    stop() {
      atWork.delete(onLost);
      if (by) return; // the remaining signals of that press of Ctrl-C find the same handlers
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      process.off('SIGBREAK', onSignal);
      process.off('SIGHUP', onHangup);
    },
  };
}

/** Whether the reader is gone: a closed pipe or socket, a closed terminal. */
export const isGone = (code: string | undefined): boolean => ['EPIPE', 'ECONNRESET', 'EIO'].includes(code ?? '');

/** Standard output or error can no longer be written. @returns whether a command is running that now saves and stops. */
export function outputLost(error: Error, code: string | undefined): boolean {
  for (const tell of atWork) tell(error, code);
  return atWork.size > 0;
}

/**
 * Whether this process was started to outlive its terminal (nohup). Node resets ignored signals, so this looks for traces: the shell's
 * `_`, and the signals that the parent ignores (Linux).
 */
function hangupIsIgnored(): boolean {
  if (/(^|\/)nohup$/.test(process.env._ ?? '')) return true;
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, 'utf8'))?.[1];
    return ignored !== undefined && (BigInt(`0x${ignored}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

/** `2 min 5 s`. */
export function timeText(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  return s < 3600
    ? `${Math.floor(s / 60)} min ${s % 60} s`
    : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
