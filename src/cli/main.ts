/** The command line, `rhm`. Exit status: 0 done, 1 failed, 2 wrong usage or input, 128 + n stopped by signal n after saving. */

import { CommanderError } from 'commander';
import { FileError, RhmError } from '../core/errors.js';
import { printable } from '../core/outside.js';
import { reason } from '../platform/atomicFile.js';
import type { Platform } from '../platform/platform.js';
import { buildProgram } from './program.js';
import { isGone, outputLost } from './running.js';

const argv = process.argv.slice(2);
const debug = argv.includes('--debug') || /^(1|true|yes)$/i.test(process.env.RHM_DEBUG ?? '');

// If the reader has gone (`rhm sample ... | head`), that is not a failure; a command that trains saves before it ends.
let saving = false;
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    const failure = new FileError(`cannot write standard output: ${reason(error)}`, { cause: error });
    if (outputLost(failure, error.code)) saving = true;
    if (saving) return;
    if (isGone(error.code)) process.exit(0);
    process.exit(report(failure));
  });

// A limit on the size of files (ulimit -f) fails a write; it does not end the process.
if (!('Deno' in globalThis)) process.on('SIGXFSZ', () => {});

process.exitCode = await main();

async function main(): Promise<number> {
  const program = buildProgram(await currentPlatform());
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

async function currentPlatform(): Promise<Platform> {
  if ('Deno' in globalThis) return (await import('../platform/deno.js')).denoPlatform;
  return (await import('../platform/node.js')).nodePlatform;
}

/** Prints the error in one paragraph; returns the exit status. */
function report(error: unknown): number {
  // Commander has already printed its message; help and version end this way with status 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const known = error instanceof RhmError;
  const name = error instanceof Error ? error.name : 'Error';
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${name}: ${printable(message).replace(/\s*\n\s*/g, ' ')}\n`);
  if (debug && error instanceof Error) {
    process.stderr.write(`${printable(error.stack ?? '')}\n`);
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause)
      process.stderr.write(`caused by: ${printable(cause.stack ?? '')}\n`);
  } else if (!known) process.stderr.write('This was not expected; run again with --debug and report what it prints.\n');
  return known ? error.exitCode : 1;
}
