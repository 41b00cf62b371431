/** The context of a command: where to write, how to report, and the platform it runs on. */
import { type Command, InvalidArgumentError } from 'commander';
import { printable, printableJson, printableLine } from '../core/outside.js';
import type { Platform } from '../platform/platform.js';

export interface CommandContext {
  readonly platform: Platform;
  /** Suppresses messages and progress, but not errors. */
  quiet: boolean;
  /** Writes to standard output and waits while the reader is slow. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** One line on standard error. */
  log(line: string): void;
  /** A temporary state on standard error: redrawn in place on a terminal, else at most one line in two seconds, and the last. */
  progress(line: string, last?: boolean): void;
  /** The command's result: `value` as JSON with --json, else `text()`. */
  result(command: Command, value: unknown, text: () => string): Promise<void>;
}

/** Each file in commands/ exports one of these; commands/index.ts is the table. */
export type AddCommand = (program: Command, io: CommandContext) => void;

/** An option parser for whole numbers in [min, max]. The error message names the bound. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `Pass a whole number of at least ${min}.`
          : `Pass a whole number from ${min} to ${max}.`,
      );
    return value;
  };
}

/** An option parser for finite numbers in [min, max]. */
export function number(min = -Infinity, max = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!text.trim() || !Number.isFinite(value) || value < min || value > max)
      throw new InvalidArgumentError(
        `Pass a number ${max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`}.`,
      );
    return value;
  };
}

export function createContext(platform: Platform): CommandContext {
  let lastProgress = -Infinity;
  let drawn = false;
  // Lines are redrawn only on a terminal whose user has not requested plain text (no-color.org).
  const redraws = Boolean(process.stderr.isTTY) && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const clear = () => {
    if (drawn) process.stderr.write('\r\x1b[K');
    drawn = false;
  };
  const io: CommandContext = {
    platform,
    quiet: false,
    write(chunk) {
      clear();
      return new Promise((resolve) => {
        const { stdout } = process;
        if (stdout.write(chunk) || stdout.destroyed) return resolve();
        const done = () => {
          stdout.off('drain', done);
          stdout.off('close', done); // the reader has gone: there will be no drain event
          resolve();
        };
        stdout.on('drain', done);
        stdout.on('close', done);
      });
    },
    log(line) {
      if (io.quiet) return;
      clear();
      process.stderr.write(`${printable(line)}\n`);
    },
    progress(line, last) {
      if (io.quiet) return;
      if (redraws) {
        process.stderr.write(
          `\r\x1b[K${printableLine(line, line.length).slice(0, (process.stderr.columns ?? 80) - 1)}`,
        );
        drawn = true;
      } else if (last || performance.now() - lastProgress >= 2000) {
        lastProgress = performance.now();
        process.stderr.write(`${printable(line)}\n`);
      }
    },
    async result(command, value, text) {
      const out = command.optsWithGlobals().json ? printableJson(value, 2) : printable(text());
      await io.write(out.endsWith('\n') ? out : `${out}\n`);
    },
  };
  return io;
}
