/** What commands that train share. */
import { readFileSync } from 'node:fs';
import type { CommandContext } from './context.js';

export interface Interruption {
  readonly signal: AbortSignal;
  /** Exit status of a command that was stopped before its end: 128 + the signal's number, as shells have it. */
  readonly status: number;
  abort(): void;
  /** From now on signals end the process at once, as they do without this. */
  stop(): void;
}

const numbers = { SIGHUP: 1, SIGINT: 2, SIGPIPE: 13, SIGTERM: 15, SIGBREAK: 21 } as const;
/** One press of Ctrl-C arrives several times: from the terminal, from npm or npx, and from a script between. */
const ONE_PRESS_MS = 300;
const atWork = new Set<(error: Error, code: string | undefined) => void>();

/**
 * The first signal asks the run to save and stop; the second one ends the process. So does a reader of the output that went away:
 * of `rhm train | tee log`, Ctrl-C ends `tee` first.
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
  process.on('SIGTERM', onSignal); // on Windows it ends a process at once: what is lost there is the time since the last checkpoint
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
      if (by) return; // what is still to come of that press of Ctrl-C finds the same
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      process.off('SIGBREAK', onSignal);
      process.off('SIGHUP', onHangup);
    },
  };
}

/** Whether the reader is gone: a closed pipe or socket, a closed terminal. */
export const isGone = (code: string | undefined): boolean => ['EPIPE', 'ECONNRESET', 'EIO'].includes(code ?? '');

/** Standard output or error cannot be written any more. @returns whether a command is at work that saves and stops now. */
export function outputLost(error: Error, code: string | undefined): boolean {
  for (const tell of atWork) tell(error, code);
  return atWork.size > 0;
}

/**
 * Whether this process was started to outlive its terminal (nohup). Node forgets the signals that it was told to ignore, so
 * the traces are looked for: the shell's `_`, and what the parent ignores itself (Linux).
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
